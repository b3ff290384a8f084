#!/usr/bin/perl

# One container, filled by registry:2 and by this in turns: every answer of
# both is compared, status, header fields and body, and may differ only where
# a named improvement says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use JSON::PP;
use Test::More;

use RegistryTest;


plan skip_all => 'two of registry:2 show nothing'
    if ($ENV{REGISTRY_UNDER_TEST} // 'module') ne 'module';

my $new = RegistryTest->new;
my $old = RegistryTest->new(under_test => 'docker-registry',
                            container => $new->container);
$new->start(directives => 'registry_part_size 1m;');
$old->start(chunksize => 1 << 20);

my ($n, $o) = ($new->client, $old->client);

my $OCI = 'application/vnd.oci.image.manifest.v1+json';
my $INDEX = 'application/vnd.oci.image.index.v1+json';
my $DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
my $LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

# names that are prefixes of others, and repositories in repositories
my @names = ('a', 'a-b', 'a/b', 'ab');
my (%blobs, %manifests, %tags, %size);

my %bytes = (
    one => random(1000),                # one segment
    exact => random(1 << 20),           # as long as a segment
    many => random(3_300_000),          # four
);


# In turns: each writes into all repositories, next to the other one.

for my $i (0 .. $#names) {
    my $name = $names[$i];

    for my $c ($i % 2 ? ($o, $n) : ($n, $o)) {
        my $who = $c == $n ? 'new' : 'old';
        my @layers = ($bytes{one}, "$name by $who");
        push @layers, $bytes{exact} if $i < 2;
        push @layers, $bytes{many} if $i < 3;
        my $config = qq({"architecture":"amd64","os":"linux","$who":"$name",)
            . '"rootfs":{"type":"layers","diff_ids":[]},"history":[]}';

        for ($config, @layers) {
            $c->push_blob($name, $_);
            add($blobs{$name}, $_);
        }

        my ($image, $digest) = $c->manifest($config, @layers);
        put($c, $name, "$who-oci", $image, $OCI);
        put($c, $name, "both", $image, $OCI);

        my $docker = $image =~ s/\Q$OCI\E/$DOCKER/r
            =~ s/oci\.image\.config\.v1/docker.container.image.v1/r
            =~ s/oci\.image\.layer\.v1\.tar\+gzip
                /docker.image.rootfs.diff.tar.gzip/gxr;
        put($c, $name, "$who-docker", $docker, $DOCKER);

        for ([$INDEX, $OCI, $image], [$LIST, $DOCKER, $docker]) {
            my ($type, $child, $bytes) = @$_;
            put($c, $name, $type eq $LIST ? "$who-list" : "$who-index",
                encode_json({ schemaVersion => 2, mediaType => $type,
                    manifests => [{ mediaType => $child,
                        size => length $bytes,
                        digest => 'sha256:' . sha256_hex($bytes),
                        platform => { architecture => 'arm64',
                                      os => 'linux' } }] }), $type);
        }
    }
}

# blobs by sha512, which both keep by sha256 and an alias
my %alias;
for ([$n, 'a'], [$o, 'ab']) {
    my ($c, $name) = @$_;
    my $bytes = "by sha512 in $name";
    my $r = $c->request('PUT', $c->with_digest($c->begin_upload($name),
        'sha512:' . sha512_hex($bytes)), { content => $bytes, headers => {
            'Content-Type' => 'application/octet-stream' } });
    is($r->{status}, 201, "a blob by sha512 in $name");
    $alias{$name} = 'sha512:' . sha512_hex($bytes);
    $blobs{$name}{$alias{$name}} = $bytes;
}

# the empty blob, which registry:2 cannot take
$n->push_blob('a', '');
add($blobs{a}, '');

# leftovers: uploads that broke, a signature of registry 2.4
for my $c ($n, $o) {
    my $r = $c->request('PATCH', $c->begin_upload('a/b'), {
        content => 'begun', headers => {
            'Content-Type' => 'application/octet-stream' } });
    is($r->{status}, 202, 'an upload is left');
}
my ($signed) = map { s/:/\//r } sort keys %{ $manifests{'a/b'} };
my $signature = 'sha256:' . sha256_hex($bytes{one});
my $legacy = '/files/docker/registry/v2/repositories/a/b'
    . "/_manifests/revisions/$signed/signatures/" . $signature =~ s/:/\//r
    . '/link';
$new->store->swift('PUT', $legacy, { content => $signature });


# What differs, and why.  A rule is for answers of which "when" is true, and
# then "fields" need not be the same, but ours must be as "ours" says.

my @status = qw(:status :body content-length content-type);
my $json = qr{^application/json; charset=utf-8$};

my @improvements = (
    { name => 'manifests say how long they may be kept',
      when => sub { $_[1] =~ m{/manifests/} && $_[2]{':status'} =~ /^[23]/ },
      fields => [qw(cache-control accept-ranges)],
      ours => { 'cache-control' => qr/^(no-cache|max-age=31536000)$/ } },

    { name => 'manifests and their errors say that they depend on Accept',
      when => sub { $_[1] =~ m{/manifests/} },
      fields => [qw(vary)],
      ours => { vary => qr/^Accept$/ } },

    { name => 'errors are not kept by proxies',
      when => sub { $_[2]{':status'} >= 400 },
      fields => [qw(cache-control)],
      ours => { 'cache-control' => qr/^no-store$/ } },

    { name => 'a 304 has the fields that its 200 has (RFC 9110, 15.4.5)',
      when => sub { $_[2]{':status'} == 304 },
      fields => [qw(docker-content-digest etag)],
      ours => { etag => qr/^"sha(256|512):\w+"$/ } },

    { name => 'HEAD where GET is (RFC 9110, 9.1)',
      when => sub { $_[0] eq 'HEAD' && $_[1] =~ /_catalog|tags.list/ },
      fields => [@status, qw(allow link)],
      ours => { ':status' => qr/^(200|404)$/ } },

    { name => 'the detail of an error is what was asked for, no Go structure',
      when => sub { $_[2]{':status'} == 404 && $_[1] !~ /blobs/ },
      fields => [qw(:body content-length)],
      ours => { ':body' => qr/^$|"code":"(NAME|MANIFEST)_UNKNOWN"/ } },

    { name => 'errors of conditions are JSON, with their own length',
      when => sub { $_[2]{':status'} == 412 },
      fields => [@status[1 .. 3], qw(cache-control etag accept-ranges
          docker-content-digest)],
      ours => { ':body' => qr/PRECONDITION_FAILED/, 'content-type' => $json } },

    { name => 'errors of ranges, too: of registry:2 they broke off',
      when => sub { $_[2]{':status'} == 416 && $_[3]{':status'} == 416 },
      fields => [@status[1 .. 3], qw(content-range cache-control etag
          accept-ranges docker-content-digest)],
      ours => { ':body' => qr/RANGE_INVALID/, 'content-type' => $json,
                'content-range' => qr{^bytes \*/\d+$} } },

    { name => 'HEAD knows no ranges (RFC 9110, 14.2)',
      when => sub { $_[0] eq 'HEAD' && $_[4]{Range} },
      fields => [qw(:status content-length content-range content-type)],
      ours => { ':status' => qr/^200$/ } },

    { name => 'a blob asked for by sha512 is named so',
      when => sub { $_[1] =~ m{/blobs/sha512:}
          && $_[2]{':status'} =~ /^[23]/ },
      fields => [qw(docker-content-digest etag)],
      ours => { etag => qr/^"sha512:\w+"$/ } },

    { name => 'and its conditions are looked at by that name',
      when => sub { $_[1] =~ m{/blobs/sha512:} && ($_[4]{'If-None-Match'}
          || $_[4]{'If-Range'}) },
      fields => [@status, qw(content-range accept-ranges)],
      ours => { ':status' => qr/^(304|206|200)$/ } },
);
my (%used, @differences);

my @all = map { keys %$_ } values %blobs;
my %every = map { $_ => 1 } @all;
my $unknown = 'sha256:' . '0' x 64;

for my $path (qw(/v2/ /v2/_catalog /v2/_catalog?n=3 /v2/_catalog?n=3&last=a/b
    /v2/_catalog?last=zz /v2/none/tags/list /v2/none/manifests/v1),
    "/v2/none/blobs/$unknown")
{
    compare('GET', $path);
    compare('HEAD', $path);
}

for my $name (@names) {
    compare('GET', "/v2/$name/tags/list");

    # all by their digests, too, but once
    for my $ref (sort(keys %{ $tags{$name} }),
        $name eq 'a' ? sort keys %{ $manifests{$name} } : (),
        'none', $unknown)
    {
        my $path = "/v2/$name/manifests/$ref";
        compare('GET', $path);
        compare('HEAD', $path);
        my $digest = $tags{$name}{$ref} // $ref;
        next if $ref ne 'both';
        compare('GET', $path, 'If-None-Match' => $_)
            for qq("$digest"), '"sha256:x"', $digest;
    }

    # those of other repositories, too: they are not to be had here
    for my $digest (sort keys %every, $unknown) {
        my $path = "/v2/$name/blobs/$digest";
        my $bytes = $blobs{$name}{$digest};
        compare('HEAD', $path);
        next if !defined $bytes;
        compare('GET', $path);
        next if $name ne 'a' && $name ne 'ab';

        my $size = length $bytes or next;
        compare('GET', $path, Range => "bytes=$_")
            for '0-', '0-0', '-1', '3-9', ($size - 1) . '-',
                '1048574-1048577', '0-99999999', '1000-2200000';
        compare('GET', $path, 'If-None-Match' => qq("$digest"));
        compare('GET', $path, 'If-Match' => '"other"');
        compare('GET', $path, Range => 'bytes=0-3',
            'If-Range' => qq("$digest"));
        compare('GET', $path, Range => 'bytes=0-3', 'If-Range' => '"other"');
        compare('HEAD', $path, Range => 'bytes=0-3');
        compare('GET', $path, Range => "bytes=$size-");
        compare('GET', $path, Range => 'bytes=5-2');
    }
}

is(join("\n", @differences), '', 'all answers are the same') or show_segments();
is_deeply([grep { !$used{$_} } map { $_->{name} } @improvements], [],
    'but for improvements, each of them seen');


# Deleted by the one what the other wrote, and collected by registry:2: what
# is tagged stays, all else goes.

for ([$n, 'a-b', 'old'], [$o, 'ab', 'new']) {
    my ($c, $name, $who) = @$_;

    for my $tag ("$who-list", "$who-docker") {
        my $digest = delete $tags{$name}{$tag};
        my $r = $c->request('DELETE', "/v2/$name/manifests/$digest");
        is($r->{status}, 202, "$name:$tag is deleted by the other one");
    }
}

is($n->request('DELETE', '/v2/a-b/blobs/sha256:' . sha256_hex($bytes{many}))
    ->{status}, 202, 'a link to a blob that others have, too');
$_->push_blob('a', 'nobody') for $n, $o;

my (%needed, @left);

for my $name (@names) {
    @left = values %{ $tags{$name} };

    while (my $digest = shift @left) {
        $needed{$digest} = 1;
        my $json = decode_json($manifests{$name}{$digest} // next);
        push @left, map { $_->{digest} } @{ $json->{manifests} // [] };
        $needed{$_->{digest}} = 1
            for grep { $_ } $json->{config}, @{ $json->{layers} // [] };
    }
}

# registry:2 takes it for an untagged manifest, and gives up where "-m" cannot
# delete that
$new->store->swift('DELETE', $legacy);

$_->stop for $new, $old;
$new->run_ok('garbage-collect -m', 'docker-registry', 'garbage-collect', '-m',
    $old->dir . '/registry.yml');
$_->start for $new, $old;

is_deeply([ sort grep { m{/blobs/} } @{ $new->store->names } ],
    [ sort map { RegistryTest::blob_name($_) } keys %needed ],
    'exactly what is tagged is left');

@differences = ();

for my $name (@names) {
    compare('GET', "/v2/$name/tags/list");
    compare('GET', "/v2/$name/manifests/$_") for sort keys %{ $tags{$name} };
}

my $many = '/v2/a/blobs/sha256:' . sha256_hex($bytes{many});
compare('GET', $many);
is(join("\n", @differences), '', 'and answered by both as before');
ok($n->request('GET', $many)->{content} eq $bytes{many},
    'segments that others name are left');

$old->stop;
$new->finish;


# whose segments a blob has that one of both cannot read

sub show_segments {
    for ("\n@differences" =~ m{/blobs/(sha256:\w+) *\n   :status: 404}g) {
        my $r = $new->store->swift('HEAD', '/' . RegistryTest::blob_name($_));
        diag "$_: $r->{status} $r->{headers}{'content-length'} bytes of \""
            . ($r->{headers}{'x-object-manifest'} // '') . '"';
    }
}


sub random { join '', map { pack 'N', rand 2**32 } 1 .. $_[0] / 4 }


sub add {
    $_[0]{'sha256:' . sha256_hex($_[1])} = $_[1];
}


sub put {
    my ($c, $name, $tag, $bytes, $type) = @_;

    my $r = $c->put_manifest($name, $tag, $bytes, $type);
    die "$name:$tag: $r->{status} $r->{content}" if $r->{status} != 201;

    $tags{$name}{$tag} = 'sha256:' . sha256_hex($bytes);
    $manifests{$name}{$tags{$name}{$tag}} = $bytes;
}


sub answer {
    my ($c, $method, $path, @headers) = @_;

    my $text = "$method $path HTTP/1.1\r\nHost: registry\r\n"
        . "Authorization: $c->{authorization}\r\nConnection: close\r\n";
    $text .= "Accept: $RegistryTest::Client::ACCEPT\r\n";
    $text .= shift(@headers) . ': ' . shift(@headers) . "\r\n" while @headers;

    my $r = $c->exchange("$text\r\n");
    my %fields = (%{ $r->{headers} }, ':status' => $r->{status},
                  ':body' => $r->{content});
    delete @fields{qw(date server connection x-content-type-options)};

    return \%fields;
}


sub compare {
    my ($method, $path, %headers) = @_;

    my ($mine, $its) = map { answer($_, $method, $path, %headers) } $n, $o;
    my %all = (%$mine, %$its);
    my %differ = map { $_ => 1 }
        grep { ($mine->{$_} // "\n") ne ($its->{$_} // "\n") } keys %all;

    for my $rule (@improvements) {
        next if !grep { $differ{$_} } @{ $rule->{fields} };
        next if !$rule->{when}->($method, $path, $mine, $its, \%headers);
        next if grep { ($mine->{$_} // '') !~ $rule->{ours}{$_} }
            grep { $method ne 'HEAD' || $_ ne ':body' }
            keys %{ $rule->{ours} };

        $used{$rule->{name}} = 1;
        delete @differ{ @{ $rule->{fields} } };
    }

    push @differences, join ' ', $method, $path, %headers, map {
        "\n   $_: " . substr($mine->{$_} // '(none)', 0, 80) . ' | '
            . substr($its->{$_} // '(none)', 0, 80) } sort keys %differ
        if %differ;
}
