#!/usr/bin/perl

# Who fetches a slice into the cache on disk has its lock as long as he lives,
# and no longer: killed workers, workers that are to exit, slow storages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $faults = RegistryTest::Faults->new($t);
my $disk = $t->dir . '/blobs';
my $SLICE = 256 * 1024;
my $DEADLINE = 40;              # seconds: far below what nginx would wait

my $bytes = join '', map { sha256_hex("$$ $_") } 1 .. 10_000;
my $digest = 'sha256:' . sha256_hex($bytes);
my $slices = int((length($bytes) + $SLICE - 1) / $SLICE);
my $n = 0;


sub start {
    my ($more, %o) = @_;

    system 'rm', '-rf', $disk;
    $t->start(auth => 0, rgw => $faults->address,
        http => "registry_cache_path $disk levels=1:2 keys_zone=blobs:1m;",
        directives => "registry_blob_cache blobs; registry_cache_valid 10m;"
            . "registry_blob_cache_slice 256k; $more", %o);
    $t->client->push_blob('a/b', $bytes);
    $t->client->request('HEAD', "/v2/a/b/blobs/$digest");
}


# the first slice does not come until release()

sub hold {
    $faults->plan({ match => '^GET \S+/data', n => 1, fault => 'hold' });
}


# a client in the background; done() is whether it got all, or "late"

sub client {
    my $file = $t->dir . '/out.' . ++$n;

    open my $fh, '-|', 'curl', '-s', '-m', $DEADLINE, '-o', $file, '-w',
        '%{http_code}', "http://127.0.0.1:$t->{plain_port}/v2/a/b/blobs/$digest"
        or die "curl: $!";

    return [ $fh, $file ];
}


sub done {
    my ($fh, $file) = @{ $_[0] };

    my $status = <$fh>;
    close $fh or return $? >> 8 == 28 ? 'late' : 'cut';

    return read_file($file) eq $bytes ? 'right' : "wrong, $status";
}


# it takes no connection any more

sub retire {
    my ($worker) = @_;

    $t->reload;
    sleep 0.1 while read_file("/proc/$worker/cmdline") !~ /shutting down/;
}


sub cost {
    return scalar grep { m{^GET .*/data 206} } $faults->calls;
}


for my $more ('', 'aio threads;') {
    my ($old, $first, @others);

    start($more, workers => 1);

    hold();
    $first = client();
    $faults->wait_held(20);
    kill 'KILL', $t->workers;
    is done($first), 'cut', "$more a worker is killed while it fetches";
    is_deeply [ map { done($_) } map { client() } 1 .. 3 ], [ ('right') x 3 ],
        "$more its blob is pulled all the same";
    $faults->release;
    $t->stop;

    # one that is to exit, and then is killed

    start($more, workers => 1);
    hold();
    ($old) = $t->workers;
    $first = client();
    $faults->wait_held(20);
    retire($old);
    @others = map { client() } 1 .. 3;
    sleep 3;
    is cost(), 1, "$more a worker that is to exit keeps its lock"
        . ', only it fetches, the next one ahead';
    kill 'KILL', $old;
    is done($first), 'cut', "$more it is killed";
    is_deeply [ map { done($_) } @others ], [ ('right') x 3 ],
        "$more those who wait go on";
    $faults->release;
    $t->stop;

    start($more, workers => 1);
    hold();
    ($old) = $t->workers;
    $first = client();
    $faults->wait_held(20);
    retire($old);
    @others = map { client() } 1 .. 3;
    sleep 3;
    $faults->release;
    is_deeply [ map { done($_) } $first, @others ], [ ('right') x 4 ],
        "$more one that is to exit ends what it has begun";
    is cost(), $slices, "$more each slice was fetched once";
    $t->stop;
}

# a storage that is slower than a lock may be old

start('', workers => 2);
hold();
my @all = map { client() } 1 .. 8;
$faults->wait_held(20);
sleep 4;
$faults->release;
is_deeply [ map { done($_) } @all ], [ ('right') x 8 ], 'a slow storage';
is cost(), $slices, 'each slice is fetched once';

$t->finish(killed => 1, allow => qr/registry: |upstream prematurely/,
    crit => qr/ignore long locked inactive cache entry/);
