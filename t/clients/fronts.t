#!/usr/bin/perl

# docker, skopeo, crane and oras through an nginx and a haproxy that end TLS
# before the registry; RGW has a DNS name, and is reached through a load
# balancer that looks at it: upstream {} is named as RGW is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use RegistryTest;
use RegistryTest::Engine;
use RegistryTest::Image qw(docker_archive layer_tar oci_layout read_file
                           write_file);
use RegistryTest::Process;


my $NAME = 'rgw.example.com';

$ENV{CEPH_EXTRA} = "rgw dns name = $NAME";
my $t = RegistryTest->new(storage => 'ceph');
my $dir = $t->dir;
my ($registry, $balancer, %front) = map { RegistryTest::free_port() } 1 .. 2;
$front{$_} = RegistryTest::free_port() for qw(nginx haproxy);

write_file("$dir/tls/both.pem",
    read_file("$dir/tls/server.crt") . read_file("$dir/tls/server.key"));
write_file("$dir/haproxy.cfg", <<"END");
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s

frontend clients
    bind 127.0.0.1:$front{haproxy} ssl crt $dir/tls/both.pem alpn h2,http/1.1
    default_backend registry

backend registry
    option forwardfor
    server registry 127.0.0.1:$registry

frontend storage
    bind 127.0.0.1:$balancer
    http-request deny deny_status 421 if !{ hdr(host) -i $NAME }
    default_backend rgw

backend rgw
    server rgw $ENV{RGW_ENDPOINT}
END

my $haproxy = RegistryTest::Process->start(name => 'haproxy',
    log => "$dir/haproxy.log",
    command => ['/usr/sbin/haproxy', '-db', '-f', "$dir/haproxy.cfg"]);
$haproxy->wait_until('listening',
    sub { RegistryTest::answers($balancer) });

$t->start(http => <<"END");
    upstream $NAME {
        server 127.0.0.1:$balancer;
        keepalive 8;
    }
    server {
        listen 127.0.0.1:$registry;
        @{[ $t->location('/v2/', "auth_basic r; auth_basic_user_file"
            . " $dir/htpasswd;", registry_pass => "http://$NAME") ]}
    }
    server {
        listen 127.0.0.1:$front{nginx} ssl;
        ssl_certificate $dir/tls/server.crt;
        ssl_certificate_key $dir/tls/server.key;
        client_max_body_size 0;
        location / {
            proxy_pass http://127.0.0.1:$registry;
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-Proto \$scheme;
        }
    }
END

$ENV{SSL_CERT_FILE} = $t->ca;
my $digest = oci_layout("$dir/image", 'v1', 'amd64')->{index}{digest};
my $archive = docker_archive($dir, 'app:v1',
    layer_tar($dir, 'layer', { 'srv/data' => 8_000_000 }));

for my $front (sort keys %front) {
    $t->{port} = $front{$front};        # what host() and certificates are of
    my $host = $t->host;
    my @dir = ('--src-cert-dir', $t->certs, '--dest-cert-dir', $t->certs);

    for (['skopeo', 'login', '--cert-dir', $t->certs],
         ['crane', 'auth', 'login'],
         ['oras', 'login', '--ca-file', $t->ca, '--plain-http=false'])
    {
        $t->run_ok("$front: $_->[0] login", { stdin => 'foo123' }, @$_,
            '-u', 'foo', '--password-stdin', $host);
    }

    $t->run_ok("$front: skopeo pushes", qw(skopeo --insecure-policy copy --all
        --preserve-digests), @dir, "oci:$dir/image:v1",
        "docker://$host/by/skopeo:v1");
    $t->run_ok("$front: skopeo pulls", qw(skopeo --insecure-policy copy --all
        --preserve-digests), @dir, "docker://$host/by/skopeo:v1",
        "oci:$dir/$front-skopeo:v1");

    $t->run_ok("$front: crane pushes", qw(crane push), "$dir/image",
        "$host/by/crane:v1");
    $t->run_ok("$front: crane pulls", qw(crane pull --format oci),
        "$host/by/crane:v1", "$dir/$front-crane");

    $t->run_ok("$front: oras pushes", qw(oras cp --from-oci-layout
        --to-plain-http=false --to-ca-file), $t->ca, "$dir/image:v1",
        "$host/by/oras:v1");
    $t->run_ok("$front: oras pulls", qw(oras cp --to-oci-layout
        --from-plain-http=false --from-ca-file), $t->ca, "$host/by/oras:v1",
        "$dir/$front-oras:v1");

    for (qw(skopeo crane oras)) {
        is($t->run('crane', 'digest', "$host/by/$_:v1"), "$digest\n",
            "$front: the index of $_");
        $t->run_ok("$front: $_ has it bit for bit", 'diff', '-r',
            "$dir/image/blobs", "$dir/$front-$_/blobs");
    }

    $t->trust_for_docker;
    my $engine = RegistryTest::Engine->start(test => $t, name => $front);
    $t->run($engine->docker('load', '-i', $archive->{file}));
    $t->run($engine->docker('tag', 'app:v1', "$host/by/docker:v1"));
    $t->run_ok("$front: docker login", { stdin => "foo123\n" },
        $engine->docker(qw(login -u foo --password-stdin), $host));
    my $pushed = $t->run_ok("$front: docker pushes",
        $engine->docker('push', "$host/by/docker:v1")) =~ /(sha256:\w+)/
        ? $1 : 'of the push';
    $t->run($engine->docker('rmi', '-f', 'app:v1', "$host/by/docker:v1"));
    like($t->run_ok("$front: docker pulls",
        $engine->docker('pull', "$host/by/docker:v1")),
        qr/Digest: $pushed/, "$front: the same");
    $engine->stop;
}

$haproxy->stop;
$t->finish;
