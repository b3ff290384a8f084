#!/usr/bin/perl

# registry_status: the counters, what promtool says of them, and the same as
# JSON.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Image qw(write_file);


my $t = RegistryTest->new;

$t->start(workers => 2, server =>
    'location = /metrics { registry_status prometheus; }'
    . 'location = /status.json { registry_status json; }');

my $c = $t->client;


# {'name{label="value",...}' => number}

sub metrics {
    my $text = $c->request('GET', '/metrics')->{content};

    return { $text =~ /^([a-z]\S*\{.*?\}) (\S+)$/mg };
}


# A request is counted when it ends, which may be after its answer: the other
# worker is asked meanwhile.

sub grown {
    my ($before, $name, $want) = @_;

    my $grown;

    for (1 .. 50) {
        $grown = (metrics()->{$name} // 0) - ($before->{$name} // 0);
        last if $grown == $want;
        sleep 0.1;
    }

    return $grown;
}


my ($config, $layer) = ('{"os":"linux"}', 'layer');
my $before = metrics();

$c->push_blob('a/b', $_) for $config, $layer;
my ($bytes, $digest) = $c->manifest($config, $layer);
$c->put_manifest('a/b', 'v1', $bytes);
$c->request('GET', '/v2/a/b/manifests/v1') for 1 .. 3;
$c->request('GET', '/v2/a/b/manifests/none');
$c->request('GET', "/v2/a/b/referrers/$digest");
my $big = 'x' x 100_000;
$c->push_blob('a/b', $big);
$c->request('GET', '/v2/a/b/blobs/sha256:' . sha256_hex($big));
$c->request('GET', '/v2/', { headers => { Authorization => undef } });
$c->request('PUT', $c->with_digest($c->begin_upload('a/b'),
    'sha256:' . '0' x 64), { content => 'wrong' });

my %want = (
    'registry_http_requests_total{handler="manifest",method="get",code="200"}'
        => 3,
    'registry_http_requests_total{handler="manifest",method="get",code="404"}'
        => 1,
    'registry_http_requests_total{handler="manifest",method="put",code="201"}'
        => 1,
    'registry_http_requests_total{handler="base",method="get",code="401"}'
        => 1,
    'registry_http_requests_total{handler="blob_upload",method="post",'
        . 'code="202"}' => 4,
    'registry_http_requests_total{handler="blob_upload_chunk",method="patch",'
        . 'code="202"}' => 3,
    'registry_http_request_duration_seconds_count{handler="manifest",'
        . 'method="get"}' => 4,
    'registry_http_request_duration_seconds_bucket{handler="manifest",'
        . 'method="get",le="+Inf"}' => 4,
    'registry_http_requests_total{handler="referrers",method="get",'
        . 'code="200"}' => 1,
    'registry_storage_action_seconds_count{action="Reader",driver="swift"}'
        => 1,
    'registry_storage_cache_total{kind="data",type="hit"}' => 2,
    'registry_storage_cache_total{kind="data",type="miss"}' => 1,
    'registry_errors_total{code="MANIFEST_UNKNOWN"}' => 1,
    'registry_errors_total{code="UNAUTHORIZED"}' => 1,
    'registry_errors_total{code="DIGEST_INVALID"}' => 1,
    'registry_http_in_flight_requests{handler="manifest"}' => 0,
);

is(grown($before, $_, $want{$_}), $want{$_}, $_) for sort keys %want;

my $now = metrics();
my $in = 'registry_http_response_size_bytes_sum{handler="manifest",'
    . 'method="get"}';
cmp_ok($now->{$in}, '>', 3 * length $bytes, 'bytes of the answers');
cmp_ok($now->{'registry_storage_action_seconds_sum{action="Writer",'
    . 'driver="swift"}'}, '>', 0, 'time of the storage');


# well-formed

my $r = $c->request('GET', '/metrics');
is($r->{headers}{'content-type'}, 'text/plain; version=0.0.4',
    'the type of Prometheus text');
write_file($t->dir . '/metrics', $r->{content});
$t->run_ok('promtool finds no fault', 'sh', '-c',
    'promtool check metrics <' . $t->dir . '/metrics');

# zones of shared memory

my $free = 'registry_shared_memory_free_bytes{zone="registry_cache"}';
my $size = $now->{$free =~ s/_free//r};
cmp_ok($size, '>=', 8 << 20, 'the size of a zone');
cmp_ok($now->{$free}, '<', $size, 'and what is free of it');

for (1 .. 8) {
    $c->put_manifest('a/b', "m$_", $bytes . ' ' x (100_000 + $_));
    $c->request('GET', "/v2/a/b/manifests/m$_");
}
my $left = $now->{$free};
$now = metrics();
cmp_ok($left - $now->{$free}, '>', 8 * 100_000, 'manifests that it took since');

my $json = decode_json($c->request('GET', '/status.json')->{content});
my ($sample) = grep { $_->{labels}{handler} eq 'manifest'
                      && $_->{labels}{code} eq '404' }
    @{ $json->{registry_http_requests_total}{samples} };
is($sample->{value}, 1, 'the same as JSON');

is($c->request('POST', '/metrics')->{status}, 405, 'GET and HEAD only');


# what outlives what

my $count = $now->{'registry_http_requests_total{handler="manifest",'
    . 'method="get",code="200"}'};
$t->reload;
is(metrics()->{'registry_http_requests_total{handler="manifest",'
    . 'method="get",code="200"}'}, $count, 'counts survive a reload');

my $location = $c->begin_upload('a/b');
my $socket = $c->raw("PATCH $location HTTP/1.1\n"
    . "Transfer-Encoding: chunked\n");
my $gauge = 'registry_http_in_flight_requests{handler="blob_upload_chunk"}';
for (1 .. 100) {
    last if metrics()->{$gauge} == 1;
    select undef, undef, undef, 0.05;
}
is(metrics()->{$gauge}, 1, 'an upload in flight');
kill 'KILL', $t->workers;
select undef, undef, undef, 0.5;
is(metrics()->{$gauge}, 0, 'and gone with the worker that was killed');

$t->stop;
done_testing();
