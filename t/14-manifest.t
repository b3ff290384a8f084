#!/usr/bin/perl

# Manifests: put, read and deleted by tag and by digest, and refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;

use RegistryTest;


my $t = RegistryTest->new;
$t->start;

my $c = $t->client;
my $name = 'team/app';
my $path = "/v2/$name/manifests";
my $oci = 'application/vnd.oci.image.manifest.v1+json';

my ($config, $layer) = ('{"os":"linux"}', 'layer');
$c->push_blob($name, $_) for $config, $layer;

my ($bytes, $digest) = $c->manifest($config, $layer);


sub refused {
    my ($r, $status, $code, $test) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . $c->error_code($r), "$status $code", $test);
}


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

(my $bad_index = $index) =~ s/\Q$digest\E/$none/;
refused($c->put_manifest($name, 'bad', $bad_index, $index_type), 400,
    'MANIFEST_BLOB_UNKNOWN', 'index of a manifest that is not there');


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
is(tags(), 'chunked index v1 v2', 'the tag is gone');
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


# registry_delete is off if nothing is said of it

$t->stop;
{
    no warnings 'redefine';
    my $directives = \&RegistryTest::_module_directives;
    local *RegistryTest::_module_directives = sub {
        return $directives->(@_) =~ s/registry_delete on;//r;
    };
    $t->start;
}
$c = $t->client;

for ("$path/v1", "$path/$new_digest",
     "/v2/$name/blobs/sha256:" . sha256_hex($layer))
{
    refused($c->request('DELETE', $_), 405, 'UNSUPPORTED',
        'DELETE without registry_delete');
    is($c->request('HEAD', $_)->{status}, 200, 'it is left');
}


$t->finish(allow => qr/^$/);
