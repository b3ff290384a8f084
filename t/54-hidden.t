#!/usr/bin/perl

# A Location is a credential: its state is in no line of any log at the levels
# that servers are run with, whoever answers, refuses or passes on the
# request, in whatever phase and server, and over whatever protocol.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use Test::More;

use RegistryTest;
use RegistryTest::Client;
use RegistryTest::Image qw(read_file write_file);


my $t = RegistryTest->new;
my ($front, $other) = map { RegistryTest::free_port() } 1 .. 2;
my $log = $t->dir . '/all.log';
my $plain = $t->{plain_port} = RegistryTest::free_port();

$t->start(
    http => 'limit_req_zone $http_x_limit zone=one:1m rate=1r/m;'
        . 'map $request $line { default "$request"; }'
        . 'map $request_uri $mapped { default "u=$request_uri"; }'
        . "log_format all '\$request | \$request_uri | \$args | \$http_referer"
        . ' | $line | $mapped | $kept | $sent_http_location'
        . " | \$http_x_original_uri | \$arg__state';"
        . "server { listen 127.0.0.1:$other; access_log $log all;"
        . ' set $kept $request; return 301 https://127.0.0.1$request_uri; }'
        . "server { listen 127.0.0.1:$front; access_log $log all;"
        . ' set $kept ""; client_body_buffer_size 1k;'
        . " location / { proxy_pass http://127.0.0.1:$plain;"
        . ' proxy_set_header X-Original-URI $request_uri; } }',
    directives => "access_log $log all; set \$kept \"\$request_uri \$mapped\";"
        . 'registry_upload_authorize 1h; satisfy any;'
        . 'if ($http_x_foreign) { return 403; }'
        . 'limit_req zone=one;');

my $c = $t->client;
my $location = $c->begin_upload('a/b');
my @states = states($location);
my $state = $states[0];
my %none = (Authorization => undef);
my $big = 'x' x 20_000;


# each of these writes the request somewhere; its status, and what it is

for (
    ['PATCH', {}, 202, 'a PATCH'],
    ['PATCH', { %none }, 416, 'one by the state alone'],
    ['PATCH', { %none, 'X-Foreign' => 1 }, 403, 'by "return" of a location'],
    ['PATCH', { %none, 'X-Limit' => 1 }, 416, 'within a limit'],
    ['PATCH', { %none, 'X-Limit' => 1 }, 503, 'beyond it'],
    ['GET', { %none }, 204, 'its status'],
    ['OPTIONS', { %none }, 401, 'a method that it does not authorise'],
    ['PATCH', { %none }, 301, 'a server without a registry', $other],
    ['PATCH', {}, 416, 'a body that a proxy buffers', $front],
    ['GET', { 'X-Original-URI' => $location }, 301, 'a header of a proxy',
        $other, '/verify'],
) {
    my ($method, $headers, $want, $what, $port, $path) = @$_;
    my $client = $port ? RegistryTest::Client->new(port => $port,
        user => $t->login) : $c;
    my $r = $client->request($method, $path // $location, { headers => $headers,
        $method eq 'PATCH' ? (content => $big) : () });
    is($r->{status}, $want, $what);
    push @states, states($r->{headers}{location} // '');
}

for ('%5Fstate', '_%73tate', '%5fs%74ate') {
    is($c->request('GET', $location =~ s/_state=/$_=/r,
                   { headers => { %none } })->{status}, 204,
       "its status, with the name written as $_");
}

is($c->request('GET', '/v2/a/b/manifests/v9', { headers => {
    Referer => "http://127.0.0.1:$plain$location" } })->{status}, 404,
    'a Referer, as clients send one behind a redirect');
is($c->request('GET', '/v2/a/b/manifests/v9', { headers => {
    Authorization => 'Basic bm9ib2R5Om5vdGhpbmc=',
    Referer => "http://127.0.0.1:$plain$location" } })->{status}, 401,
    'one of somebody with a wrong password');

is($t->run('curl', '-s', '-k', '--http2', '-o', '/dev/null', '-w',
    '%{http_code} %{http_version}', '-X', 'PATCH', '--data-binary', $big,
    @$_[1 .. $#$_], 'https://' . $t->host . $location), "$_->[0] 2",
    "HTTP/2: @$_") for [416], [403, '-H', 'X-Foreign: 1'],
        [503, '-H', 'X-Limit: 1'];

# what nginx takes for no request has no location

for (["PATCH $location HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 'two Hosts'],
     ["PATCH $location HTTP/1.1\r\n\r\n", 'no Host'],
     ["PATCH $location HTTP/9.1\r\n\r\n", 'no version'],
     ["PATCH $location&a=" . 'a' x 40_000 . " HTTP/1.1\r\n", 'a long line'],
     ["PATCH $location HTTP/1.1\r\nHost: a\r\nX: " . 'a' x 40_000 . "\r\n\r\n",
      'a long header'],
     ["PATCH $location HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
      'no length'])
{
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$plain") or die;
    local $SIG{PIPE} = 'IGNORE';
    print $socket $_->[0];
    $socket->flush;
    like(scalar <$socket> // '', qr{^HTTP/1\.1 (400|414|431|505) }, $_->[1]);
}

$t->stop;


my $any = join '|', map { quotemeta } @states;
my $access = read_file($log) . read_file($t->dir . '/access.log');

# what nginx says of a header that it does not take comes before any phase

my $errors = join '', grep { !/\[info\].* client sent / }
    split /^/, read_file($t->error_log);

cmp_ok(scalar(my @hidden = $access =~ /_state=\*/g), '>=', 20,
    'the access logs have the requests');
is(join('', grep { /$any/ } split /^/, $access), '', 'without the state');

like($errors, qr/$_.*_state=\*/, "the error log has: $_")
    for 'limiting requests', 'buffered to a temporary file',
        'access forbidden|no user/password|registry: 416';
like($errors, qr/password mismatch|was not found.*_state=\*/,
    'the error log has a Referer');
is(join('', grep { /$any/ } split /^/, $errors), '', 'without the state');

$t->check_log;
done_testing();


sub states {
    return grep { length } map { /_state=([^&]+)/ ? $1 : '' } @_;
}
