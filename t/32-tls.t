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


# statuses of a push, a pull, and the health

sub try_with {
    my (%o) = @_;

    open my $fh, '>', $t->error_log;
    $t->start(scheme => 'https', rgw => "localhost:$port",
        server => 'location = /health { registry_status health; }',
        directives => "registry_health interval=60s threshold=3;"
            . " $o{directives}", http => <<"END");
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $d/tls/server.crt;
        ssl_certificate_key $d/tls/server.key;
        client_max_body_size 0;
        location / {
            proxy_pass http://$ENV{RGW_ENDPOINT};
            proxy_set_header Host \$http_host;
            proxy_request_buffering off;
        }
    }
END

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

$t->check_log;
done_testing();
