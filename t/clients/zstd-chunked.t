#!/usr/bin/perl

# zstd:chunked: podman pulls only those files of a layer that it does not have
# yet, many ranges of a blob by one request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(random_file write_file);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my @auth = ('--authfile', "$dir/auth.json", '--cert-dir', $t->certs);
my @files = map { sprintf 'file%02d', $_ } 1 .. 60;
my @changed = @files[3, 4, 11, 17, 30, 44, 59];
my $bytes = 100_000;

# Only the driver "overlay" knows of parts of layers, and an overlay may not
# lie on another one.
$t->run('mkdir', "$dir/storage", "$dir/context");
$t->run(qw(mount -t tmpfs registry-test), "$dir/storage");

$t->run_ok('login', { stdin => 'foo123' },
    podman('first', 'login', @auth, qw(-u foo --password-stdin), $host));


# two versions of a layer

write_file("$dir/context/Containerfile", "FROM scratch\nCOPY file* /srv/\n");
random_file("$dir/context/$_", $bytes) for @files;
push_version('v1');
random_file("$dir/context/$_", $bytes) for @changed;
push_version('v2');


# the first one is pulled as a whole, of the second what has changed

pull_version('v1');
my @one = blob_requests();

pull_version('v2');
my @two = blob_requests();
splice @two, 0, @one;

my $layer = layer('v2')->{digest};
my @ranges = grep { $_->{uri} =~ m{/\Q$layer\E$} } @two;

cmp_ok scalar @ranges, '>', 1, 'the layer of the second was read by parts';
is_deeply [ grep { $_->{status} != 206 } @ranges ], [],
    'each of them was answered by what it asked for';

my $sum = 0;
$sum += $_->{bytes} for @ranges;
cmp_ok $sum, '<', $bytes * (@changed + 1), 'and by no more than that';

chomp(my $root = $t->run(podman('second', qw(image mount), "$host/app:v2")));
$t->run_ok("the same $_ bit for bit", 'cmp', "$dir/context/$_",
    "$root/srv/$_") for @changed, $files[0];
$t->run(podman('second', qw(image umount), "$host/app:v2"));

$t->finish;


# The options of a pull are not on the command line.

sub podman {
    my ($storage, @arguments) = @_;

    write_file("$dir/$storage.conf", <<"END");
[storage]
driver = "overlay"
runroot = "$dir/storage/$storage.run"
graphroot = "$dir/storage/$storage"
[storage.options]
pull_options = {enable_partial_images = "true", use_hard_links = "false"}
END

    return ('env', "CONTAINERS_STORAGE_CONF=$dir/$storage.conf", 'podman',
        qw(--cgroup-manager cgroupfs --events-backend none), @arguments);
}


sub push_version {
    my ($tag) = @_;

    $t->run(podman('first', qw(build --isolation chroot -t), "$host/app:$tag",
        "$dir/context"));
    $t->run_ok("push of $tag", podman('first', 'push', @auth,
        qw(--compression-format zstd:chunked), "$host/app:$tag"));
    ok layer($tag)->{annotations}{
        'io.containers.zstd-chunked.manifest-position'},
        'has a list of its parts';
}


sub pull_version {
    my ($tag) = @_;

    $t->run_ok("pull of $tag", podman('second', 'pull', @auth,
        "$host/app:$tag"));
}


sub layer {
    my ($tag) = @_;

    my $r = $t->client->request('GET', "/v2/app/manifests/$tag");

    return decode_json($r->{content})->{layers}[0];
}


sub blob_requests {
    return grep { $_->{method} eq 'GET' && $_->{uri} =~ m{/blobs/sha256:} }
        @{ $t->requests };
}
