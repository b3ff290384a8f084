#!/usr/bin/perl

# Blobs read from RGW itself by temporary URLs, for those clients that a
# variable chooses.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $t = RegistryTest->new;
my $http = HTTP::Tiny->new(max_redirect => 0);
# the account has one for all, and this test may run twice at once
my $key = 'temporary-' . sha256_hex($ENV{RGW_SECRET_KEY});
my $file = $t->dir . '/redirect.key';

write_file($file, "$key\n");
chmod 0600, $file;

# the account's key
my $auth = $http->get($ENV{RGW_AUTH_URL}, { headers => {
    'X-Auth-User' => $ENV{RGW_USER}, 'X-Auth-Key' => $ENV{RGW_SECRET_KEY} } });
my $storage = $auth->{headers}{'x-storage-url'};
my $r = $http->post($storage, { headers => {
    'X-Auth-Token' => $auth->{headers}{'x-auth-token'},
    'X-Account-Meta-Temp-URL-Key' => $key } });
is(substr($r->{status}, 0, 1), 2, 'RGW has the key');

$t->start(
    http => "map \$http_x_from \$away { default $storage/; near off;"
        . ' odd "not a URL"; }',
    directives => "registry_redirect \$away;"
        . "registry_redirect_key_file $file;"
        . 'registry_redirect_expires 10s;');

my $c = $t->client;
my $bytes = join '', map { sha256_hex($_) } 1 .. 5000;
my $digest = $c->push_blob('a/b', $bytes);
my $small = $c->push_blob('a/b', 'small');
my $path = "/v2/a/b/blobs/$digest";


sub get {
    my ($path, %headers) = @_;

    return $c->request('GET', $path, { headers => \%headers });
}


$r = get($path);
is($r->{status}, 307, 'a blob is elsewhere');
is($r->{headers}{'docker-content-digest'}, $digest, 'its digest');
is($r->{content}, '', 'no body');

my $url = $r->{headers}{location};
like($url, qr{^\Q$storage\E/\Q@{[ $t->container ]}\E/files/docker/},
    'in the storage');
is($http->get($url)->{content}, $bytes, 'there it is, without a token');
is($http->get($url, { headers => { Range => 'bytes=3-9' } })->{content},
    substr($bytes, 3, 7), 'a range of it');
like($http->request('PUT', $url, { content => 'other' })->{status},
    qr/^40[13]$/, 'it is good for reading only');

is(get($path, Range => 'bytes=3-9')->{status}, 307, 'a range: there');
is(get($path, Range => 'bytes=3-9,20-29')->{status}, 206,
    'several ranges: here');
is(get($path, 'X-From' => 'near')->{content}, $bytes, 'off by the variable');
is(get($path, 'X-From' => 'odd')->{content}, $bytes,
    'a variable that is no URL: here');
like(read_file($t->error_log), qr/"registry_redirect" became "not a URL"/,
    'which the log says');
is($c->request('HEAD', $path)->{status}, 200, 'HEAD: here');
is(get("/v2/a/b/blobs/$small")->{content}, 'small', 'a small blob: here');
is(get("/v2/c/d/blobs/$digest")->{status}, 404, 'not without the link');
is(get($path, 'If-None-Match' => "\"$digest\"")->{status}, 304,
    'not what the client has');

$t->run_ok('curl follows', 'curl', '-sfL', '-o', '/dev/null', '-u', $t->login,
    "http://127.0.0.1:$t->{plain_port}$path");

my $end = time + 60;
sleep 1 while $http->get($url)->{status} == 200 && time < $end;
like($http->get($url)->{status}, qr/^40[13]$/, 'the URL expires');

unlike(read_file($t->error_log), qr/\Q$key\E/, 'the key is not in the log');
$t->finish;
