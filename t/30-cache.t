#!/usr/bin/perl

# The cache of replies: what costs no call of the storage, what is forgotten
# at once, what many wait for together, and what is left when RGW is away.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA;
use Test::More;

use RegistryTest;
use RegistryTest::Relay;


my $t = RegistryTest->new;
my $relay = RegistryTest::Relay->new($t);
my ($config, $layer) = ('{"os":"linux"}', 'layer');


# the calls that something costs: their methods, and statuses but 200
sub cost {
    my ($do) = @_;

    $relay->calls;
    $do->();

    return join ' ', sort map { join '', (split / /)[0],
        (split / /)[2] == 200 ? '' : (split / /)[2] } @{ $relay->calls };
}


sub get {
    my ($path, $method) = @_;

    my $r = $t->client->request($method // 'GET', "/v2/$path");

    return $r->{status} == 200 && !defined $method ? $r->{content}
                                                   : $r->{status};
}


my $n = 0;

sub push_tag {
    my ($name, $tag) = @_;

    my $c = $t->client;
    $c->push_blob($name, $_) for $config, $layer, ++$n;
    my ($bytes, $digest) = $c->manifest($config, $layer, $n);
    is($c->put_manifest($name, $tag, $bytes)->{status}, 201,
        "push $name:$tag");

    return ($bytes, $digest);
}


# what can change is believed for an hour here, so that only changes end it

$t->start(rgw => $relay->address, workers => 2,
    directives => 'registry_cache_valid 1h;');

my ($bytes, $digest) = push_tag('a/b', 'v1');
my $blob = 'sha256:' . Digest::SHA::sha256_hex($layer);

is(cost(sub { is(get('a/b/manifests/v1'), $bytes, 'GET by tag') }),
    'GET GET', 'cold, by tag: tag and manifest');
is(cost(sub { is(get('a/b/manifests/v1'), $bytes, 'again') for 1 .. 8 }), '',
    'warm, by tag, on both workers: no call');
is(cost(sub { is(get("a/b/manifests/$digest"), $bytes, 'by digest')
                  for 1 .. 2 }), 'GET', 'by digest: its link, once');
is(cost(sub { is(get("a/b/blobs/$blob", 'HEAD'), 200, 'HEAD blob')
                  for 1 .. 2 }),
    'GET HEAD', 'HEAD of a blob: link and size, once');

is(cost(sub { is(get("a/b/blobs/$blob"), $layer, 'GET of a small blob')
                  for 1 .. 2 }),
    'GET', 'its bytes, once');
is(cost(sub { is($t->client->request('GET', "/v2/a/b/blobs/$blob",
        { headers => { Range => 'bytes=1-2' } })->{content}, 'ay', 'range') }),
    '', 'a range of it: no call');

my ($newer, $newer_digest) = push_tag('a/b', 'v1');
is(get('a/b/manifests/v1'), $newer, 'a tag that moved is seen at once')
    for 1 .. 4;

is(get('a/b/manifests/v2'), 404, 'no such tag');
is(cost(sub { get('a/b/manifests/v2') }), '', 'and still none: no call');
my ($other) = push_tag('a/b', 'v2');
is(get('a/b/manifests/v2'), $other, 'until it is pushed') for 1 .. 4;

is(get("other/repo/blobs/$blob", 'HEAD'), 404, 'not in another repository');
push_tag('other/repo', 'v1');
is(get("other/repo/blobs/$blob", 'HEAD'), 200, 'until it is pushed there');

$t->client->request('DELETE', '/v2/a/b/manifests/v1');
is(get('a/b/manifests/v1'), 404, 'a deleted tag is gone at once') for 1 .. 4;
$t->client->request('DELETE', "/v2/a/b/manifests/$digest");
is(get("a/b/manifests/$digest"), 404, 'so is a manifest') for 1 .. 4;
$t->client->request('DELETE', "/v2/a/b/blobs/$blob");
is(get("a/b/blobs/$blob", 'HEAD'), 404, 'so is a blob') for 1 .. 4;

get('a/b/manifests/v2');
$t->reload;
is(cost(sub { is(get('a/b/manifests/v2'), $other, 'after a reload') }), '',
    'a reload loses nothing');


# a manifest whose bytes are damaged in RGW

(my $sound, my $name) = push_tag('hurt/repo', 'v1');
$t->store->swift('PUT', "/" . RegistryTest::blob_name($name),
    { content => 'x' x length $sound });
is(get('hurt/repo/manifests/v1'), 404, 'damaged bytes are not served');
$t->store->swift('PUT', "/" . RegistryTest::blob_name($name),
    { content => $sound });
is(get('hurt/repo/manifests/v1'), $sound, 'nor kept');


# one call for all that wait

push_tag('many/wait', 'v1');
$t->stop;
$t->start(rgw => $relay->address, workers => 4, auth => 0,
    directives => 'registry_cache_valid 1h;');
is($t->client->request('GET', '/v2/_catalog')->{status}, 200, 'awake');

my $url = "http://127.0.0.1:$t->{plain_port}/v2/many/wait/manifests/v1";

# a claim ends after two seconds, which is short for memcheck
my $calls = $ENV{MEMCHECK} ? qr/^GET( GET)+$/ : qr/^GET GET$/;

$relay->slow(1);
like(cost(sub {
    my $out = $t->run('curl', '-sZ', '--parallel-immediate',
        '--parallel-max', 50, '-u', $t->login,
        map { ('-o', "$t->{dir}/tmp/many.$_", $url) } 1 .. 50);
}), $calls, 'the calls of one for 50 clients of four workers');
$relay->slow(0);

my %got;
$got{ RegistryTest::Image::read_file("$t->{dir}/tmp/many.$_") }++ for 1 .. 50;
is(join(' ', values %got), 50, 'all have got the same');
is((keys %got)[0], get('many/wait/manifests/v1'), 'which is the manifest');


# RGW away

$t->stop;
$t->start(rgw => $relay->address, directives => 'registry_cache_valid 100ms;
    registry_cache_use_stale on;');
my $kept = get('many/wait/manifests/v1');
$relay->away(1);
select undef, undef, undef, 0.2;
is(get('many/wait/manifests/v1'), $kept, 'RGW away, pulled all the same');
is(get('many/wait/manifests/v2'), 503, 'what is not known is 503');
$relay->away(0);
is(get('many/wait/manifests/v2'), 404, 'RGW is back');

$t->stop;
$t->start(rgw => $relay->address, directives => 'registry_cache_valid 100ms;');
is(get('many/wait/manifests/v1'), $kept, 'by default');
$relay->away(1);
select undef, undef, undef, 0.2;
is(get('many/wait/manifests/v1'), 503, 'what is old is not used');
$relay->away(0);


# short, and off

$t->stop;
$t->start(rgw => $relay->address, directives => 'registry_cache_valid 0;');
get('many/wait/manifests/v1');
is(cost(sub { get('many/wait/manifests/v1') }), 'GET',
    'links are not believed, bytes are');

$t->stop;
$t->start(rgw => $relay->address, directives => 'registry_cache off;');
get('many/wait/manifests/v1');
is(cost(sub { get('many/wait/manifests/v1') }), 'GET GET', 'off');

$t->finish;
