#!/usr/bin/perl

# registry_cache_use_stale while no token is to be had: the auth server is
# slow, refuses, or is gone.  Who waits for the token is answered as the next
# one, who is told at once that there is none; what is on disk needs none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::AuthFaults;


my @faults = qw(refuse close lost stall status-401 status-503);
my @stale = map { "refused-$_-v1" } @faults;
my @fresh = map { "refused-$_-v3" } @faults;

my $t = RegistryTest->new;
my $auth = RegistryTest::AuthFaults->new($t, @stale, @fresh);
my $disk = $t->dir . '/blobs';
my $blobs = 'registry_blob_cache blobs;';

$t->start(auth => 0, workers => 1, http => $auth->gate
        . "registry_cache_path $disk levels=1:2 keys_zone=blobs:1m;",
    server => join('', map({ $t->location("/$_/v2/",
        "$blobs registry_cache_valid 100ms; registry_cache_use_stale on;",
        $auth->directives($_)) } @stale), map { $t->location("/$_/v2/",
        "$blobs registry_cache_valid 10m;", $auth->directives($_)) } @fresh));

my $c = $t->client;
my $bytes = join '', map { sha256_hex($_) } 1 .. 10_000;
my $blob = 'blobs/' . $c->push_blob('app', $bytes);
$c->push_blob('app', '{}');
my ($manifest) = $c->manifest('{}', $bytes);
is $c->put_manifest('app', 'v1', $manifest)->{status}, 201, 'pushed';


# the statuses of requests that come at once

sub at_once {
    return join ' ', sort split ' ', $t->run('curl', '-sZ',
        '--parallel-immediate', '--parallel-max', 64, '-m', 30, '-H',
        'Accept: */*', '-w', '%{http_code}\n',
        map { ('-o', '/dev/null', "http://127.0.0.1:$t->{plain_port}$_") } @_);
}


for my $user (@stale, @fresh) {
    is at_once("/$user/v2/app/manifests/v1", "/$user/v2/app/$blob"),
        '200 200', "$user: all is well";
}

sleep 0.3;
$auth->revoke($_) for @stale, @fresh;

# the first of them is told by the storage, and waits for another token

my @first = map { "/$_/v2/app/manifests/v1" } @stale;
is at_once(@first), join(' ', map { 200 } @first), 'who asks first';
is at_once(@first), join(' ', map { 200 } @first), 'who asks then';

my @many = map { ("/$_/v2/app/manifests/v1", "/$_/v2/app/$blob") } @stale;

for (1 .. 2) {
    is at_once((@many) x 2), join(' ', map { 200 } (@many) x 2),
        'many, as time goes on';
    sleep 0.7;
}

is at_once(map { "/$_/v2/app/manifests/none" } @stale),
    join(' ', map { 503 } @stale), 'what is not known is 503';

# links are known, slices are on disk: nothing is to be asked for

is at_once(map { "/$_/v2/app/manifests/none" } @fresh),
    join(' ', map { 503 } @fresh), 'no token';

for (1 .. 2) {
    my @all = map { "/$_/v2/app/$blob" } @fresh;
    is at_once((@all) x 2), join(' ', map { 200 } (@all) x 2),
        'blobs on disk, as time goes on';
    sleep 0.7;
}

$auth->heal;
$t->finish(allow => qr/registry: |connect\(\) failed|upstream/);
