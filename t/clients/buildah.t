#!/usr/bin/perl

# buildah: images of two architectures are made, pushed as one manifest list,
# and read back by architecture.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(random_file read_file);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my @auth = ('--authfile', "$dir/auth.json");
my @tls = ('--cert-dir', $t->certs);
my @architectures = qw(amd64 arm64);


sub buildah {
    my ($storage, @arguments) = @_;

    return ('buildah', '--root', "$dir/storage/$storage", '--runroot',
        "$dir/storage/$storage.run", '--storage-driver', 'vfs', @arguments);
}


# login

$t->run_fails('login with a wrong password', qr/invalid username\/password/,
    { stdin => 'foo124' },
    buildah('first', 'login', @auth, @tls, qw(-u foo --password-stdin),
        $host));
$t->run_ok('login', { stdin => 'foo123' },
    buildah('first', 'login', @auth, @tls, qw(-u foo --password-stdin),
        $host));


# one image per architecture, all in one list

$t->run(buildah('first', 'manifest', 'create', 'app:v1'));

for my $architecture (@architectures) {
    random_file("$dir/$architecture", 5_000_000);

    chomp(my $container = $t->run(buildah('first', 'from', '--arch',
        $architecture, 'scratch')));
    $t->run(buildah('first', 'copy', $container, "$dir/$architecture",
        '/srv/data'));
    $t->run(buildah('first', 'config', '--arch', $architecture, '--label',
        "test=$architecture", $container));
    $t->run_ok("commit for $architecture", buildah('first', 'commit',
        '--manifest', 'app:v1', $container, "app-$architecture:v1"));
}


# push of one image

$t->run_ok('push of an image', buildah('first', 'push', @auth, @tls,
    'app-amd64:v1', "docker://$host/single:v1"));
my $single = manifest('single', 'v1');
my %single = (layers => blobs($single->{document}),
              tags => { v1 => $single->{digest} });
$t->objects_are('the objects of registry:2', 'single' => \%single);


# push of the list

$t->run_ok('manifest push --all', buildah('first', 'manifest', 'push', @auth,
    @tls, '--all', '--digestfile', "$dir/digest", 'app:v1',
    "docker://$host/app:v1"));

my $list = manifest('app', 'v1');
is $list->{digest}, read_file("$dir/digest"),
    'the registry has the digest that buildah tells';

my @children = map { manifest('app', $_->{digest}) }
    @{ $list->{document}{manifests} };
is_deeply [ map { $_->{platform}{architecture} }
    @{ $list->{document}{manifests} } ], \@architectures,
    'the list has all architectures';

$t->objects_are('the objects of registry:2',
    'single' => \%single,
    'app' => {
        layers => [ map { @{ blobs($_->{document}) } } @children ],
        revisions => [ map { $_->{digest} } @children ],
        tags => { v1 => $list->{digest} },
    });


# pull, each architecture into an empty storage

for my $architecture (@architectures) {
    $t->run_ok("pull for $architecture", buildah($architecture, 'pull', @auth,
        @tls, '--arch', $architecture, "docker://$host/app:v1"));

    chomp(my $container = $t->run(buildah($architecture, 'from',
        '--pull-never', '--arch', $architecture, "$host/app:v1")));
    chomp(my $root = $t->run(buildah($architecture, 'mount', $container)));

    $t->run_ok('the same data bit for bit', 'cmp', "$dir/$architecture",
        "$root/srv/data");

    like $t->run(buildah($architecture, 'inspect', '--type', 'image',
        "$host/app:v1")), qr/"test": "$architecture"/, 'and the same label';

    $t->run(buildah($architecture, 'umount', $container));
}

$t->run_fails('pull of an unknown tag', qr/manifest unknown/,
    buildah('first', 'pull', @auth, @tls, "docker://$host/app:v2"));

$t->finish;


sub manifest {
    my ($name, $reference) = @_;

    my $r = $t->client->request('GET', "/v2/$name/manifests/$reference");

    return { digest => $r->{headers}{'docker-content-digest'},
             document => decode_json($r->{content}) };
}


sub blobs {
    my ($document) = @_;

    return [ map { $_->{digest} } $document->{config},
        @{ $document->{layers} } ];
}
