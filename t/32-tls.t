#!/usr/bin/perl

# RGW behind TLS: the certificate is verified, for calls and for the token.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $d = $t->dir;
my $port = RegistryTest::free_port();
my $trust = "registry_ssl_trusted_certificate $d/certs/ca.crt;";
my $name = 'registry_ssl_name localhost;';


# RGW behind TLS

sub server {
    my ($more) = @_;

    return <<"END";
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $d/tls/server.crt;
        ssl_certificate_key $d/tls/server.key;
        client_max_body_size 0;
        @{[ $more // '' ]}
        location / {
            proxy_pass http://$ENV{RGW_ENDPOINT};
            proxy_set_header Host \$http_host;
            proxy_request_buffering off;
        }
    }
END
}


# statuses of a push, a pull, and the health

sub try_with {
    my (%o) = @_;

    open my $fh, '>', $t->error_log;
    $t->start(scheme => 'https', rgw => "localhost:$port",
        server => 'location = /health { registry_status health; }',
        directives => "registry_health interval=60s threshold=3;"
            . " $o{directives}", http => server());

    my $c = $t->client;
    my $bytes = 'x' x 3e6 . rand;
    my $digest = 'sha256:' . Digest::SHA::sha256_hex($bytes);
    my $push = $c->request('POST',
        "/v2/a/blobs/uploads/?digest=$digest", { content => $bytes });
    my $pull = $c->request('GET', "/v2/a/blobs/$digest");

    my $health;

    for (1 .. 100) {
        $health = $c->request('GET', '/health');
        last if $health->{content} =~ /"checked": [1-9]/;
        select undef, undef, undef, 0.1;
    }

    $t->stop;

    return join ' ', $push->{status}, $pull->{status},
        $pull->{content} eq $bytes ? 'same' : 'other', $health->{content} =~ /"why": ""/ ? 'healthy' : 'ill';
}


is(try_with(directives => "$trust $name"), '201 200 same healthy',
    'trusted, of the right name');
unlike(read_file($t->error_log), qr/\[warn\]/, 'no warning');

is(try_with(directives => $trust), '503 503 other ill', 'of another name');
like(read_file($t->error_log),
    qr/certificate does not match "rgw"/, 'which the log says');

is(try_with(directives => $name), '503 503 other ill', 'not trusted');
like(read_file($t->error_log), qr/registry: .*certificate/,
    'the token is refused');

is(try_with(directives => 'registry_ssl_verify off;'), '201 200 same healthy',
    'not verified');
like(read_file("$d/nginx.out") . read_file($t->error_log),
    qr/registry_ssl_verify off.*can read its token/, 'with a warning');


# an "if" is of its location, TLS and all

$t->start(scheme => 'https', rgw => "localhost:$port",
    directives => "$trust $name if (\$arg_x) { set \$x 1; }",
    http => server());
my ($plain, $if) = map { $t->client->request('GET', "/v2/a/tags/list?$_") }
    qw(n=1 x=1);
is("$if->{status} $if->{content}", "$plain->{status} $plain->{content}",
    'the same within "if"');
$t->stop;


# What others have connected without looking, or by what they trust, is not
# used by who looks: not of one upstream {} block, not a session of it.

my @auth = (registry_pass => 'https://rgw',
    registry_auth_url => $ENV{RGW_AUTH_URL}, registry_cache => 'off');
my $log = "$d/tls.log";

$t->start(rgw => "localhost:$port", workers => 1,
    http => server("access_log $log test;"), server => join '',
    "location /proxy/ { proxy_pass https://rgw/; proxy_http_version 1.1;"
        . " proxy_set_header Connection ''; }",
    $t->location('/off/v2/', '', @auth, registry_ssl_verify => 'off'),
    $t->location('/ca/v2/', '', @auth, registry_ssl_name => 'localhost',
        registry_ssl_trusted_certificate => "$d/certs/ca.crt"),
    $t->location('/on/v2/', '', @auth, registry_ssl_name => 'localhost',
        registry_container => 'never'),
    $t->location('/name/v2/', '', @auth, registry_container => 'never',
        registry_ssl_trusted_certificate => "$d/certs/ca.crt"));

my $c = $t->client;
my $status = sub { $c->request('GET', "$_[0]v2/a/tags/list")->{status} };

for my $other ('/proxy/', '/off/', '/ca/') {
    isnt($status->($other), 503, "$other: connected") for 1 .. 2;
    is($status->($_), 503, "$_ behind $other: not used") for '/on/', '/name/';
}

is($status->('/ca/'), 404, 'trusted, of the right name');
unlike(read_file($log), qr/never/, 'nothing was sent');
like(read_file($t->error_log),
    qr/registry: a connection to \S+ that was made with other TLS settings/,
    'which the log tells');
$t->stop;

$t->check_log;
done_testing();
