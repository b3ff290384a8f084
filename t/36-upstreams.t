#!/usr/bin/perl

# Several RGWs behind one upstream, of which one is not there or dies in the
# middle, and RGW by IPv6.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Relay;


my $t = RegistryTest->new;
my $relay = RegistryTest::Relay->new($t);
my $dead = '127.0.0.1:' . RegistryTest::free_port();
my ($v6, $front, $empty, $named, $small)
    = map { RegistryTest::free_port() } 1 .. 5;
my $direct = "http://$ENV{RGW_ENDPOINT}/auth/v1.0";

$t->start(rgw => $ENV{RGW_ENDPOINT}, http => <<"END");
    upstream some {
        server $dead;
        server $ENV{RGW_ENDPOINT};
        keepalive 4;
    }
    upstream dying {
        server @{[ $relay->address ]} max_fails=0;
        server $ENV{RGW_ENDPOINT} max_fails=0;
        keepalive 4;
    }
    server {
        listen [::1]:$v6;
        client_max_body_size 0;
        location / {
            proxy_pass http://$ENV{RGW_ENDPOINT};
            proxy_set_header Host \$http_host;
            proxy_request_buffering off;
        }
    }
    server {
        listen 127.0.0.1:$empty;
        location / {
            default_type application/json;
            return 404 '{"Code":"NoSuchKey"}';
        }
        location ~ ^/swift/v1/[^/]+\$ { return 204; }
    }
    upstream bare {
        server 127.0.0.1:$named;
    }
    upstream rgw.example.com {
        server 127.0.0.1:$named;
    }
    server {
        listen 127.0.0.1:$small;
        location / {
            proxy_pass http://$ENV{RGW_ENDPOINT};
        }
    }
    server {
        listen 127.0.0.1:$named default_server;
        return 421;
    }
    server {
        listen 127.0.0.1:$named;
        server_name localhost rgw.example.com;
        client_max_body_size 0;
        location / {
            proxy_pass http://$ENV{RGW_ENDPOINT};
            proxy_request_buffering off;
        }
    }
    server {
        listen [::1]:$front;
        @{[ $t->location('/v2/told/', 'registry_health interval=100ms;',
            registry_pass => 'http://bare', registry_cache => 'off',
            registry_auth_url => $direct,
            registry_host => 'rgw.example.com') ]}
        @{[ $t->location('/v2/auth/', '',
            registry_pass => 'http://bare', registry_cache => 'off',
            registry_auth_url => "http://localhost:$named/auth/v1.0",
            registry_container => $t->container) ]}
        @{[ $t->location('/v2/dot/', '', registry_cache => 'off',
            registry_pass => 'http://rgw.example.com',
            registry_auth_url => $direct) ]}
        @{[ $t->location('/v2/ssl/', 'registry_ssl_name rgw.example.com;',
            registry_pass => 'http://bare', registry_cache => 'off',
            registry_auth_url => $direct) ]}
        @{[ $t->location('/v2/small/', '', registry_cache => 'off',
            registry_pass => "http://127.0.0.1:$small",
            registry_auth_url => $direct) ]}
        @{[ $t->location('/v2/other/', '',
            registry_pass => 'http://bare', registry_cache => 'off',
            registry_auth_url => $direct,
            registry_host => 'other.example.com') ]}
        @{[ $t->location('/v2/', '',
            registry_pass => 'http://some', registry_cache => 'off') ]}
        @{[ $t->location('/v2/dying/', '',
            registry_pass => 'http://dying', registry_cache => 'off') ]}
        @{[ $t->location('/v2/six/', '',
            registry_pass => "http://[::1]:$v6", registry_cache => 'off') ]}
        @{[ $t->location('/full/v2/', '', registry_cache_valid => '1h') ]}
        @{[ $t->location('/empty/v2/', '', registry_cache_valid => '1h',
            registry_pass => "http://127.0.0.1:$empty") ]}
    }
END


# status of a curl over IPv6

sub ask {
    my ($path, @options) = @_;

    return $t->run('curl', '-s', '-o', $t->dir . '/got', '-w', '%{http_code}',
        @options, "http://[::1]:$front/v2/$path");
}


sub push_pull {
    my ($name, $size) = @_;

    write_file($t->dir . '/bytes', my $bytes = 'x' x $size . rand);
    my $digest = 'sha256:' . sha256_hex($bytes);
    my $push = ask("$name/blobs/uploads/?digest=$digest", '--data-binary',
        '@' . $t->dir . '/bytes');
    my $pull = ask("$name/blobs/$digest");

    return "$push $pull " . (read_file($t->dir . '/got') eq $bytes
        ? 'same' : 'other');
}


is(push_pull('six/a', $_), '201 200 same', "$_ bytes by IPv6")
    for 10, 2_000_000;

is(push_pull('some/a', 1000), '201 200 same', "beside a dead one: $_")
    for 1 .. 6;
is(push_pull('some/a', 3_000_000), '201 200 same', "large ones, too: $_")
    for 1 .. 3;


# calls without a body of the client go on at the other one

is(push_pull('dying/a', 1000), '201 200 same', 'two are there');
$relay->{nginx}->stop;

my %got;
for (1 .. 10) {
    my $bytes = 'y' x 1000 . rand;
    $got{ ask('dying/a/tags/list') }++;
    $got{ push_pull('dying/a', 1000) }++;
}
is_deeply(\%got, { 404 => 10, '201 200 same' => 10 },
    'one has died: nothing fails');

# who looks at the Host that the storage is told

is(push_pull("$_/a", 1000), '201 200 same', "Host: $_")
    for qw(told auth dot ssl told);
is(ask('other/a/tags/list'), 503, 'Host: other');
like(read_file($t->error_log), qr/503 UNAVAILABLE .* storage: 421 to HEAD/,
    'and the log says why');

# a limit before the storage is not its quota

write_file($t->dir . '/bytes', my $large = 'z' x 2_000_000);
is(ask('small/a/blobs/uploads/?digest=sha256:' . sha256_hex($large),
    '--data-binary', '@' . $t->dir . '/bytes'), 503, 'a limit of 1m');
like(read_file($t->dir . '/got'), qr/a proxy before the storage/,
    'is told as one');
like(read_file($t->error_log), qr/storage: 413 to PUT .* limit of a proxy/,
    'in the log, too');

# two clusters, one auth server: what is kept of one is not the other's

write_file($t->dir . '/bytes', my $blob = 'of one cluster' . rand);
my $digest = 'sha256:' . sha256_hex($blob);
my $there = "a/blobs/$digest";

is(ask("../full/v2/a/blobs/uploads/?digest=$digest", '--path-as-is',
    '--data-binary', '@' . $t->dir . '/bytes'), 201, 'pushed to one cluster');
is(ask("../full/v2/$there", '--path-as-is'), 200, "kept: $_") for 1, 2;
is(ask("../empty/v2/$there", '--path-as-is'), 404, 'and not in the other');

$t->finish(allow => qr/upstream|storage: 4(21 to HEAD|13 to PUT)/);
