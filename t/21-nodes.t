#!/usr/bin/perl

# Several nodes on one container: any of them continues what another one
# began, without sticky sessions, and says so when it cannot.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(oci_layout read_file write_file);
use RegistryTest::Process;


my ($SECRET, $OLD, $OTHER) = map { sha256_hex(rand) } 1 .. 3;

my $a = RegistryTest->new;
my $b = RegistryTest->new(container => $a->container);

start($a, $SECRET);
start($b, $SECRET);

my $name = 'team/app';


# Lines of the file, the one that signs first.

sub start {
    my ($t, @secrets) = @_;

    my $file = $t->dir . '/upload.secret';
    unlink $file;
    write_file($file, join '', map { "$_\n" } @secrets);
    chmod 0600, $file;

    # no node knows what another one has changed
    $t->start(directives => "registry_secret_file $file;"
        . ' registry_cache_valid 0;');
}


sub patch {
    my ($t, $location, $bytes) = @_;

    my $r = $t->client->request('PATCH', here($location), {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => $bytes,
    });
    is $r->{status}, 202, 'PATCH';

    return $r->{headers}{location};
}


sub commit {
    my ($t, $location, $bytes) = @_;

    my $digest = 'sha256:' . sha256_hex($bytes);

    return $t->client->request('PUT',
        $t->client->with_digest(here($location), $digest));
}


# the path alone: the host is that of the node that answered

sub here { $_[0] =~ s{^https?://[^/]+}{}r }


sub stored {
    my ($bytes, $test) = @_;

    my $digest = 'sha256:' . sha256_hex($bytes);

    for ($a, $b) {
        my $r = $_->client->request('GET', "/v2/$name/blobs/$digest");
        ok $r->{status} == 200 && $r->{content} eq $bytes, $test;
    }
}


# the storage is not asked for parts when the state is at hand

my $location = $a->client->begin_upload($name);
$location = patch($b, $location, 'b' x 100_000);
$location = patch($a, $location, 'a' x 50_000);
$a->reload;
$location = patch($b, $location, 'c');
$b->reload;
$location = patch($a, $location, 'd' x 7);

my $bytes = 'b' x 100_000 . 'a' x 50_000 . 'c' . 'd' x 7;
is commit($b, $location, $bytes)->{status}, 201, 'PUT on the other node';
stored($bytes, 'what two nodes took');


# a node is lost

$location = patch($a, $a->client->begin_upload($name), 'taken by a, ');
$a->kill_hard;
$location = patch($b, $location, 'then by b');
is commit($b, $location, 'taken by a, then by b')->{status}, 201,
    'PUT after the loss of a node';
start($a, $SECRET);
stored('taken by a, then by b', 'what a lost node took');


# the secret is changed, one node after the other

my $before = patch($a, $a->client->begin_upload($name), 'signed before');
$a->stop;
start($a, $SECRET, $OLD);
$b->stop;
start($b, $OLD, $SECRET);

$location = patch($a, $b->client->begin_upload($name), 'signed anew');
is commit($b, $location, 'signed anew')->{status}, 201,
    'two secrets, in any order';
is commit($b, $before, 'signed before')->{status}, 201,
    'what was signed by the old one';
is quiet($_), '', 'nothing in the log' for $a, $b;


sub quiet { join '', grep { /secret/ } split /^/m, read_file($_[0]->error_log) }


# different secrets: not trusted, but what the storage has is used, and told

$a->stop;
start($a, $OTHER);

$location = patch($a, $a->client->begin_upload($name), 'of another secret');
is commit($b, $location, 'of another secret')->{status}, 201,
    'PUT on a node with another secret';
stored('of another secret', 'what was read again');

$location = patch($b, $a->client->begin_upload($name), 'begun elsewhere');
is commit($a, $location, 'begun elsewhere')->{status}, 201,
    'an upload that was begun with another secret';
$location =~ s{team/app}{other/app};
isnt commit($b, $location, 'begun elsewhere')->{status}, 201,
    'nothing of another repository';

my ($log) = quiet($b);
like $log, qr/_state was signed by another secret \(key id [0-9a-f]{8}, /,
    'the log names the other secret';
like $log, qr/ours is [0-9a-f]{8}\): set the same registry_secret_file/,
    'and ours, and the mend';
unlike $log, qr/$SECRET|$OLD|$OTHER/, 'but none of them';

$a->stop;
start($a, $SECRET, $OLD);


# a real client through a balancer that changes the node at each request

my $port = RegistryTest::free_port();
my $dir = $a->dir . '/balancer';
mkdir $dir;
write_file("$dir/nginx.conf", <<"END");
@{[ $> == 0 ? 'user www-data;' : '' ]}
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/error.log;
events { worker_connections 256; }
http {
    access_log $dir/access.log;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    scgi_temp_path $dir/scgi;
    uwsgi_temp_path $dir/uwsgi;
    upstream nodes {
        server 127.0.0.1:$a->{plain_port};
        server 127.0.0.1:$b->{plain_port};
    }
    server {
        listen 127.0.0.1:$port;
        client_max_body_size 0;
        location / {
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host \$http_host;
            proxy_request_buffering off;
        }
    }
}
END

my $balancer = RegistryTest::Process->start(name => 'balancer',
    log => "$dir/out", command => [ $ENV{NGINX_BINARY} // '/usr/sbin/nginx',
        '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf",
        '-g', 'daemon off;' ]);
$balancer->wait_until('listening',
    sub { RegistryTest::answers($port) });

my %before = map { $_ => scalar @{ $_->requests } } $a, $b;
my $image = oci_layout($a->dir . '/image', 'v1', 'amd64');
my @policy = ('skopeo', '--insecure-policy', 'copy', '--all');

$a->run_ok('push by skopeo', @policy, '--dest-tls-verify=false',
    '--dest-creds', $a->login, "oci:$image->{dir}:v1",
    "docker://127.0.0.1:$port/many/nodes:v1");
$a->run_ok('pull by skopeo', @policy, '--src-tls-verify=false',
    '--src-creds', $a->login, "docker://127.0.0.1:$port/many/nodes:v1",
    'oci:' . $a->dir . '/pulled:v1');
$a->run_ok('the same image', 'diff', '-r', "$image->{dir}/blobs",
    $a->dir . '/pulled/blobs');

for my $t ($a, $b) {
    my @all = @{ $t->requests };
    my @writes = grep { $_->{method} =~ /PATCH|PUT|POST/ }
        @all[$before{$t} .. $#all];
    ok @writes > 0, 'each node took part in the push';
}


# the signed state stands in no log

for my $t ($a, $b) {
    for (map { $t->dir . "/$_" } 'error.log', 'access.log') {
        my $text = read_file($_);
        ok $text =~ /_state=\*/ && $text !~ /_state=[^*]/, 'no state in logs';
    }
}

$balancer->stop('QUIT');
$b->stop;
$b->check_log;
$a->finish;
