#!/usr/bin/perl

# nginx starts without a storage, says so in the registry's own words, and goes
# on by itself as soon as the storage is there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Faults;


my $t = RegistryTest->new;

# docker-registry does not start without a storage
plan skip_all => 'registry:2 cannot do this' if !$t->is_module;

my $faults = RegistryTest::Faults->new($t);
$faults->plan({ fault => 'refuse' });
$t->start(rgw => $faults->address);
my $c = $t->client;
my $unknown = 'sha256:' . '0' x 64;

for (
    ['GET', '/v2/_catalog'],
    ['GET', '/v2/app/tags/list'],
    ['GET', '/v2/app/manifests/v1'],
    ['GET', "/v2/app/blobs/$unknown"],
    ['DELETE', "/v2/app/blobs/$unknown"],
    ['PUT', '/v2/app/manifests/v1', '{}'],
    ['POST', "/v2/app/blobs/uploads/?digest=$unknown", 'bytes'],
) {
    my ($method, $path, $content) = @$_;

    my $r = $c->request($method, $path, { content => $content // '' });
    my $name = "$method " . substr $path, 0, 40;

    # a manifest may be refused before the storage is asked for anything
    next if $method eq 'PUT' && $r->{status} == 400;

    is $r->{status}, 503, "$name: 503";
    is $c->error_code($r), 'UNAVAILABLE', "$name: the code";
    is $r->{headers}{'docker-distribution-api-version'}, 'registry/2.0',
        "$name: the version";
}

is $c->request('HEAD', "/v2/app/blobs/$unknown")->{status}, 503,
    'HEAD: never 404 for what is not known';


# the storage comes

$faults->plan;

my $r;
for (1 .. 300) {
    $r = $c->request('GET', '/v2/_catalog');
    last if $r->{status} == 200;
    sleep 0.1;
}
is $r->{status}, 200, 'then it works without a restart';

my $digest = $c->push_blob('app', 'some bytes');
is $c->request('GET', "/v2/app/blobs/$digest")->{content}, 'some bytes',
    'push and pull';


# and goes away again

$faults->plan({ fault => 'refuse' });

# small blobs and links are in memory, these are believed for one second
for (1 .. 50) {
    $r = $c->request('GET', "/v2/app/blobs/$digest");
    last if $r->{status} != 200;
    sleep 0.1;
}
is $r->{status}, 503, 'no storage: 503, not 404';
is $c->request('GET', '/v2/no/such/tags/list')->{status}, 503,
    'a list, too';

$t->finish;
