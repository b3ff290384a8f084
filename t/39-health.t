#!/usr/bin/perl

# registry_health: what is checked, by whom, what it tells, and what is still
# answered while the storage does not work.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Image qw(read_file);
use RegistryTest::Relay;


my $t = RegistryTest->new;
my $relay = RegistryTest::Relay->new($t);

$t->start(rgw => $relay->address, workers => 2,
    directives => 'registry_health interval=200ms threshold=2;'
        . ' registry_cache_valid 1h;',
    server => 'location = /metrics { registry_status prometheus; }'
        . 'location = /health { registry_status health; }');

my $c = $t->client;
my $container = $t->container;


sub health { $c->request('GET', '/health') }


sub becomes {
    my ($status, $name) = @_;

    my $end = time + 60;
    sleep 0.05 while health()->{status} != $status && time < $end;
    is(health()->{status}, $status, $name);
}


sub report {
    return decode_json(health()->{content})->{containers}[0];
}


sub metric {
    my ($name, $more) = @_;

    my $text = $c->request('GET', '/metrics')->{content};

    return ($text =~ /^$name\{container="$container",user="[^"]+",upstream="rgw"
                      $more\}\ (\d+)$/mx)[0];
}


# Checks of the container that the storage sees until there were some, and how
# many there may be in that time, by one worker each 200 ms.

sub checks {
    $relay->calls;

    my ($n, $since) = (0, time);

    do {
        sleep 0.5;
        $n += grep { m{^HEAD \S+/\Q$container\E 20} } @{ $relay->calls };
    } until $n >= 8 || time > $since + 60;

    return ($n, (time - $since) / 0.2 + 2);
}


# a container that is not there yet

my $end = time + 60;
sleep 0.05 until report()->{checked} || time > $end;
my $r = health();
is($r->{status}, 200, 'not there yet: the first request will make it');
is($r->{headers}{'content-type'}, 'application/json', 'its type');
is($r->{headers}{'cache-control'}, 'no-store', 'kept by nobody');
is(decode_json($r->{content})->{status}, 'healthy', 'says so');
is($c->request('GET', '/v2/_catalog')->{status}, 200, 'it is made');
becomes(200, 'an empty container is healthy');
is(report()->{container}, $container, 'its name');


# one worker does it

my ($n, $most) = checks();
cmp_ok($n, '>=', 8, 'checks');
cmp_ok($n, '<=', $most, 'by one of two workers');
kill 'KILL', ($t->workers)[0];
sleep 0.5;
($n, $most) = checks();
cmp_ok($n, '>=', 8, 'one was killed: the checks go on');
cmp_ok($n, '<=', $most, 'each by one worker');
$t->reload;
sleep 0.5;
($n, $most) = checks();
cmp_ok($n, '>=', 8, 'after a reload, too');
cmp_ok($n, '<=', $most, 'each by one worker');


# the storage is away

my ($config, $layer) = ('{"os":"linux"}', 'layer');
$c->push_blob('a/b', $_) for $config, $layer;
my $big = 'x' x 200_000;
my $blob = $c->push_blob('a/b', $big);
my ($bytes, $digest) = $c->manifest($config, $layer);
$c->put_manifest('a/b', 'v1', $bytes);
is($c->request('GET', '/v2/a/b/manifests/v1')->{content}, $bytes, 'pull')
    for 1 .. 4;

is(metric('registry_health', ''), 1, 'metric: healthy');
cmp_ok(metric('registry_health_checks_total', ',result="passed"'), '>', 10,
    'metric: checks passed');
is(metric('registry_health_checks_total', ',result="failed"'), 0,
    'metric: none failed');

my $upload = $c->begin_upload('a/b');

$relay->away(1);
becomes(503, 'unhealthy');
is(report()->{why}, 'the storage answers with an error', 'why');
is(report()->{storage_status}, 503, "the storage's status");
is(metric('registry_health', ''), 0, 'metric: unhealthy');
cmp_ok(metric('registry_health_checks_total', ',result="failed"'), '>=', 2,
    'metric: failed checks');

$relay->calls;
is($c->request('GET', '/v2/a/b/manifests/v1')->{content}, $bytes,
    'what is in the cache goes on');
is($c->request('GET', '/v2/')->{status}, 200, 'so does the base');

for (['GET', '/v2/a/b/manifests/other'], ['GET', '/v2/a/b/tags/list'],
     ['GET', "/v2/a/b/blobs/$blob"], ['HEAD', "/v2/c/blobs/$blob"],
     ['POST', '/v2/a/b/blobs/uploads/'], ['PATCH', $upload],
     ['DELETE', '/v2/a/b/manifests/v1'], ['PUT', '/v2/a/b/manifests/v2'])
{
    my $r = $c->request(@$_, $$_[0] =~ /^P/ ? { content => 'x' } : {});
    is($r->{status}, 503, "$$_[0] @{[ $$_[1] =~ s/\?.*//r ]}");
    ok($r->{headers}{'retry-after'}, 'has Retry-After') or diag explain $r;
    is($c->error_code($r), 'UNAVAILABLE', 'and registry JSON')
        if $$_[0] ne 'HEAD';
}

is_deeply([grep { !m{/\Q$container\E 503$} } @{ $relay->calls }], [],
    'no call of the storage but the checks');

$relay->away(0);
becomes(200, 'healthy again by itself');
is(report()->{why}, '', 'nothing to say');
is($c->request('GET', '/v2/a/b/tags/list')->{status}, 200, 'all goes on');
$c->push_blob('a/b', 'more');


# the container has gone

$t->store->remove;
becomes(503, 'a missing container');
is(report()->{why}, 'the container is missing', 'why');

$t->stop;

open my $fh, '<', $t->error_log or die;
my $log = join '', <$fh>;
my $failed = qq{a check of container "$container" failed: the storage answers}
    . ' with an error, status 503';
is(() = $log =~ /\[warn\].*registry: \Q$failed\E/g, 1,
    'a line before the threshold');
is(() = $log =~ /\[error\].*container "\Q$container\E" is unhealthy:/g, 2,
    'one when it is unhealthy');
is(() = $log =~ /container "\Q$container\E" is healthy again/g, 1,
    'one when it is not');

$t->check_log(killed => 1);


# no storage at all, and no token

$t->start(rgw => '127.0.0.1:' . RegistryTest::free_port(),
    directives => 'registry_health interval=100ms threshold=1;',
    server => 'location = /health { registry_status health; }');
becomes(503, 'no token');
is(report()->{why}, 'no token to be had', 'why');

$t->stop;


# a storage that refuses the token; and one of two servers that is away

my ($refuses, $dead) = map { RegistryTest::free_port() } 1, 2;
my $account = "location /auth/ { proxy_pass http://$ENV{RGW_ENDPOINT}; }";

$t->start(rgw => "127.0.0.1:$refuses",
    http => "server { listen 127.0.0.1:$refuses; $account"
        . ' location / { return 401; } }',
    directives => 'registry_health interval=100ms threshold=1;',
    server => 'location = /health { registry_status health; }');
becomes(503, 'a token that is refused');
my %why;
$end = time + 2;
$why{ report()->{why} }++, sleep 0.02 while time < $end;
is(join(', ', keys %why), 'the storage refuses the token',
    'why, also while no other token is asked for');
$t->stop;

$t->start(
    http => "upstream two { server 127.0.0.1:$dead;"
        . " server $ENV{RGW_ENDPOINT}; }",
    server => $t->location('/two/',
        'registry_health interval=100ms threshold=1;',
        registry_pass => 'http://two')
        . 'location = /health { registry_status health; }');
$end = time + 60;
sleep 0.05 until report()->{checked} || time > $end;
sleep 0.5;
is(health()->{status}, 200, 'one of two servers is enough');
$t->stop;



# one that cannot be made, whatever the checks say, until it is there

my $deny = RegistryTest::free_port();
my $never = RegistryTest::Store->new(container => "$container-never",
    run => sub { $t->run(@_) });

$t->start(
    http => <<"END",
    server {
        listen 127.0.0.1:$deny;
        location / { proxy_pass http://$ENV{RGW_ENDPOINT}; }
        location ~ ^/swift/v1/[^/]+\$ {
            limit_except GET { deny all; }
            proxy_pass http://$ENV{RGW_ENDPOINT};
        }
    }
END
    server => $t->location('/never/v2/',
            'registry_health interval=100ms threshold=2;',
            registry_pass => "http://127.0.0.1:$deny",
            registry_container => "$container-never")
        . 'location = /health { registry_status health; }');
becomes(200, 'one that nobody needed yet');
is($c->request('POST', '/never/v2/a/blobs/uploads/?digest=sha256:'
    . sha256_hex('a'), { content => 'a' })->{status}, 503, 'not made');
sleep 0.5;
is(health()->{status}, 503, 'a container that cannot be made');
is(report()->{why}, 'the container cannot be created', 'why');
is($c->request('GET', '/never/v2/a/tags/list')->{status}, 503, 'all try it');
like(read_file($t->error_log), qr/"create container", storage: 403 to PUT/,
    'the log says what was refused');
$never->swift('PUT', '');
becomes(200, 'and it is there');
$never->swift('DELETE', '');
$t->stop;

done_testing();
