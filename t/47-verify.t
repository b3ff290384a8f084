#!/usr/bin/perl

# The storage sends other bytes than the digest's, as many as it says: with
# registry_verify no pull of a whole blob looks complete, the log and a counter
# tell of it, and the cache on disk does not keep them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $faults = RegistryTest::Faults->new($t);
my $disk = $t->dir . '/blobs';
my $out = $t->dir . '/out';
my $SLICE = 256 * 1024;

my $bytes = join '', map { sha256_hex("$$ $_") } 1 .. 30_000;   # 1.9 MB
our $digest = 'sha256:' . sha256_hex($bytes);
my $slices = int((length($bytes) + $SLICE - 1) / $SLICE);
my $c;


sub start {
    my ($directives, %o) = @_;

    $t->start(rgw => $faults->address,
        http => "registry_cache_path $disk levels=1:2 keys_zone=blobs:1m;"
            . 'sendfile on;',
        server => 'location = /metrics { registry_status prometheus; }',
        directives => $directives);
    $c = $t->client;
    $c->push_blob('a/b', $bytes) unless $o{empty};
    $faults->plan;
}


# slices that were read from RGW since the last plan

sub cost {
    return scalar grep { m{^GET .*/data 206} } $faults->calls;
}


# [ what curl says, HTTP status, bytes ]

sub curl {
    my ($http, @options) = @_;

    unlink $out;
    my $r = $t->command('curl', '-s', '-m', 20, $http, '--cacert', $t->ca,
        '-u', $t->login, '-o', $out, '-w', '%{http_code}', @options,
        'https://' . $t->host . "/v2/a/b/blobs/$digest");

    return [ $r->{status}, $r->{out}, -e $out ? read_file($out) : '' ];
}


sub is_whole {
    my ($test, @get) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = curl(@get);
    ok $got->[0] == 0 && $got->[2] eq $bytes, $test
        or diag "curl $got->[0], HTTP $got->[1], " . length $got->[2];
}


sub is_cut {
    my ($test, @get) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $before = mismatches();
    my $offset = -s $t->error_log;
    my $got = curl(@get);
    my $log = substr read_file($t->error_log), $offset;

    isnt $got->[0], 0, "$test: does not look complete";
    cmp_ok length $got->[2], '<', length $bytes, "$test: nor is it";
    like $log, qr/"a\/b": .* than those of "\Q$digest\E", transaction "tx/, "$test: is logged";
    unlike $log, qr/cut short/, "$test: once";
    is mismatches() - $before, 1, "$test: is counted";
}


sub mismatches {
    my $text = $t->client->request('GET', '/metrics')->{content};

    return ($text =~ /^registry_storage_mismatches_total\{\} (\d+)$/m)[0];
}


sub flip {
    my ($n, %o) = @_;

    $faults->plan({ match => '^GET \\S+/data', fault => 'flipped', n => $n,
        %o });
}


# as the bytes pass

start('registry_cache_valid 5s; registry_verify $http_x_verify;');

for my $http ('--http1.1', '--http2') {
    my @on = ($http, '-H', 'X-Verify: on');

    is_whole("$http: right bytes", @on);
    flip(1);
    is_cut("$http: wrong bytes", @on);
    is_whole("$http: afterwards", @on);

    flip(1);
    my $got = curl($http, '-H', 'X-Verify: off');
    is "$got->[0] $got->[1] " . length $got->[2], '0 200 ' . length $bytes,
        "$http: off: a client looks itself";
    isnt $got->[2], $bytes, "$http: off: if it does";

    flip(1);
    $got = curl(@on, '-r', '0-99999');
    is "$got->[0] $got->[1]", '0 206', "$http: a range says nothing";
}

flip(1);
is_cut('neither on nor off', '--http1.1', '-H', 'X-Verify: maybe');
like read_file($t->error_log), qr/"registry_verify" is "maybe"/,
    'neither on nor off: is logged';

# an alias: what was asked for is compared

my $alias = 'sha512:' . sha512_hex($bytes);
my $r = $c->request('PUT', $c->with_digest($c->begin_upload('a/b'), $alias),
    { content => $bytes });
is $r->{status}, 201, 'pushed by sha512';

{
    local $digest = $alias;
    my @on = ('--http1.1', '-H', 'X-Verify: on');

    is_whole('and pulled', @on);
    flip(1);
    is_cut('wrong bytes of it', @on);
}

$t->stop;

# a size that is wrong is found by nothing else, and not believed any longer

start('registry_cache_valid 1m; registry_verify on;');
$faults->plan({ match => '^GET \\S+/data', fault => 'padded', n => 1,
    at => 7 });
isnt curl('--http1.1')->[0], 0, 'a size that is wrong';
is_whole('is forgotten', '--http1.1');
$t->stop;


# into the cache on disk: by default

my $cached = 'registry_blob_cache blobs; registry_blob_cache_slice 256k;';

for my $http ('--http1.1', '--http2') {
    for my $n (1, 2, $slices) {
        system 'rm', '-rf', $disk;
        start("$cached registry_cache_valid 5s;");
        my $test = "$http: slice $n of $slices";

        flip($n);
        is_cut($test, $http);
        $faults->plan;
        is_whole("$test: the next one", $http);
        is cost(), $slices, "$test: asks for all of them";
        is_whole("$test: and then", $http);
        is cost(), $slices, "$test: for none";
        $t->stop;
    }
}

system 'rm', '-rf', $disk;
start("$cached registry_verify off;");
flip(2);
my $got = curl('--http1.1');
is "$got->[0] $got->[1]", '0 200', 'off: wrong bytes come on disk';
$got = curl('--http1.1');
ok $got->[0] == 0 && $got->[2] ne $bytes, 'off: and stay there';
is cost(), $slices, 'off: since nobody asks again';
$t->stop;


# by a push

system 'rm', '-rf', $disk;
start("$cached registry_blob_cache_fill on;", empty => 1);
my $before = mismatches();
$bytes = reverse $bytes;
$digest = 'sha256:' . sha256_hex($bytes);
flip(2);
$c->push_blob('a/b', $bytes);

for (1 .. 100) {
    last if mismatches() > $before;
    sleep 0.1;
}

is mismatches() - $before, 1, 'read in after a push: is counted';
$faults->plan;
is_whole('read in after a push: the next pull', '--http1.1');
is cost(), $slices, 'read in after a push: asks for all';

$t->finish(allow => qr/registry: |upstream prematurely/);
