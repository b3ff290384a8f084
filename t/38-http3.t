#!/usr/bin/perl

# HTTP/3, of an nginx that was built with it: Debian's is not, the others of
# "make test-versions" are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $t = RegistryTest->new;
my $d = $t->dir;

plan skip_all => 'this nginx has no HTTP/3'
    if $t->command($ENV{NGINX_BINARY} // '/usr/sbin/nginx', '-V')->{err}
        !~ /http_v3_module/;

my $port = RegistryTest::free_port();
my $url = "https://localhost:$port/v2";

$t->start(http => <<"END");
    server {
        listen 127.0.0.1:$port quic;
        keepalive_timeout 1s;           # the client leaves without a word
        ssl_certificate $d/tls/server.crt;
        ssl_certificate_key $d/tls/server.key;
        @{[ $t->location('/v2/', '') ]}
    }
END

mkdir "$d/got";


sub h3 {
    my ($path, @options) = @_;

    return $t->run(qw(gtlsclient --no-quic-dump --no-http-dump
        --exit-on-all-streams-close --disable-early-data --download),
        "$d/got", @options, '127.0.0.1', $port, "$url/$path");
}


for my $size (1, 3_000_000) {
    my $bytes = 'x' x $size . rand;
    my $digest = 'sha256:' . sha256_hex($bytes);
    write_file("$d/blob", $bytes);

    h3("h3/blob/blobs/uploads/?digest=$digest", '-m', 'POST', '-d',
        "$d/blob");
    h3("h3/blob/blobs/$digest");
    is(sha256_hex(read_file("$d/got/$digest")), sha256_hex($bytes),
        "a blob of $size bytes pushed and pulled");

    # other bytes with its digest
    write_file("$d/blob", 'y' . substr $bytes, 1);
    h3("h3/other/blobs/uploads/?digest=$digest", '-m', 'POST', '-d',
        "$d/blob");
    is($t->requests->[-1]{status}, 400, "other bytes, $size of them");
    my $r = $t->client->request('GET', "/v2/h3/blob/blobs/$digest");
    is($r->{content}, $bytes, 'leave it as it is');
}

$t->finish;
