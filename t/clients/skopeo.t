#!/usr/bin/perl

# skopeo: an index of several architectures there and back bit for bit, in the
# formats of OCI and Docker, between repositories, by tag and as a whole.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(oci_layout);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my @auth = ('--authfile', "$dir/auth.json");
my @tls = ('--cert-dir', $t->certs);
my @source = ('--src-cert-dir', $t->certs);
my @target = ('--dest-cert-dir', $t->certs);

my $image = oci_layout("$dir/made", 'v1', qw(amd64 arm64 riscv64));
my @revisions = map { $_->{digest} } @{ $image->{manifests} };
my @blobs = map { s{.*/}{sha256:}r } glob "$dir/made/blobs/sha256/*";
my %is_manifest = map { $_ => 1 } @revisions, $image->{index}{digest};
my %multi = (
    layers => [ grep { !$is_manifest{$_} } @blobs ],
    revisions => \@revisions,
    tags => { v1 => $image->{index}{digest} },
);


# login

$t->run_fails('login with a wrong password', qr/invalid username\/password/,
    { stdin => 'foo124' },
    'skopeo', 'login', @auth, @tls, qw(-u foo --password-stdin), $host);

$t->run_fails('copy without login', qr/authentication required|unauthorized/i,
    'skopeo', 'copy', @auth, @target, '--all', "oci:$dir/made:v1",
    "docker://$host/multi/arch:v1");

$t->run_ok('login', { stdin => 'foo123' },
    'skopeo', 'login', @auth, @tls, qw(-u foo --password-stdin), $host);

$t->run_fails('a server with an unknown certificate is not trusted',
    qr/x509/, 'skopeo', 'inspect', @auth, "docker://$host/multi/arch:v1");


# push of an index

$t->run_ok('copy --all of an index', 'skopeo', 'copy', @auth, @target, '--all',
    "oci:$dir/made:v1", "docker://$host/multi/arch:v1");

$t->objects_are('the objects of registry:2', 'multi/arch' => \%multi);

my $raw = $t->run('skopeo', 'inspect', @auth, @tls, '--raw',
    "docker://$host/multi/arch:v1");
is 'sha256:' . sha256_hex($raw), $image->{index}{digest},
    'inspect --raw shows the bytes of the index';

my $inspected = decode_json($t->run('skopeo', 'inspect', @auth, @tls,
    '--override-arch', 'riscv64', "docker://$host/multi/arch:v1"));
is $inspected->{Architecture}, 'riscv64', 'inspect of one architecture';
is_deeply $inspected->{RepoTags}, ['v1'], 'with the tags of the repository';

is_deeply decode_json($t->run('skopeo', 'list-tags', @auth, @tls,
    "docker://$host/multi/arch")),
    { Repository => "$host/multi/arch", Tags => ['v1'] }, 'list-tags';


# pull of it

$t->run_ok('copy --all back', 'skopeo', 'copy', @auth, @source, '--all',
    "docker://$host/multi/arch:v1", "oci:$dir/back:v1");
$t->run_ok('all blobs and manifests are the same bit for bit',
    'diff', '-r', "$dir/made/blobs", "$dir/back/blobs");

$t->run_ok('copy of one architecture by digest', 'skopeo', 'copy', @auth,
    @source, "docker://$host/multi/arch\@$revisions[1]", "oci:$dir/one:v1");
ok -s "$dir/one/blobs/sha256/" . $revisions[1] =~ s/.*://r,
    'is the one that was asked for';


# between repositories

$t->run_ok('copy --all to another repository', 'skopeo', 'copy', @auth,
    @source, @target, '--all', "docker://$host/multi/arch:v1",
    "docker://$host/mounted:v1");

my @mounts = grep { $_->{uri} =~ m{^/v2/mounted/.*[?&]mount=} }
    @{ $t->requests };
is scalar @mounts, 4, 'each layer is mounted';
is_deeply [ grep { $_->{status} != 201 } @mounts ], [], 'with success';

$t->objects_are('the data is there once', 'multi/arch' => \%multi,
    'mounted' => \%multi);


# Docker's formats, and a push of a layer of unknown length

$t->run_ok('copy --all to a Docker manifest list', 'skopeo', 'copy', @auth,
    @target, '--all', '--format', 'v2s2', "oci:$dir/made:v1",
    "docker://$host/docker:v1");
$t->run_ok('copy of a layer that is compressed anew', 'skopeo', 'copy', @auth,
    @target, '--dest-compress-format', 'zstd', "oci:$dir/made:v1",
    "docker://$host/docker:zstd");

my $list = decode_json($t->run('skopeo', 'inspect', @auth, @tls, '--raw',
    "docker://$host/docker:v1"));
is $list->{mediaType},
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'it is a manifest list';
is scalar @{ $list->{manifests} }, 3, 'of three images';


# whole repositories

$t->run_ok('sync of a repository to a folder', 'skopeo', 'sync', @auth,
    @source, qw(--all --src docker --dest dir), "$host/docker", "$dir/synced");
$t->run_ok('sync of the folder to a registry', 'skopeo', 'sync', @auth,
    @target, qw(--all --src dir --dest docker), "$dir/synced", "$host/copies");
$t->run_ok('sync between repositories', 'skopeo', 'sync', @auth, @source,
    @target, qw(--all --src docker --dest docker), "$host/copies/docker",
    "$host/mirrors");

for my $tag (qw(v1 zstd)) {
    my ($from, @to) = map { $t->run('skopeo', 'inspect', @auth, @tls,
        '--raw', "docker://$host/$_:$tag") }
        qw(docker copies/docker mirrors/docker);
    is_deeply \@to, [$from, $from], "the same manifests of tag $tag";
}

is_deeply decode_json($t->run('skopeo', 'inspect', @auth, @tls, '--config',
    "docker://$host/mirrors/docker:zstd"))->{config}{Cmd}, ['/bin/sh'],
    'inspect --config';


# delete

$t->run_ok('delete of one image by digest', 'skopeo', 'delete', @auth, @tls,
    "docker://$host/mounted\@$revisions[2]");
$t->run_fails('copy of it', qr/manifest unknown/, 'skopeo', 'copy', @auth,
    @source, "docker://$host/mounted\@$revisions[2]", "oci:$dir/none:v1");
$t->run_ok('push of it again', 'skopeo', 'copy', @auth, @source, @target,
    "docker://$host/multi/arch\@$revisions[2]",
    "docker://$host/mounted\@$revisions[2]");

$t->run_ok('delete', 'skopeo', 'delete', @auth, @tls,
    "docker://$host/multi/arch:v1");
$t->run_fails('inspect of what was deleted', qr/manifest unknown/, 'skopeo',
    'inspect', @auth, @tls, "docker://$host/multi/arch:v1");
$t->run_fails('delete of it again', qr/may not exist/, 'skopeo',
    'delete', @auth, @tls, "docker://$host/multi/arch:v1");
$t->run_fails('no tag is left', qr/404|name unknown/,
    'skopeo', 'list-tags', @auth, @tls, "docker://$host/multi/arch");

$t->run_ok('the other repository still has all', 'skopeo', 'copy', @auth,
    @source, '--all', "docker://$host/mounted:v1", "oci:$dir/again:v1");
$t->run_ok('bit for bit', 'diff', '-r', "$dir/made/blobs", "$dir/again/blobs");

$t->finish;
