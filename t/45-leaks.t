#!/usr/bin/perl

# Requests of each kind, LEAK_REQUESTS (200) of them in a round, after half as
# many: the worker's memory and its descriptors stay what they were.  10,000 by
# "make leaks".
#
# Two figures: what malloc has given out (t/lib/heap.c), and what the process
# has of the machine, which is more by what malloc keeps.  Both may grow until
# all that is reused is there, but a leak grows in each round.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


plan skip_all => 'the sanitizers keep what is freed' if $ENV{ASAN_OPTIONS};

my $requests = $ENV{LEAK_REQUESTS} // 200;
my $rounds = 8;

# KB of a round: some connections to the storage more or less, and what one
# cannot tell from nothing; what malloc itself may keep
my $slack = 8 + $requests * 16 / 1024;
my $kept = 256 + $requests * 128 / 1024;

my $t = RegistryTest->new;
my $report = $t->dir . '/heap';
$t->run('cc', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o',
    $t->dir . '/heap.so', "$FindBin::Bin/lib/heap.c");

{
    local @ENV{qw(LD_PRELOAD HEAP_REPORT)} = ($t->dir . '/heap.so', $report);

    $t->start(workers => 1, server => join '',
        $t->location('/off/v2/', '', registry_delete => 'off'),
        $t->location('/asked/v2/', '', registry_cache => 'off'));
}

my $c = $t->client;
my ($worker) = $t->workers;
my ($config, $layer) = ('{}', 'l' x 200_000);
my @blobs = map { $c->push_blob('app', $_) } $config, $layer;
my ($manifest, $digest) = $c->manifest($config, $layer);
is $c->put_manifest('app', 'v1', $manifest)->{status}, 201, 'an image';

my $zeros = 'sha256:' . '0' x 64;
my $oci = 'application/vnd.oci.image.manifest.v1+json';
my $bytes = 'x' x 1000;
my $sum = 'sha256:' . sha256_hex($bytes);

write_file($t->dir . '/manifest', $manifest);
write_file($t->dir . '/bytes', $bytes);
write_file($t->dir . '/empty', '');

my @put = ('-T', $oci, '-u', $t->dir . '/manifest');
my @post = ('-T', 'application/octet-stream', '-p');

for (
    ['ping', '/v2/'],
    ['manifest', '/v2/app/manifests/v1'],
    ['manifest by HEAD', "/v2/app/manifests/$digest", '-i'],
    ['manifest past the cache', '/asked/v2/app/manifests/v1'],
    ['manifest that is not there', '/v2/app/manifests/none'],
    ['manifest that is pushed', '/v2/app/manifests/v1', @put],
    ['manifest that is none', '/v2/app/manifests/v2', '-T', $oci, '-u',
        $t->dir . '/bytes'],
    ['blob', "/v2/app/blobs/$blobs[1]"],
    ['small blob', "/v2/app/blobs/$blobs[0]"],
    ['blob by HEAD', "/v2/app/blobs/$blobs[1]", '-i'],
    ['range', "/v2/app/blobs/$blobs[1]", '-H', 'Range: bytes=5-100'],
    ['ranges', "/v2/app/blobs/$blobs[1]", '-H', 'Range: bytes=0-9,20-29'],
    ['blob that is not there', "/v2/app/blobs/$zeros"],
    ['upload that begins', '/v2/app/blobs/uploads/', @post,
        $t->dir . '/empty'],
    ['blob in one request', "/v2/app/blobs/uploads/?digest=$sum", @post,
        $t->dir . '/bytes'],
    ['blob of a wrong digest', "/v2/app/blobs/uploads/?digest=$zeros", @post,
        $t->dir . '/bytes'],
    ['mount', "/v2/b/blobs/uploads/?mount=$blobs[0]&from=app", @post,
        $t->dir . '/empty'],
    ['tags', '/v2/app/tags/list'],
    ['catalog', '/v2/_catalog?n=2'],
    ['referrers', "/v2/app/referrers/$digest"],
    ['no route', '/v2/App/nothing'],
    ['no method', '/v2/', '-m', 'DELETE'],
    ['delete that is off', '/off/v2/app/manifests/v1', '-m', 'DELETE'],
) {
    my ($name, $path, @options) = @$_;

    load($requests / 2, $path, @options);

    my ($answered, $heap, $rss) = (1, 0, 0);
    my (@heap, @rss);
    my $open = descriptors();

    until ($heap && $rss || @heap == $rounds) {
        my @before = (heap(), rss());
        my $out = load($requests, $path, @options);
        my @after = (heap(), rss());

        push @heap, $after[0] - $before[0];
        push @rss, $after[1] - $before[1];
        $answered &&= $out =~ /Complete requests:\s+$requests\b/;
        $heap ||= $heap[-1] <= $slack;
        $rss ||= $rss[-1] <= $kept;
    }

    ok $answered, "$name: all answered";
    ok $heap, "$name: grew by " . join(', ', @heap) . ' KB';
    ok $rss, "$name: the process grew by " . join(', ', @rss) . ' KB';
    cmp_ok descriptors() - $open, '<=', 16, "$name: descriptors";
}

is_deeply [$t->workers], [$worker], 'no worker ended';

$t->finish;


sub load {
    my ($n, $path, @options) = @_;

    return $t->run('ab', '-q', '-k', '-r', '-l', '-c', 8, '-n', $n, '-A',
        $t->login, @options, "http://$c->{address}$path");
}


# in KB, when all requests and their connections are at their end: twice the
# same

sub heap {
    my ($bytes, $same) = (-1, 0);

    for (1 .. 200) {
        my $size = -s $report;
        kill 'RTMIN', $worker;

        for (1 .. 1000) {
            last if -s $report != $size;
            sleep 0.01;
        }

        my ($now) = read_file($report) =~ /(\d+)\n\z/;
        $same = $now == $bytes ? $same + 1 : 0;
        $bytes = $now;
        return int($bytes / 1024) if $same == 2;
        sleep 0.02;
    }

    return int($bytes / 1024);
}


sub rss {
    return (read_file("/proc/$worker/status") =~ /^VmRSS:\s+(\d+)/m)[0];
}


sub descriptors {
    my @fds = glob "/proc/$worker/fd/*";

    return scalar @fds;
}
