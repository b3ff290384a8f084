#!/usr/bin/perl

# Referrers: listed, filtered, in pages, merged with what clients wrote under
# the referrers tag, and gone with their manifest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use JSON::PP;
use Test::More;

use RegistryTest;


my $OCI = 'application/vnd.oci.image.manifest.v1+json';
my $INDEX = 'application/vnd.oci.image.index.v1+json';
my $EMPTY = { mediaType => 'application/vnd.oci.empty.v1+json', size => 2,
              digest => 'sha256:' . sha256_hex('{}') };

my $t = RegistryTest->new;
$t->start;

my $c = $t->client;
my $json = JSON::PP->new->utf8->canonical;
my $name = 'team/app';

$c->push_blob($name, '{}');


sub digest { 'sha256:' . sha256_hex($_[0]) }


# pushes a manifest with these members; its descriptor among the referrers

sub push_referrer {
    my ($subject, %members) = @_;

    my $type = $members{manifests} ? $INDEX : $OCI;
    my $reference = delete $members{reference};
    my $bytes = $json->encode({
        schemaVersion => 2, mediaType => $type,
        $members{manifests} ? () : (config => $EMPTY, layers => []),
        subject => { mediaType => $OCI, size => 5, digest => $subject },
        %members,
    });

    my $r = $c->put_manifest($name, $reference // digest($bytes), $bytes,
        $type);
    is($r->{status}, 201, 'PUT of a referrer');
    is($r->{headers}{'oci-subject'}, $subject, 'its OCI-Subject');

    my $artifact = $members{artifactType}
        // ($members{manifests} ? undef
            : ($members{config} // $EMPTY)->{mediaType});

    return {
        mediaType => $type, size => length $bytes, digest => digest($bytes),
        defined $artifact ? (artifactType => $artifact) : (),
        $members{annotations} ? (annotations => $members{annotations}) : (),
    };
}


sub get {
    my ($subject, $args, $repository) = @_;

    my $path = $subject =~ m{^/} ? $subject
        : '/v2/' . ($repository // $name) . "/referrers/$subject"
            . ($args // '');
    my $r = $c->request('GET', $path);
    my $head = $c->request('HEAD', $path);

    delete $_->{headers}{date} for $r, $head;
    is_deeply([ $head->{status}, $head->{headers} ],
        [ $r->{status}, $r->{headers} ], 'HEAD is as GET');

    return $r;
}


sub lists {
    my ($r, $want, $test, $filtered) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is("$r->{status} $r->{headers}{'content-type'}", "200 $INDEX",
        "$test: an index");
    is_deeply(eval { decode_json($r->{content}) }, {
        schemaVersion => 2, mediaType => $INDEX,
        manifests => [ sort { $a->{digest} cmp $b->{digest} } @$want ],
    }, "$test: its manifests") or diag $r->{content};
    is($r->{headers}{'oci-filters-applied'},
        $filtered ? 'artifactType' : undef, "$test: filters");
}


sub next_of { ($_[0]{headers}{link} // '') =~ /^<(.+)>; rel="next"$/ ? $1 : undef }


# none

my $subject = digest('subject');

lists(get($subject), [], 'no referrers');
lists(get($subject, '', 'no/such/repository'), [], 'an unknown repository');
lists(get('sha512:' . sha512_hex('x')), [], 'a sha512');

for ('sha256:short', 'sha256:' . uc sha256_hex('x'), 'tag', 'md5:0') {
    my $r = $c->request('GET', "/v2/$name/referrers/$_");
    is("$r->{status} " . $c->error_code($r), '400 DIGEST_INVALID', $_);
}

my $r = $c->request('PUT', "/v2/$name/referrers/$subject");
is("$r->{status} $r->{headers}{allow}", '405 GET, HEAD', 'PUT');


# some

my %annotations = ('org.example.a' => "\x{e9} \"quoted\" \\ \n", b => '');
my $sbom = push_referrer($subject, artifactType => 'application/sbom+json',
    annotations => \%annotations);
my $plain = push_referrer($subject, reference => 'tagged');
my $index = push_referrer($subject, manifests => []);
my $typed = push_referrer($subject, manifests => [],
    artifactType => 'application/sbom+json');
my $long = push_referrer($subject, artifactType => 'application/long',
    annotations => { map { ("key$_" => 'v' x 1000) } 1 .. 20 });
my @all = ($sbom, $plain, $index, $typed, $long);

push_referrer(digest('other'), annotations => { other => '1' });

lists(get($subject), \@all, 'all kinds');
ok(!next_of(get($subject)), 'on one page');

lists(get($subject, '?artifactType=application%2Fsbom%2Bjson'),
    [$sbom, $typed], 'filtered', 1);
lists(get($subject, '?artifactType=application/sbom+json'),
    [$sbom, $typed], 'filtered by what is not escaped', 1);
lists(get($subject, "?artifactType=$EMPTY->{mediaType}"), [$plain],
    'filtered by the type of the config', 1);
lists(get($subject, '?artifactType=none'), [], 'filtered by what is none', 1);
lists(get($subject, '?artifactType=application/long'), [$long],
    'filtered, too long for the listing', 1);

push_referrer($subject, artifactType => 'application/sbom+json',
    annotations => \%annotations);
lists(get($subject), \@all, 'one that was pushed twice');


# pages of all sizes

for my $n (1 .. 6) {
    my @found;
    my $next = "/v2/$name/referrers/$subject?n=$n";
    my $pages = 0;

    for ( ; $next; $pages++) {
        my $page = get($next);
        my $some = decode_json($page->{content})->{manifests};
        push @found, @$some;
        $next = next_of($page);
        is(scalar @$some, $n, "n=$n: a full page") if $next;
    }

    is_deeply([ map { $_->{digest} } @found ],
        [ sort map { $_->{digest} } @all ], "n=$n: each once, in order");
    is($pages, int((@all + $n - 1) / $n), "n=$n: as many as there must be");
}

my @sbom = sort map { $_->{digest} } $sbom, $typed;
my ($next, @found) = "/v2/$name/referrers/$subject?n=1"
    . '&artifactType=application/sbom%2Bjson';
while ($next) {
    my $page = get($next);
    is($page->{headers}{'oci-filters-applied'}, 'artifactType', 'a page');
    push @found, map { $_->{digest} }
        @{ decode_json($page->{content})->{manifests} };
    $next = next_of($page);
}
is_deeply(\@found, \@sbom, 'pages that are filtered');

$r = $c->request('GET', "/v2/$name/referrers/$subject?last=none");
is("$r->{status} " . $c->error_code($r), '400 DIGEST_INVALID', 'a bad last');


# a reply is bounded by its bytes, too: 4 of 1.5 MB

my $large = digest('large');
my @large = map {
    push_referrer($large, annotations => { n => "$_", a => 'x' x 1_500_000 })
} 1 .. 4;

my $first = get($large);
ok(length $first->{content} < 4 * 1024 * 1024, 'a page is less than 4 MiB');
my $second = get(next_of($first));
is_deeply([ map { @{ decode_json($_->{content})->{manifests} } } $first,
    $second ], [ sort { $a->{digest} cmp $b->{digest} } @large ],
    'the next one has the rest');


# what clients wrote under the tag

my $legacy = $json->encode({ schemaVersion => 2, mediaType => $OCI,
    config => $EMPTY, layers => [], annotations => { legacy => '1' } });
$c->put_manifest($name, digest($legacy), $legacy);

my $entry = { mediaType => $OCI, size => length $legacy,
    digest => digest($legacy), artifactType => 'application/legacy' };
my $gone = { %$entry, digest => digest('gone') };

sub put_tag {
    my ($bytes) = @_;

    (my $tag = $subject) =~ s/:/-/;
    is($c->put_manifest($name, $tag, $bytes, $INDEX)->{status}, 201,
        'PUT of the referrers tag');

    return digest($bytes);
}

my $tagged = $json->encode({ schemaVersion => 2, mediaType => $INDEX,
    manifests => [ $entry, $sbom, $gone, $entry ] });
put_tag($tagged);

lists(get($subject), [@all, $entry], 'merged with the tag');
lists(get($subject, '?artifactType=application/legacy'), [$entry],
    'filtered out of the tag', 1);

for my $n (1 .. 7) {
    my ($next, @found) = "/v2/$name/referrers/$subject?n=$n";
    while ($next) {
        my $page = get($next);
        push @found, map { $_->{digest} }
            @{ decode_json($page->{content})->{manifests} };
        $next = next_of($page);
    }
    is_deeply(\@found, [ sort map { $_->{digest} } @all, $entry ],
        "n=$n: merged, each once, in order");
}

$c->request('DELETE', "/v2/$name/manifests/$entry->{digest}");
lists(get($subject), \@all, 'one that is deleted is not listed any more');

# damaged by someone else: not the registry's fault

my $d = put_tag($tagged);
my $data = '/files/docker/registry/v2/blobs/sha256/' . substr($d, 7, 2) . '/'
    . substr($d, 7) . '/data';
$t->store->swift('PUT', $data, { content => '{"manifests":[' });
lists(get($subject), \@all, 'the bytes of the tag are damaged');
$t->store->swift('DELETE', $data);
lists(get($subject), \@all, 'the bytes of the tag are gone');

my ($image) = $c->manifest('{}');
(my $tag = $subject) =~ s/:/-/;
$c->put_manifest($name, $tag, $image);
lists(get($subject), \@all, 'the tag is no index');


# objects that are not as they were written

my $prefix = "referrers/$name/_subjects/sha256/" . substr($subject, 7);
my $sbom_object = "/$prefix/sha256/" . substr($sbom->{digest}, 7);

$t->store->swift('PUT', "/$prefix/none", { content => 'x' });
$t->store->swift('PUT', "/$prefix/sha256/" . sha256_hex('damaged'),
    { content => '{' });

my $body = $t->store->swift('GET', $sbom_object)->{content};
$t->store->swift('PUT', $sbom_object, { content => $body });
lists(get($subject), \@all, 'without a descriptor in the Content-Type');

$t->store->swift('PUT', $sbom_object, { content => $body, headers => {
    'Content-Type' => 'application/vnd.oci.descriptor.v1+json; json=e30' } });
lists(get($subject), \@all, 'with a wrong one');


# gone with their manifest

for my $gone ($sbom, $long) {
    is($c->request('DELETE', "/v2/$name/manifests/$gone->{digest}")
        ->{status}, 202, 'DELETE of a referrer');
    @all = grep { $_ != $gone } @all;
    lists(get($subject), \@all, 'it is gone at once');
}

is($c->request('DELETE', "/v2/$name/manifests/tagged")->{status}, 202,
    'DELETE of a tag');
lists(get($subject), \@all, 'the manifest is left, and listed');

my $bytes = $json->encode({ schemaVersion => 2, mediaType => $INDEX,
    manifests => [], subject => { %$EMPTY, digest => $subject } });
my $sha512 = 'sha512:' . sha512_hex($bytes);
is($c->put_manifest($name, $sha512, $bytes, $INDEX)->{status}, 201,
    'PUT by sha512');
lists(get($subject), [@all, { mediaType => $INDEX, size => length $bytes,
    digest => $sha512 }], 'is listed by it');
$c->request('DELETE', "/v2/$name/manifests/" . digest($bytes));
lists(get($subject), \@all, 'gone by its sha256');


# no object of a referrer is in a tree of registry:2

is_deeply([ grep { !m{^(files|referrers)/} } @{ $t->store->names } ], [],
    'objects are where they should be');


# storage that is down says nothing of referrers

$t->stop;
$t->start(rgw => '127.0.0.1:1');
$r = $t->client->request('GET', "/v2/$name/referrers/$subject");
is($r->{status}, 503, 'the storage is down');

$t->finish(allow => qr/./);
