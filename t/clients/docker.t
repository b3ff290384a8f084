#!/usr/bin/perl

# The main job with the real docker engine: what people type, what is found in
# Ceph afterwards, and the same image again on an engine that never saw it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Engine;
use RegistryTest::Image qw(docker_archive layer_tar read_file sha256_file);


my $t = RegistryTest->new;
$t->start;
$t->trust_for_docker;

my $host = $t->host;
my $image = "$host/team/app:v1";
my $schema2 = 'application/vnd.docker.distribution.manifest.v2+json';

my $first = RegistryTest::Engine->start(test => $t, name => 'first');

# several layers, the last one too big for any buffer

my @files = (
    { 'etc/os-release' => "NAME=test\n", 'bin/sh' => 500_000 },
    { 'etc/motd' => "hello\n" },
    { 'usr/lib/library' => 8_000_000 },
    { 'srv/data' => 210_000_000, 'srv/readme' => "big\n" },
);
my $n = 0;
my @tars = map { layer_tar($t->dir, 'layer' . $n++, $_) } @files;
my $archive = docker_archive($t->dir, 'app:v1', @tars);

$t->run($first->docker('load', '-i', $archive->{file}));
unlink $archive->{file};


# login

$t->run_fails('push without login is refused',
    qr/unauthorized|no basic auth credentials/i, push_as($image));

# Engines try plain HTTP, too, where they think a loopback address is insecure,
# and tell then of that one's failure: what nginx saw is the proof.

$t->run_fails('login with a wrong password',
    qr/unauthorized|login attempt .* failed/i, { stdin => "foo124\n" },
    $first->docker(qw(login -u foo --password-stdin), $host));
is scalar(grep { $_->{status} == 200 } @{ $t->requests }), 0,
    'nothing was let in so far';

$t->run_ok('login', { stdin => "foo123\n" },
    $first->docker(qw(login -u foo --password-stdin), $host));


# push

$t->run_ok('tag', $first->docker('tag', 'app:v1', $image));

my $pushed = $t->run_ok('push', $first->docker('push', $image));
my ($digest) = $pushed =~ /^v1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m;
ok $digest, 'the engine tells the digest' or diag $pushed;

my $bytes = curl('-H', "Accept: $schema2",
    "https://$host/v2/team/app/manifests/v1");
is 'sha256:' . sha256_hex($bytes), $digest, 'the manifest has this digest';

my $manifest = decode_json($bytes);
my @layers = map { $_->{digest} } @{ $manifest->{layers} };
is scalar @layers, 4, 'all layers are in the manifest';
cmp_ok $manifest->{layers}[3]{size}, '>', 200 << 20, 'a layer is over 200 MB';

my %repository = (
    layers => [$manifest->{config}{digest}, @layers],
    tags => { v1 => $digest },
);
$t->objects_are('the pool has the objects of registry:2 and no others',
    'team/app' => \%repository);

is_deeply [sort map { $_->{name} } @{ $t->store->list }],
    $t->store->names, 'and all are in the index of the container';

my $link = $t->store->swift('GET', '/files/docker/registry/v2/repositories/'
    . 'team/app/_manifests/tags/v1/current/link');
is $link->{content}, $digest, 'a link is the digest and nothing else';


# what the API says of it

is_deeply json("https://$host/v2/_catalog"), { repositories => ['team/app'] },
    '_catalog';
is_deeply json("https://$host/v2/team/app/tags/list"),
    { name => 'team/app', tags => ['v1'] }, 'tags/list';

for my $reference ('v1', $digest) {
    my %h = headers('-H', "Accept: $schema2",
        "https://$host/v2/team/app/manifests/$reference");
    my $what = $reference eq 'v1' ? 'tag' : 'digest';

    is $h{status}, 200, "manifest by $what";
    is $h{'content-length'}, length $bytes, 'Content-Length';
    is $h{'content-type'}, $schema2, 'Content-Type';
    is $h{'docker-content-digest'}, $digest, 'Docker-Content-Digest';
    is $h{'docker-distribution-api-version'}, 'registry/2.0',
        'Docker-Distribution-Api-Version';
    is $h{etag}, "\"$digest\"", 'ETag';
    is $h{'x-content-type-options'}, 'nosniff', 'X-Content-Type-Options';
}


# a second tag and a push of what is there already

$t->run($first->docker('tag', 'app:v1', "$host/team/app:v2"));
like $t->run_ok('push of a second tag', $first->docker('push',
    "$host/team/app:v2")), qr/Layer already exists/, 'sends no layer again';

$t->run($first->docker('tag', 'app:v1', "$host/other:v1"));
like $t->run_ok('push to a second repository', $first->docker('push',
    "$host/other:v1")), qr/Mounted from team\/app/, 'mounts the layers';

$t->objects_are('the data is there once',
    'team/app' => { %repository, tags => { v1 => $digest, v2 => $digest } },
    'other' => \%repository);

my @saved = layers_of($first, 'app:v1');
$first->stop;


# pull on an empty engine

my $second = RegistryTest::Engine->start(test => $t, name => 'second');
is $t->run($second->docker('images', '-q')), '', 'an engine without images';

$t->run_ok('pull', $second->docker('pull', $image));

chomp(my $id = $t->run($second->docker('inspect', '-f', '{{.Id}}', $image)));
is $id, $archive->{id}, 'the image has the same id';

is_deeply [layers_of($second, $image)], \@saved,
    'and its layers are the same bit for bit';
is_deeply [map { "sha256:$_" } @saved], $archive->{diff_ids},
    'as made by the test';

$t->run_ok('pull by digest',
    $second->docker('pull', "$host/team/app\@$digest"));

$t->run_fails('pull of an unknown tag', qr/manifest unknown|not found/,
    $second->docker('pull', "$host/team/app:v3"));


# delete

like +(headers('-X', 'DELETE', "https://$host/v2/team/app/manifests/$digest")
    )[1], qr/^202$/, 'DELETE of the manifest';

my %gone = headers("https://$host/v2/team/app/tags/list");
is $gone{status}, 404, 'no tag is left';

$t->run($second->docker('rmi', '-f', $id));
$t->run_fails('pull of the deleted tag', qr/manifest unknown|not found/,
    $second->docker('pull', $image));
$t->run_ok('the other repository still has it',
    $second->docker('pull', "$host/other:v1"));

my $layer = "https://$host/v2/team/app/blobs/$layers[0]";
my %deleted = headers('-X', 'DELETE', $layer);
is $deleted{status}, 202, 'DELETE of a layer';

my %missing = headers($layer);
is $missing{status}, 404, 'the layer is unknown then';

$second->stop;
$t->finish;


sub push_as {
    my ($name) = @_;

    $t->run($first->docker('tag', 'app:v1', $name));
    return $first->docker('push', $name);
}


sub curl {
    return $t->run('curl', '-s', '--cacert', $t->ca, '-u', $t->login, @_);
}


sub json {
    return decode_json(curl(@_));
}


# (status => CODE, lower case name => value, ...)

sub headers {
    my ($status, @lines) = split /\r\n/, curl('-o', '/dev/null', '-D', '-', @_);

    return (
        status => (split ' ', $status)[1],
        map { /^([^:]+): (.*)/ ? (lc $1, $2) : () } @lines,
    );
}


# sha256 of each layer in what "docker save" writes, in the order of the image

sub layers_of {
    my ($engine, $name) = @_;

    my $dir = $t->dir . '/saved';
    $t->run('rm', '-rf', $dir);
    $t->run('mkdir', $dir);
    $t->run($engine->docker('save', '-o', "$dir.tar", $name));
    $t->run('tar', '-C', $dir, '-xf', "$dir.tar");

    my $list = decode_json(read_file("$dir/manifest.json"));
    my @sums = map { sha256_file("$dir/$_") } @{ $list->[0]{Layers} };

    $t->run('rm', '-rf', $dir, "$dir.tar");

    return @sums;
}
