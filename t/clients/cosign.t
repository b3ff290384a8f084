#!/usr/bin/perl

# cosign, without any service: signatures and attestations by a key that is
# made here, kept as referrers as cosign 3 does, and under tags as before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(oci_layout write_file);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;

$ENV{SSL_CERT_FILE} = $t->ca;
$ENV{COSIGN_PASSWORD} = 'secret';

# a key is all that is trusted: no transparency log, no time stamps
my @sign = ('--yes', '--key', "$dir/cosign.key",
    '--signing-config', "$dir/signing.json",
    '--trusted-root', "$dir/root.json");
my @verify = ('--key', "$dir/cosign.pub", '--insecure-ignore-tlog=true');
my @tags = qw(--use-signing-config=false --tlog-upload=false
    --new-bundle-format=false);

my $image = oci_layout("$dir/made", 'v1', qw(amd64 arm64));
my $index = $image->{index}{digest};
my @revisions = map { $_->{digest} } @{ $image->{manifests} };

$t->run(qw(skopeo copy --all --dest-cert-dir), $t->certs,
    '--dest-creds', $t->login, "oci:$dir/made:v1", "docker://$host/$_:v1")
    for qw(app tagged);


# keys and login

$t->run_ok('generate-key-pair', 'cosign', 'generate-key-pair',
    '--output-key-prefix', "$dir/$_") for qw(cosign other);
$t->run('cosign', 'signing-config', 'create', '--out', "$dir/signing.json");
$t->run('cosign', 'trusted-root', 'create', '--out', "$dir/root.json");

$t->run_fails('sign without login', qr/UNAUTHORIZED/, 'cosign', 'sign',
    @sign, "$host/app\@$index");
$t->run_ok('login', { stdin => 'foo123' },
    qw(cosign login -u foo --password-stdin), $host);


# sign and verify

$t->run_ok('sign of an index and its images', 'cosign', 'sign', @sign,
    '--recursive', '-a', 'by=test', "$host/app\@$index");

for ($index, @revisions) {
    my $out = $t->run_ok("verify $_", 'cosign', 'verify', @verify,
        '-a', 'by=test', "$host/app\@$_");
    is decode_json($out)->[0]{critical}{image}{'docker-manifest-digest'}, $_,
        'is what was signed';
}

$t->run_ok('verify by the tag', 'cosign', 'verify', @verify, "$host/app:v1");
$t->run_fails('verify with another key', qr/signatures do not match/,
    'cosign', 'verify', '--key', "$dir/other.pub",
    '--insecure-ignore-tlog=true', "$host/app:v1");
$t->run_fails('verify of what was not signed', qr/no signatures found/,
    'cosign', 'verify', @verify, "$host/tagged:v1");


# attest

my $predicate = { packages => [], name => 'app' };
write_file("$dir/predicate.json", encode_json($predicate));

$t->run_fails('verify-attestation without one', qr/none .* matched/, 'cosign',
    'verify-attestation', @verify, "$host/app:v1");
$t->run_ok('attest', 'cosign', 'attest', @sign, qw(--type spdxjson),
    '--predicate', "$dir/predicate.json", "$host/app\@$index");
my $attested = $t->run_ok('verify-attestation', 'cosign',
    'verify-attestation', @verify, qw(--type spdxjson), "$host/app:v1");
is_deeply payload($attested)->{predicate}, $predicate,
    'has what was attested';
$t->run_fails('verify-attestation of another type', qr/none .* matched/,
    'cosign', 'verify-attestation', @verify, qw(--type slsaprovenance),
    "$host/app:v1");

my $tree = $t->run_ok('tree', 'cosign', 'tree', "$host/app\@$index");
like $tree, qr{cosign/sign/v1 artifacts via OCI referrer}, 'a signature';
like $tree, qr{spdx\.dev/Document artifacts via OCI referrer},
    'and an attestation, both as referrers';

my @api = grep { $_->{uri} =~ m{^/v2/app/referrers/} } @{ $t->requests };
is_deeply [ grep { $_->{status} !~ /^(200|401)$/ } @api ], [],
    'the referrers API has answered all';
is_deeply tags('app'), ['v1'], 'no tag was made for it';


# as cosign 2 keeps them: tags beside the image

$t->run_ok('sign under a tag', 'cosign', 'sign', '--yes',
    '--key', "$dir/cosign.key", @tags, "$host/tagged\@$index");
$t->run_ok('attest under a tag', 'cosign', 'attest', '--yes',
    '--key', "$dir/cosign.key", @tags, qw(--type spdxjson),
    '--predicate', "$dir/predicate.json", "$host/tagged\@$index");
$t->run_ok('attach sbom', 'cosign', 'attach', 'sbom',
    '--sbom', "$dir/predicate.json", "$host/tagged\@$index");

my $tag = $index =~ s/:/-/r;
is_deeply tags('tagged'), [ map({ "$tag.$_" } qw(att sbom sig)), 'v1' ],
    'the tags';

$t->run_ok('verify of the tag', 'cosign', 'verify', @verify,
    '--new-bundle-format=false', "$host/tagged:v1");
my $kept = $t->run_ok('verify-attestation of the tag', 'cosign',
    'verify-attestation', @verify, '--new-bundle-format=false',
    qw(--type spdxjson), "$host/tagged:v1");
is_deeply payload($kept)->{predicate}, $predicate, 'has what was attested';


# an image with its signatures goes to a folder and to another repository

$t->run_ok('save', 'cosign', 'save', '--dir', "$dir/saved",
    "$host/tagged\@$index");
$t->run_ok('load', 'cosign', 'load', '--dir', "$dir/saved",
    "$host/loaded:v1");
$t->run_ok('verify of what was loaded', 'cosign', 'verify', @verify,
    '--new-bundle-format=false', "$host/loaded\@$index");


# clean

$t->run_ok('clean', 'cosign', 'clean', '--force', "$host/$_\@$index")
    for qw(app tagged);
is_deeply tags('tagged'), ['v1'], 'takes the tags away';
$t->run_fails('verify of what was cleaned', qr/no signatures found/,
    'cosign', 'verify', @verify, "$host/$_:v1") for qw(app tagged);
$t->run_ok('the image under it is still signed', 'cosign', 'verify', @verify,
    "$host/app\@$revisions[0]");

$t->finish;


# The statement in the DSSE envelope that verify-attestation prints.

sub payload {
    my ($envelope) = @_;

    return decode_json(decode_base64(decode_json($envelope)->{payload}));
}


sub tags {
    my ($name) = @_;

    return decode_json($t->client->request('GET',
        "/v2/$name/tags/list")->{content})->{tags};
}
