#!/usr/bin/perl

# Manifests: put, read and deleted by tag and by digest, and refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha384_hex sha512_hex);
use JSON::PP;
use Test::More;

use RegistryTest;


my $t = RegistryTest->new;
my $front = RegistryTest::free_port();
my $plain = $t->{plain_port} = RegistryTest::free_port();

# a proxy that keeps what it may
$t->start(http => 'proxy_cache_path ' . $t->dir . '/kept keys_zone=kept:1m;'
    . "server { listen 127.0.0.1:$front;"
    . " location / { proxy_pass http://127.0.0.1:$plain; proxy_cache kept;"
    . ' proxy_cache_valid any 1m;'
    . ' add_header X-Kept $upstream_cache_status always; } }');

my $c = $t->client;
my $name = 'team/app';
my $path = "/v2/$name/manifests";
my $oci = 'application/vnd.oci.image.manifest.v1+json';

my ($config, $layer) = ('{"os":"linux"}', 'layer');
$c->push_blob($name, $_) for $config, $layer;

my ($bytes, $digest) = $c->manifest($config, $layer);


# what depends on Accept is not another's: the same path, by turns

sub by_a_proxy {
    my ($what, @paths) = @_;

    my $proxy = RegistryTest::Client->new(port => $front, user => $t->login);
    my $docker = 'application/vnd.docker.distribution.manifest.v2+json';

    for my $path (@paths) {
        for ([$docker, 404], [$oci, 200], [$docker, 404], [$oci, 200]) {
            my $r = $proxy->request('GET', $path,
                { headers => { Accept => $_->[0] } });
            is($r->{status}, $_->[1], "$what for $_->[0]");
            is($r->{headers}{vary}, 'Accept', 'Vary');
            is($r->{headers}{'cache-control'}, 'no-store', 'is not kept')
                if $_->[1] == 404;
        }
    }

    is($proxy->request('GET', $paths[-1], { headers => { Accept => $oci } })
        ->{headers}{'x-kept'}, 'HIT', 'it keeps what is for good');
}


sub refused {
    my ($r, $status, $code, $test) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . $c->error_code($r), "$status $code", $test);
}


$c->put_manifest($name, 'proxied', $bytes);
by_a_proxy('a manifest', "$path/proxied", "$path/$digest");
is($c->request('DELETE', "$path/proxied")->{status}, 202, 'deleted');
is($c->request('DELETE', "$path/$digest")->{status}, 202, 'all of it');


sub tags {
    return join ' ', @{ decode_json(
        $c->request('GET', "/v2/$name/tags/list")->{content})->{tags} };
}


# put

my $r = $c->put_manifest($name, 'v1', $bytes);
is($r->{status}, 201, 'PUT by tag');
is($r->{headers}{'docker-content-digest'}, $digest, 'its digest');
like($r->{headers}{location}, qr{\Q$path/$digest\E$}, 'its Location');

$r = $c->put_manifest($name, $digest, $bytes);
is($r->{status}, 201, 'PUT by digest');
is(tags(), 'v1', 'PUT by digest makes no tag');


# read

for my $reference ('v1', $digest) {
    my $get = $c->request('GET', "$path/$reference");
    my $head = $c->request('HEAD', "$path/$reference");

    is("$get->{status} $head->{status}", '200 200', "GET, HEAD $reference");
    is($get->{content}, $bytes, 'its bytes');

    my %want = (
        'cache-control' => $reference eq 'v1' ? 'no-cache'
            : 'max-age=31536000',
        'content-length' => length $bytes,
        'content-type' => $oci,
        'docker-content-digest' => $digest,
        'docker-distribution-api-version' => 'registry/2.0',
        'etag' => "\"$digest\"",
    );
    is_deeply({ map { $_ => $get->{headers}{$_} } keys %want }, \%want,
        'headers of GET');

    delete $_->{headers}{date} for $get, $head;
    is_deeply($head->{headers}, $get->{headers}, 'headers of HEAD');

    $r = $c->request('GET', "$path/$reference",
        { headers => { 'If-None-Match' => "\"$digest\"" } });
    is($r->{status}, 304, 'If-None-Match');
}

my $none = 'sha256:' . sha256_hex('none');
refused($c->request('GET', "$path/none"), 404, 'MANIFEST_UNKNOWN',
    'unknown tag');
refused($c->request('GET', "$path/$none"), 404, 'MANIFEST_UNKNOWN',
    'unknown digest');
refused($c->request('GET', "/v2/other/manifests/$digest"), 404,
    'MANIFEST_UNKNOWN', 'digest in another repository');


# an index of it

my $index = encode_json({
    schemaVersion => 2,
    mediaType => 'application/vnd.oci.image.index.v1+json',
    manifests => [ { mediaType => $oci, digest => $digest,
                     size => length $bytes } ],
});
my $index_type = 'application/vnd.oci.image.index.v1+json';

is($c->put_manifest($name, 'index', $index, $index_type)->{status}, 201,
    'PUT of an index');
is($c->request('GET', "$path/index")->{headers}{'content-type'}, $index_type,
    'its type');

(my $sparse = $index) =~ s/\Q$digest\E/$none/;
is($c->put_manifest($name, 'index', $sparse, $index_type)->{status}, 201,
    'PUT of an index of a manifest that is not there');
is($c->request('GET', "$path/index")->{content}, $sparse, 'its bytes');


# refused

refused($c->put_manifest($name, $none, $bytes), 400, 'DIGEST_INVALID',
    'PUT with the digest of other bytes');

my ($missing) = $c->manifest($config, $layer, 'not pushed', 'nor this');
$r = $c->put_manifest($name, 'bad', $missing);
refused($r, 400, 'MANIFEST_BLOB_UNKNOWN', 'layers that are not there');
for ('not pushed', 'nor this') {
    my $d = 'sha256:' . sha256_hex($_);
    like($r->{content}, qr/$d/, 'each of them is named');
}

refused($c->put_manifest('other', 'v1', $bytes), 400,
    'MANIFEST_BLOB_UNKNOWN', 'layers of another repository');

for ('', '{', 'text', '[]', '{}', '{"schemaVersion":2}',
     '{"schemaVersion":1,"name":"a"}', substr($bytes, 0, -1), "$bytes}")
{
    refused($c->put_manifest($name, 'bad', $_), 400, 'MANIFEST_INVALID',
        'broken: ' . substr $_, 0, 30);
}

refused($c->put_manifest($name, 'bad', $bytes, 'text/plain'), 400,
    'MANIFEST_INVALID', 'unknown Content-Type');
refused($c->put_manifest($name, 'bad', $bytes, $index_type), 400,
    'MANIFEST_INVALID', 'Content-Type of something else');

my $large = $bytes . ' ' x (4 * 1024 * 1024);
refused($c->put_manifest($name, 'bad', $large), 413, 'MANIFEST_INVALID',
    'too large');

my @parts = ($large);
$r = $c->request('PUT', "$path/bad", {
    headers => { 'Content-Type' => $oci },
    content => sub { shift @parts },
});
refused($r, 413, 'MANIFEST_INVALID', 'too large and chunked');

@parts = ($bytes);
$r = $c->request('PUT', "$path/chunked", {
    headers => { 'Content-Type' => $oci },
    content => sub { shift @parts },
});
is($r->{status}, 201, 'chunked');

is(tags(), 'chunked index v1', 'no refused one made a tag');


# a part of it, and conditions

for (
    ['bytes=0-', 206, $bytes, "bytes 0-@{[ length($bytes) - 1 ]}/"],
    ['bytes=2-5', 206, substr($bytes, 2, 4), 'bytes 2-5/'],
    ['bytes=-3', 206, substr($bytes, -3), undef],
    ['bytes=100000-', 416, undef, 'bytes */'],
    ['bytes=0-1,3-4', 200, $bytes, undef],
    ['lines=1-2', 200, $bytes, undef],
) {
    my ($range, $status, $content, $told) = @$_;

    my $r = $c->request('GET', "$path/v1", { headers => { Range => $range } });
    is($r->{status}, $status, "Range: $range");
    is($r->{content}, $content, 'its bytes') if defined $content;
    is($r->{headers}{'content-range'}, $told . length $bytes,
        'its Content-Range') if $told;
    is($r->{headers}{'docker-content-digest'}, $digest, 'its digest')
        if $status < 300;
}

is($c->request('HEAD', "$path/v1", { headers => { Range => 'bytes=0-1' } })
    ->{status}, 200, 'HEAD knows no Range');
is($c->request('GET', "$path/v1", { headers => {
    Range => 'bytes=0-1', 'If-Range' => '"other"' } })->{status}, 200,
    'If-Range of something else');

for (['If-Match', "\"$digest\"", 200], ['If-Match', '*', 200],
     ['If-Match', "\"$none\"", 412],
     ['If-None-Match', "\"$none\", W/\"$digest\"", 304],
     ['If-None-Match', $none, 200])
{
    my ($header, $value, $status) = @$_;

    is($c->request($_, "$path/v1", { headers => { $header => $value } })
        ->{status}, $status, "$_ with $header: $value") for 'GET', 'HEAD';
}


# Accept

my $docker = 'application/vnd.docker.distribution.manifest.v2+json';
my $list_type = 'application/vnd.docker.distribution.manifest.list.v2+json';

(my $image = $bytes) =~ s/\Q$oci\E/$docker/;
my $image_digest = 'sha256:' . sha256_hex($image);

my $list = encode_json({
    schemaVersion => 2,
    mediaType => $list_type,
    manifests => [ map { {
        mediaType => $docker, size => length $image,
        digest => $_->[0], platform => { os => $_->[1], architecture => $_->[2] },
    } } ([$none, 'linux', 'arm64'], [$none, 'windows', 'amd64'],
         [$image_digest, 'linux', 'amd64']) ],
});

is($c->put_manifest('accept', $_->[0], $_->[1], $_->[2])->{status}, 201,
    "PUT of $_->[2]")
    for ['index', $sparse, $index_type], ['list', $list, $list_type];
$c->push_blob('accept', $_) for $config, $layer;
$c->put_manifest('accept', 'oci', $bytes);
$c->put_manifest('accept', 'docker', $image, $docker);

sub accepts {
    my ($reference, $accept, $status, $content) = @_;

    my $test = "GET $reference, Accept: " . ($accept // 'none');
    my %headers = (headers => { Accept => $accept });
    my $r = $c->request('GET', "/v2/accept/manifests/$reference", \%headers);

    is($r->{status}, $status, $test);
    is($r->{content}, $content, "$test: the bytes") if $content;
    is($c->request('HEAD', "/v2/accept/manifests/$reference", \%headers)
        ->{status}, $status, "$test: HEAD");
}

for my $accept (undef, '*/*', 'text/html, */*;q=0.1', 'application/json') {
    accepts('oci', $accept, 200, $bytes);
    accepts('index', $accept, 200, $sparse);
    accepts('list', $accept, 200, $list);
}

accepts('oci', uc $oci, 200, $bytes);
accepts('oci', $docker, 404);
accepts($digest, $docker, 404);
accepts('index', $oci, 404);
accepts('index', "$oci,$index_type;q=1", 200, $sparse);
accepts('docker', 'text/html', 200, $image);
accepts('list', $docker, 200, $image);
accepts('list', 'text/html', 200, $list);
accepts('sha256:' . sha256_hex($list), $docker, 200, $list);

$r = $c->request('GET', '/v2/accept/manifests/list',
    { headers => { Accept => $docker } });
is("$r->{headers}{'content-type'} $r->{headers}{'docker-content-digest'}",
    "$docker $image_digest", 'the manifest out of a list has its own digest');

my $socket = $c->raw("GET /v2/accept/manifests/oci HTTP/1.1\n"
    . "Accept: text/html\nAccept: $oci\nConnection: close\n");
like(scalar <$socket>, qr/ 200 /, 'Accept in two lines');


# what is not of our making

my $schema1 = encode_json({ schemaVersion => 1, name => 'a', tag => 'b',
    fsLayers => [], history => [], architecture => 'amd64' });
refused($c->put_manifest($name, 'bad', $schema1,
    'application/vnd.docker.distribution.manifest.v1+prettyjws'), 400,
    'MANIFEST_INVALID', 'PUT of schema 1');

my $old = 'sha256:' . sha256_hex($schema1);
my $repository = "/files/docker/registry/v2/repositories/$name";
my $blobs = '/files/docker/registry/v2/blobs/sha256';

for ([ "$blobs/" . substr($old, 7, 2) . '/' . substr($old, 7) . '/data',
       $schema1 ],
     [ "$repository/_manifests/revisions/sha256/" . substr($old, 7) . '/link',
       $old ])
{
    my ($object, $content) = @$_;
    $t->store->swift('PUT', $object, { content => $content });
}

$r = $c->request('GET', "$path/$old");
refused($r, 404, 'MANIFEST_UNKNOWN', 'GET of schema 1');
like($r->{content}, qr/schema 1/, 'it is named');


# bytes are kept as they are, whatever is in them

my $odd = qq({"schemaVersion": 2,\n\t"mediaType":"$oci", "x-custom":{"a":[1e3]},)
    . qq("artifactType":"application/x.y+json",)
    . qq("config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,)
    . qq("digest":"sha256:) . sha256_hex('{}') . qq(","data":"e30=","z":1},)
    . qq("layers":[{"mediaType":"application/vnd.oci.image.layer.)
    . qq(nondistributable.v1.tar+gzip","size":5,"digest":"$none","urls":)
    . qq(["https://example.com/x"]},{"mediaType":"strange/type","size":2,)
    . qq("digest":"sha256:) . sha256_hex('{}') . qq("}],"annotations":{}}\n );

$c->push_blob($name, '{}');
is($c->put_manifest($name, 'odd', $odd)->{status}, 201, 'an odd artifact');
is($c->request('GET', "$path/odd")->{content}, $odd, 'byte for byte');
$c->request('DELETE', "$path/odd");


# a layer is elsewhere only by its type, and by http or https

my $absent = qq("size":5,"digest":"$none","urls");
my $ordinary = 'application/vnd.oci.image.layer.v1.tar+gzip';
my $foreign = $ordinary =~ s/layer/layer.nondistributable/r;

for (
    ['an ordinary layer', $ordinary, '["https://example.com/x"]'],
    ['a file', $foreign, '["file:///etc/shadow"]'],
    ['one of two', $foreign, '["https://example.com/x","gopher://a/"]'],
    ['an empty one', $foreign, '[""]'],
    ['none', $foreign, '[]'],
) {
    my ($what, $type, $urls) = @$_;
    refused($c->put_manifest($name, 'urls', $odd =~
            s{\{"mediaType":"strange/type"}{\{"mediaType":"$type",$absent:$urls\},$&}r),
        400, 'MANIFEST_BLOB_UNKNOWN', "urls of a layer: $what");
}


# other algorithms

my $sha512 = 'sha512:' . sha512_hex($bytes);
my $sha384 = 'sha384:' . sha384_hex($bytes);

refused($c->request('GET', "$path/$sha512"), 404, 'MANIFEST_UNKNOWN',
    'sha512 that nobody pushed');
refused($c->put_manifest($name, 'sha512:' . sha512_hex('x'), $bytes), 400,
    'DIGEST_INVALID', 'PUT with the sha512 of other bytes');

for my $d ($sha512, $sha384) {
    $r = $c->put_manifest($name, $d, $bytes);
    is("$r->{status} $r->{headers}{'docker-content-digest'}", "201 $d",
        "PUT by $d");
    is($r->{headers}{location}, "$path/$d", 'its Location');

    for ('GET', 'HEAD') {
        $r = $c->request($_, "$path/$d");
        is("$r->{status} $r->{headers}{'docker-content-digest'}",
            "200 $d", "$_ answers in the algorithm that is asked");
    }
}


# tag parameters

for my $d ($digest, $sha512) {
    my @many = map { "m$_" } 1 .. 20;
    $r = $c->put_manifest($name, "$d?" . join('&', map { "tag=$_" } @many,
        'm1'), $bytes);
    is($r->{status}, 201, 'PUT with tag parameters');
    is($r->{headers}{'oci-tag'}, join(', ', @many), 'its OCI-Tag');
    is(tags(), join(' ', sort 'chunked', 'index', 'v1', @many),
        'all of them are there');

    for ('GET', 'HEAD') {
        $r = $c->request($_, "$path/m20");
        is("$r->{status} $r->{headers}{'docker-content-digest'}", "200 $d",
            "$_ by such a tag tells the digest that it was pushed by");
    }
}

$c->put_manifest($name, 'm20', $bytes);
is($c->request('HEAD', "$path/m20")->{headers}{'docker-content-digest'},
    $digest, 'a tag that was pushed again by itself tells the sha256');

$c->request('DELETE', "$path/m$_") for 2 .. 20;

refused($c->put_manifest($name, "$digest?tag=good&tag=-bad", $bytes), 400,
    'TAG_INVALID', 'a bad tag parameter');
refused($c->put_manifest($name, "$digest?tag=good&tag=%zz", $bytes), 400,
    'TAG_INVALID', 'a malformed one');
refused($c->put_manifest($name, 'good?tag=b', $bytes), 400, 'TAG_INVALID',
    'tag parameters of a manifest that is pushed by tag');
refused($c->put_manifest($name, "$digest?" . join('&',
    map { "tag=t$_" } 1 .. 101), $bytes), 414, 'TAG_INVALID', '101 of them');
is(tags(), 'chunked index m1 v1', 'they made no tag');


# tags move

my ($new, $new_digest) = $c->manifest($config);
$c->put_manifest($name, 'v1', $new);
is($c->request('HEAD', "$path/v1")->{headers}{'docker-content-digest'},
    $new_digest, 'a tag moves');
is($c->request('GET', "$path/$digest")->{content}, $bytes,
    'what it was before is left');


# delete

$c->put_manifest($name, $_, $bytes) for 'v2', 'v3';

is($c->request('DELETE', "$path/v3")->{status}, 202, 'DELETE by tag');
is(tags(), 'chunked index m1 v1 v2', 'the tag is gone');
is($c->request('GET', "$path/$digest")->{status}, 200,
    'the manifest is left');
refused($c->request('DELETE', "$path/v3"), 404, 'MANIFEST_UNKNOWN',
    'DELETE by tag again');

is($c->request('DELETE', "$path/$digest")->{status}, 202, 'DELETE by digest');
is(tags(), 'index v1', 'its tags are gone, others are left');
refused($c->request('GET', "$path/$digest"), 404, 'MANIFEST_UNKNOWN',
    'GET by digest after it');
refused($c->request('GET', "$path/v2"), 404, 'MANIFEST_UNKNOWN',
    'GET by tag after it');
refused($c->request('DELETE', "$path/$digest"), 404, 'MANIFEST_UNKNOWN',
    'DELETE by digest again');

for my $d ($sha512, $sha384) {
    refused($c->request('GET', "$path/$d"), 404, 'MANIFEST_UNKNOWN',
        'its other digests are gone with it');
}
refused($c->request('GET', "$path/m1"), 404, 'MANIFEST_UNKNOWN',
    'and a tag that was pushed by one of them');
is_deeply([ grep { m{/revisions/} && m{@{[ substr $sha512, 7 ]}} }
    @{ $t->store->names } ], [], 'no link of them is left');

$c->put_manifest($name, "$sha512?tag=x", $bytes);
is($c->request('DELETE', "$path/$sha512")->{status}, 202,
    'DELETE by sha512');
refused($c->request('GET', "$path/$_"), 404, 'MANIFEST_UNKNOWN', "no $_")
    for $sha512, $digest, 'x';


# tags whose links are not as they should be

$c->put_manifest($name, $_, $bytes) for 'newline', 'bare', 'other';
$t->store->swift('PUT', "$repository/_manifests/tags/newline/current/link",
    { content => "$digest\n" });
$t->store->swift('DELETE', "$repository/_manifests/tags/bare/index/sha256/"
    . substr($digest, 7) . '/link');
$c->put_manifest($name, 'other', $new);

is($c->request('DELETE', "$path/$digest")->{status}, 202, 'DELETE by digest');
is(tags(), 'index other v1', 'all tags of the manifest are gone, no other');


# registry_sparse

sub with_directives {
    my ($change) = @_;

    no warnings 'redefine';
    my $directives = \&RegistryTest::_module_directives;
    local *RegistryTest::_module_directives = sub {
        return $change->($directives->(@_));
    };

    $t->stop;
    $t->start;
    $c = $t->client;
}

with_directives(sub { "$_[0]\nregistry_sparse off;\n" });
refused($c->put_manifest($name, 'sparse', $sparse, $index_type), 400,
    'MANIFEST_BLOB_UNKNOWN', 'a sparse index with registry_sparse off');
is($c->put_manifest($name, 'index', $index =~ s/\Q$digest\E/$new_digest/r,
    $index_type)->{status}, 201, 'an index whose manifest is there');

with_directives(sub { "$_[0]\nregistry_sparse all;\n" });
is($c->put_manifest($name, 'sparse', $missing)->{status}, 201,
    'an image without its layers with registry_sparse all');


# registry_delete is off if nothing is said of it

with_directives(sub { $_[0] =~ s/registry_delete on;//r });

for ("$path/v1", "$path/$new_digest",
     "/v2/$name/blobs/sha256:" . sha256_hex($layer))
{
    refused($c->request('DELETE', $_), 405, 'UNSUPPORTED',
        'DELETE without registry_delete');
    is($c->request('HEAD', $_)->{status}, 200, 'it is left');
}


$t->finish(allow => qr/^$/);
