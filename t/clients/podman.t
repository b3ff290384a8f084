#!/usr/bin/perl

# podman: an image built here goes to the registry and comes back into an
# empty storage with the same id and the same files.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(random_file read_file write_file);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my @auth = ('--authfile', "$dir/auth.json");
my @tls = ('--cert-dir', $t->certs);


# no cgroup is made, no container is run; vfs works on any file system

sub podman {
    my ($storage, @arguments) = @_;

    return ('podman', '--root', "$dir/$storage", '--runroot',
        "$dir/$storage.run", qw(--storage-driver vfs --cgroup-manager cgroupfs
        --events-backend none), @arguments);
}


# build

$t->run('mkdir', "$dir/context");
random_file("$dir/context/data", 20_000_000);
write_file("$dir/context/text", "text\n");
write_file("$dir/context/empty", '');
write_file("$dir/context/Containerfile",
    "FROM scratch\nCOPY text /etc/\nCOPY data /srv/\nCOPY empty /var/\n"
    . "LABEL test=podman\n");

$t->run_ok('build', podman('first', qw(build --isolation chroot --layers -t),
    "$host/built/image:v1", "$dir/context"));


# login

write_file("$dir/auth.json", '{}');
$t->run_fails('push without login', qr/authentication required|unauthorized/,
    podman('first', 'push', @auth, @tls, "$host/built/image:v1"));
$t->run_fails('login with a wrong password', qr/invalid username\/password/,
    { stdin => 'foo124' },
    podman('first', 'login', @auth, @tls, qw(-u foo --password-stdin), $host));
$t->run_ok('login', { stdin => 'foo123' },
    podman('first', 'login', @auth, @tls, qw(-u foo --password-stdin), $host));


# push

$t->run_ok('push', podman('first', 'push', @auth, @tls,
    '--digestfile', "$dir/digest", "$host/built/image:v1"));
my $digest = read_file("$dir/digest");

my $r = $t->client->request('GET', '/v2/built/image/manifests/v1');
is $r->{headers}{'docker-content-digest'}, $digest,
    'the registry has the digest that podman tells';

my $manifest = decode_json($r->{content});
my @layers = map { $_->{digest} } @{ $manifest->{layers} };
my %repository = (layers => [$manifest->{config}{digest}, @layers],
                  tags => { v1 => $digest });
$t->objects_are('the objects of registry:2', 'built/image' => \%repository);

is scalar(grep { $_->{method} eq 'PATCH' && $_->{status} != 202 }
    @{ $t->requests }), 0, 'each PATCH was accepted';

$t->run_ok('push again', podman('first', 'push', @auth, @tls,
    "$host/built/image:v1"));
$t->objects_are('leaves the same objects', 'built/image' => \%repository);

# "search" has no --cert-dir
$t->run('mkdir', '-p', "$dir/home/.config/containers/certs.d");
$t->run('cp', '-r', $t->certs, "$dir/home/.config/containers/certs.d/$host");

like $t->run_ok('search by the catalog', podman('first', 'search', @auth,
    "$host/built")), qr{\Q$host\E/built/image}, 'finds it';
like $t->run_ok('search of tags', podman('first', 'search', @auth,
    '--list-tags', "$host/built/image")), qr/\bv1\b/, 'finds it';


# pull into an empty storage

is $t->run(podman('second', 'images', '-q')), '', 'a storage without images';
$t->run_ok('pull', podman('second', 'pull', @auth, @tls,
    "$host/built/image:v1"));

my ($id, $pulled) = map { $t->run(podman($_, qw(inspect -f {{.Id}}),
    "$host/built/image:v1")) } qw(first second);
is $pulled, $id, 'the same id';

chomp(my $root = $t->run(podman('second', qw(image mount),
    "$host/built/image:v1")));
for (['text', 'etc/text'], ['data', 'srv/data'], ['empty', 'var/empty']) {
    $t->run_ok("the same $_->[0] bit for bit", 'cmp', "$dir/context/$_->[0]",
        "$root/$_->[1]");
}
$t->run(podman('second', qw(image umount), "$host/built/image:v1"));


# the format of Docker, and by digest

$t->run_ok('push in the format of Docker', podman('first', 'push', @auth, @tls,
    qw(--format v2s2 --digestfile), "$dir/digest", "$host/built/image:v1",
    "docker://$host/built/docker:v1"));
my $docker = read_file("$dir/digest");
isnt $docker, $digest, 'has another digest';

$t->run_ok('pull by digest', podman('second', 'pull', @auth, @tls,
    "$host/built/docker\@$docker"));

$t->run_fails('pull of an unknown tag', qr/manifest unknown/,
    podman('second', 'pull', @auth, @tls, "$host/built/image:v2"));
$t->run_fails('pull of an unknown repository', qr/manifest unknown|not known/,
    podman('second', 'pull', @auth, @tls, "$host/nothing:v1"));

$t->finish;
