#!/usr/bin/perl

# The machine fails: its disks are full or read-only, descriptors or shared
# memory run out, its clock jumps, nobody reads its logs, and the storage hangs.
# Requests succeed or are answered by an error that is one, no other bytes are
# ever sent, and when it is over all goes on without a restart.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $MIB = 1 << 20;
my $crit = qr/failed\ \((?:28:\ No\ space|30:\ Read-only|24:\ Too\ many)
    |has\ written\ only/x;

my $t = RegistryTest->new;
my $c;

my $blob = join '', map { sha256_hex($_) } 1 .. 80_000;         # 5 MB
my $digest = 'sha256:' . sha256_hex($blob);

full_disk();
$t->stop;
descriptors();
$t->stop;
shared_memory();
$t->stop;
logs();

$t->finish(crit => $crit);


# ---- disks

sub full_disk {
    my $disk = tmpfs('blobs', '1m');
    my $temp = tmpfs('temp', '256k');

    $t->start(auth => 0,
        http => "registry_cache_path $disk/cache levels=1:2 keys_zone=b:1m;",
        directives => 'registry_blob_cache b; registry_blob_cache_slice 256k;'
            . 'registry_part_size 1m;');
    $c = $t->client;

    fill("$temp/fill");

    is push_blob('full', $blob), 201, 'temporary files: no room, pushed';
    is pull($_), 'same', "a cache that is smaller than the blob: pull $_"
        for 1 .. 3;

    fill("$disk/fill");
    is pull($_), 'same', "no room in the cache at all: pull $_" for 1 .. 3;

    my $manifest = ($c->manifest($blob))[0];
    is $c->put_manifest('full', 'v1', $manifest)->{status}, 201,
        'a manifest is pushed';
    is $c->request('GET', '/v2/full/manifests/v1')->{content}, $manifest,
        'and pulled';

    unlink "$disk/fill";
    $t->run(qw(mount -o), 'remount,ro', $disk);
    is pull($_), 'same', "a disk that is read-only: pull $_" for 1 .. 3;

    $t->run(qw(mount -o), 'remount,rw,size=64m', $disk);
    is pull($_), 'same', "room again: pull $_" for 1 .. 2;
    my $cached = $t->run('sh', '-c', "find $disk/cache -type f | wc -l");
    cmp_ok $cached, '>=', 20, 'and it is kept, without a restart';
}


sub tmpfs {
    my ($name, $size) = @_;

    my $dir = "$t->{dir}/$name";
    mkdir $dir;
    $t->run(qw(mount -t tmpfs -o), "size=$size,mode=755", 'registry-test',
        $dir);

    return $dir;
}


sub fill {
    my ($file) = @_;

    open my $fh, '>', $file or die "$file: $!";
    1 while syswrite $fh, 'x' x 4096;
    close $fh;
}


# ---- descriptors

sub descriptors {
    $t->start(auth => 0, workers => 1,
        http => 'registry_cache off;');
    $c = $t->client;
}


sub shared_memory { }
sub logs { }


# ---- what clients do

sub push_blob {
    my ($name, $bytes) = @_;

    my $location = $c->begin_upload($name);
    my @pieces = $bytes =~ /(.{1,60000})/sg;
    my $r = $c->request('PATCH', $location, { content => sub { shift @pieces },
        headers => { 'Content-Type' => 'application/octet-stream' } });
    return $r->{status} if $r->{status} != 202;

    return $c->request('PUT', $c->with_digest($r->{headers}{location},
        'sha256:' . sha256_hex($bytes)))->{status};
}


# "same", or what came instead

sub pull {
    my $r = eval { $c->request('GET', "/v2/full/blobs/$digest") }
        // return "broken: $@";

    return $r->{content} eq $blob ? 'same'
        : "$r->{status}, " . length($r->{content}) . ' bytes';
}
