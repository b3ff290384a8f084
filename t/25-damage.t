#!/usr/bin/perl

# What registry:2 or somebody at the store has damaged: never a wrong answer
# or one that looks complete, a line in the error log, and the next push
# repairs it.  Each damage is made by hand in a real RGW.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
# what is changed behind its back is seen at once
$t->start(directives => 'registry_cache off;');

my $c = $t->client;
my $store = $t->store;
my $base = 'files/docker/registry/v2';
my $n = 0;
my ($config, $offset);


sub put {
    my ($name, $bytes, %headers) = @_;

    my $r = $store->swift('PUT', "/$name",
        { headers => \%headers, content => $bytes // '' });
    die "PUT $name: $r->{status}" if $r->{status} != 201;
}


sub remove {
    my ($name) = @_;

    my $r = $store->swift('DELETE', "/$name");
    die "DELETE $name: $r->{status}" if $r->{status} != 204;
}


# A blob as registry:2 writes it: segments of these sizes, and the manifest.
# Returns (bytes, digest, prefix of the segments)

sub large {
    my ($name, @sizes) = @_;

    my $prefix = 'segments/2f6/46f636b65722f' . sprintf '%06d', ++$n;
    my $bytes = '';

    for (0 .. $#sizes) {
        my $segment = join '', map { chr 97 + rand 26 } 1 .. $sizes[$_];
        put(sprintf('%s/%016d', $prefix, $_ + 1), $segment);
        $bytes .= $segment;
    }

    my $digest = 'sha256:' . sha256_hex($bytes);
    put(RegistryTest::blob_name($digest), '',
        'X-Object-Manifest' => $t->container . "/$prefix");
    put("$base/repositories/$name/_layers/" . RegistryTest::slash($digest)
        . '/link', $digest);

    return ($bytes, $digest, $prefix);
}


sub log_since_last {
    my $log = substr read_file($t->error_log), $offset // 0;
    $offset = -s $t->error_log;

    return join "\n", grep { /damage in the storage/ } split /\n/, $log;
}


sub get {
    my ($name, $digest, $method, %headers) = @_;

    return $c->request($method // 'GET', "/v2/$name/blobs/$digest",
        { headers => \%headers });
}


sub pushes_manifest {
    my ($name, $tag, @layers) = @_;

    my ($bytes) = $c->manifest($config, @layers);
    return $c->put_manifest($name, $tag, $bytes);
}


# unknown to every way of asking, and named in the log; then pushed again

sub is_unknown {
    my ($test, $name, $bytes, $digest, $log) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    log_since_last();

    my $r = get($name, $digest);
    is "$r->{status} " . $c->error_code($r), '404 BLOB_UNKNOWN',
        "$test: GET";

    my $line = log_since_last();
    like $line, $log, "$test: log";
    like $line, qr/repository "\Q$name\E"/, "$test: its repository";

    is get($name, $digest, 'HEAD')->{status}, 404, "$test: HEAD";
    is get($name, $digest, 'GET', Range => 'bytes=0-1')->{status}, 404,
        "$test: a range";
    is get($name, $digest, 'GET', Range => 'bytes=0-1,3-4')->{status}, 404,
        "$test: ranges";

    # a manifest that names it is refused, though it is linked

    log_since_last();
    $r = pushes_manifest($name, 'v1', $bytes);
    is "$r->{status} " . $c->error_code($r), '400 MANIFEST_BLOB_UNKNOWN',
        "$test: a manifest that names it";
    like log_since_last(), $log, "$test: log of it";

    # mounted, it would be an upload

    $r = $c->request('POST',
        "/v2/elsewhere/blobs/uploads/?mount=$digest&from=$name");
    is $r->{status}, 202, "$test: a mount";

    is_repaired($test, $name, $bytes, $digest);
}


sub is_repaired {
    my ($test, $name, $bytes, $digest) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %before = map { $_->{name} => 1 } @{ $store->list('segments/') };
    $c->push_blob($name, $bytes);

    my $r = get($name, $digest);
    ok $r->{status} == 200 && $r->{content} eq $bytes, "$test: repaired";
    is pushes_manifest($name, 'v1', $bytes)->{status}, 201,
        "$test: and its manifest pushed";

    # those of a large object of this module go with it

    my @after = map { $_->{name} } @{ $store->list('segments/') };
    delete @before{ @after };
    my @own = map { my ($p) = m{^(segments/ngx/[^/]+/[^/]+/)}; $p ? $p : () }
        keys %before;
    is_deeply [grep { !m{^segments/ngx/} } keys %before], [],
        "$test: no segment was touched";
    is_deeply [grep { my $own = $_; grep { !index $_, $own } @after } @own],
        [], "$test: nothing is left of its own";

    is $store->swift('HEAD', '/' . RegistryTest::blob_name($digest))
        ->{headers}{'x-object-manifest'}, undef, "$test: by a plain object"
        if length $bytes < 1 << 20;
    log_since_last();
}


# the container, and a config for all manifests

$config = '{}';
$c->push_blob($_, $config) for 'team/app', 'team/link', 'team/tag';


# large objects of registry:2 that are whole

for ([1], [1000, 1000, 10], [5, 1000, 3, 1000, 70], [1000, 1000, 1000]) {
    my ($bytes, $digest) = large('team/app', @$_);
    my $test = "segments of @$_";

    my $r = get('team/app', $digest);
    ok $r->{status} == 200 && $r->{content} eq $bytes, $test;
    is get('team/app', $digest, 'HEAD')->{headers}{'content-length'},
        length $bytes, "$test: HEAD";

    next if @$_ == 1;
    $r = get('team/app', $digest, 'GET', Range => 'bytes=998-1003');
    is $r->{content}, substr($bytes, 998, 6), "$test: a range over two";

    # of a range that ends within a segment RGW sends a byte too many: it must
    # not be seen, nor be the beginning of the next reply

    for (1 .. 3) {
        $r = get('team/app', $digest, 'GET', Range => 'bytes=2-4,900-1003');
        is_deeply [$r->{content} =~ /\r\n\r\n(\w+)\r\n--/g],
            [substr($bytes, 2, 3), substr($bytes, 900, 104)],
            "$test: two ranges";
    }

    is pushes_manifest('team/app', 'v0', $bytes)->{status}, 201,
        "$test: in a manifest";
    is $c->request('POST',
        "/v2/elsewhere/blobs/uploads/?mount=$digest&from=team/app")->{status},
        201, "$test: mounted";
}

is log_since_last(), '', 'nothing to be logged';


# large objects that are not

for (['no segment', [1000, 1000], [1, 2], qr/has no segments/],
     ['no first segment', [1000, 1000, 5], [1], qr/lacks segment 1 of "seg/],
     ['no second segment', [1000, 1000, 5], [2], qr/lacks segment 2 of "seg/],
     ['no third and fourth', [9, 9, 9, 9, 9], [3, 4], qr/lacks segment 3 /])
{
    my ($test, $sizes, $lost, $log) = @$_;
    my ($bytes, $digest, $prefix) = large('team/app', @$sizes);

    remove(sprintf '%s/%016d', $prefix, $_) for @$lost;
    is_unknown($test, 'team/app', $bytes, $digest,
        qr/\Q${\ RegistryTest::blob_name($digest)}\E" $log/);
}


# the last segment is missed by who knows the size

{
    my ($bytes, $digest, $prefix) = large('team/app', 1000, 1000, 5);
    remove("$prefix/0000000000000003");

    my $r = pushes_manifest('team/app', 'v2', $bytes);
    is "$r->{status} " . $c->error_code($r), '400 MANIFEST_BLOB_UNKNOWN',
        'no last segment: a manifest that names it';
    like log_since_last(), qr/has 2000 bytes, where 2005 are named/,
        'no last segment: log';
    is_repaired('no last segment', 'team/app', $bytes, $digest);
}


# segments that two objects name: deleting the blob leaves them

{
    my ($bytes, $digest, $prefix) = large('team/app', 1000, 1000);
    my $upload = "$base/repositories/team/app/_uploads/"
        . '01234567-89ab-4cde-8f01-23456789abcd/data';
    put($upload, '', 'X-Object-Manifest' => $t->container . "/$prefix");

    ok get('team/app', $digest)->{content} eq $bytes, 'shared segments';
    is $c->request('DELETE', "/v2/team/app/blobs/$digest")->{status}, 202,
        'its link is deleted';
    is scalar @{ $store->list("$prefix/") }, 2, 'and no segment';
    is get('team/app', $digest)->{status}, 404, 'it is unknown';
}


# a large object of our own: it knows its size

{
    $t->stop;
    $t->start(directives => 'registry_part_size 1m; registry_cache off;');
    $c = $t->client;

    my $bytes = 'layer ' x 500_000;
    my $digest = $c->push_blob('team/app', $bytes);
    my @segments = grep { m{^segments/ngx/} }
        map { $_->{name} } @{ $store->list('segments/') };
    is scalar @segments, 3, 'a blob of three parts';
    is get('team/app', $digest, 'HEAD')->{headers}{'content-length'},
        length $bytes, 'it is whole';
    log_since_last();

    remove($segments[-1]);
    is_unknown('its last segment', 'team/app', $bytes, $digest,
        qr/bytes, where 3000000 were made/);
}


# links

my $link = sub {
    my ($digest, $alg) = @_;
    return "$base/repositories/team/link/_layers/"
        . RegistryTest::slash($digest) . '/link';
};

for (['an empty link', '', qr/is an empty link/],
     ['a link of blanks', '  ', qr/is a link that holds no digest/],
     ['half a link', 'sha256:0123', qr/is a link that holds no digest/],
     ['a link to another digest', 'sha256:' . sha256_hex($config),
        qr/is a link to another digest/])
{
    my ($test, $content, $log) = @$_;
    my $bytes = "layer of $test";
    my $digest = $c->push_blob('team/link', $bytes);

    put($link->($digest), $content);
    is_unknown($test, 'team/link', $bytes, $digest,
        qr/\Q${\ $link->($digest) }\E" $log/);
}

{
    my $digest = $c->push_blob('team/link', 'newline');
    put($link->($digest), "$digest\n");
    is get('team/link', $digest)->{content}, 'newline',
        'a link that ends in a newline is read';
    like log_since_last(), qr/ends in a newline; registry:2 cannot read it/,
        'and logged';

    # registry:2 links a sha512 that was mounted to data it never has

    my $alias = 'sha512:' . sha512_hex('newline');
    put($link->($alias), $alias);
    is get('team/link', $alias)->{status}, 404, 'an alias of nothing';
    put($link->($alias), $digest);
    is get('team/link', $alias)->{content}, 'newline', 'a right alias';
    is get('team/link', $alias)->{headers}{etag}, "\"$alias\"",
        'has the tag that was asked';

    put($link->($alias), $c->push_blob('team/link', 'others'));
    log_since_last();
    is get('team/link', $alias)->{status}, 404, 'an alias of other bytes';
    like log_since_last(), qr/is not what a link to it is for/, 'is told';
    put($link->($alias), $digest);

    remove(RegistryTest::blob_name($digest));
    is get('team/link', $digest)->{status}, 404, 'a link to nothing';
    is get('team/link', $alias)->{status}, 404, 'nor by its alias';
    is_repaired('a link to nothing', 'team/link', 'newline', $digest);
}


# tags and manifests

my $tags = "$base/repositories/team/tag/_manifests";

for (['a tag of no revision', sub {
        my ($tag, $digest) = @_;
        remove("$tags/revisions/" . RegistryTest::slash($digest) . '/link');
        put("$tags/tags/$tag/current/link", $digest);
     }, qr/is the tag of a manifest that is not there/],
     ['an empty tag', sub {
        put("$tags/tags/$_[0]/current/link", '');
     }, qr/is a link without a digest/],
     ['an empty revision', sub {
        put("$tags/revisions/" . RegistryTest::slash($_[1]) . '/link', '');
        put("$tags/tags/$_[0]/current/link", $_[1]);
     }, qr/is an empty link/],
     ['a revision of another digest', sub {
        put("$tags/revisions/" . RegistryTest::slash($_[1]) . '/link',
            'sha256:' . sha256_hex($config));
        put("$tags/tags/$_[0]/current/link", $_[1]);
     }, qr/is a link to another digest/],
     ['no bytes of a manifest', sub {
        remove(RegistryTest::blob_name($_[1]));
     }, qr/is linked, but not there/],
     ['other bytes of a manifest', sub {
        put(RegistryTest::blob_name($_[1]), '{"schemaVersion":2}');
     }, qr/has other bytes than its digest/])
{
    my ($test, $damage, $log) = @$_;
    my $tag = 'v' . ++$n;
    my $layer = "layer of $test";

    $c->push_blob('team/tag', $layer);
    my ($manifest, $digest) = $c->manifest($config, $layer);
    is $c->put_manifest('team/tag', $tag, $manifest)->{status}, 201,
        "$test: pushed";

    $damage->($tag, $digest);
    log_since_last();

    for my $method ('GET', 'HEAD') {
        my $r = $c->request($method, "/v2/team/tag/manifests/$tag");
        is $r->{status}, 404, "$test: $method";
        is $c->error_code($r), 'MANIFEST_UNKNOWN', "$test: code"
            if $method eq 'GET';
        like log_since_last(), $log, "$test: $method is logged";
    }

    is $c->put_manifest('team/tag', $tag, $manifest)->{status}, 201,
        "$test: pushed again";
    is $c->request('GET', "/v2/team/tag/manifests/$tag")->{content},
        $manifest, "$test: repaired";
}


# a tag that was written here goes before its revision link does, so that it
# can be read without a look at that

{
    my ($manifest, $digest) = $c->manifest($config, $config);
    $c->put_manifest('team/tag', 'own', $manifest);
    remove("$tags/revisions/" . RegistryTest::slash($digest) . '/link');

    is $c->request('GET', '/v2/team/tag/manifests/own')->{content}, $manifest,
        'the tag of this module, by itself';
    is $c->request('GET', "/v2/team/tag/manifests/$digest")->{status}, 404,
        'by digest it is gone';
    is $c->request('DELETE', '/v2/team/tag/manifests/own')->{status}, 202,
        'and deleted';
    is $c->request('GET', '/v2/team/tag/manifests/own')->{status}, 404,
        'it is gone by both';
}


# objects at the names of directories, which registry:2 chokes on

{
    my $digest = $c->push_blob('team/tag', 'a layer');
    put($_) for "$base/repositories/", "$base/repositories/team/",
        "$base/repositories/team/tag", "$base/repositories/team/tag/_layers/",
        "$tags/tags/", "$tags/tags/v1/",
        RegistryTest::blob_name($digest) =~ s{/data$}{/}r;

    is get('team/tag', $digest)->{content}, 'a layer',
        'a blob beside directories';
    is $c->request('GET', '/v2/team/tag/tags/list')->{status}, 200,
        'tags beside directories';
    is $c->request('GET', '/v2/_catalog')->{status}, 200,
        'the catalog beside directories';
    is $c->request('GET', '/v2/team/tag/manifests/v1')->{status}, 404,
        'a directory is no tag';
}

$t->finish(allow => qr/registry: damage in the storage/);
