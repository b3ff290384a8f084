#!/usr/bin/perl

# What is behind a body on its connection, in the packet with the body's end:
# it is the next request, whole, or the connection is closed; and a limit
# counts a body once, however it is cut into parts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Http2;


my $PART = 1 << 20;
my $PAUSE = 0.2;                        # nginx has seen what was sent

my $t = RegistryTest->new;
my $h2 = RegistryTest::free_port();
my $limited = $t->location('/v2/limited/',
    'client_max_body_size 3m; registry_part_size 1m;');

$t->start(workers => 1, auth => 0, directives => 'registry_part_size 1m;',
    server => $limited,
    http => "server { listen 127.0.0.1:$h2 http2; $limited }");

my $c = $t->client;
my @workers = $t->workers;

my $hidden = "GET /v2/smuggled/tags/list HTTP/1.1\r\nHost: x\r\n\r\n";

for my $method ('PATCH', 'PUT', 'POST') {
    for my $bytes ('G', 'x' x 20_000, 'y' x ($PART + 10)) {
        my $test = "$method of " . length($bytes) . ' bytes';
        my $chunk = sprintf "%x\r\n%s\r\n", length $bytes, $bytes;

        my $out = chunked($method, $bytes, $chunk, "0\r\n\r\n\r\n");
        like $out, qr{^HTTP/1\.1 20[12] }, "$test, a line more";

        $out = chunked($method, $bytes, $chunk,
            "0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
        is_deeply [status($out)], [$method eq 'PATCH' ? 202 : 201, 200],
            "$test, a request more";

        $out = chunked($method, $bytes, '',
            "${chunk}0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
        is_deeply [status($out)], [$method eq 'PATCH' ? 202 : 201, 200],
            "$test at once, a request more";

        next if $method eq 'PATCH';

        # what is behind a refused one is whole, or the connection closed
        $out = chunked($method, "not $bytes", $chunk,
            "0\r\n\r\nPUT /v2/framing/manifests/v1 HTTP/1.1\r\nHost: x\r\n"
            . "Content-Type: text/plain\r\nContent-Length: "
            . length($hidden) . "\r\n\r\n", $hidden);
        like join(' ', status($out)), qr/^400( 400)?$/,
            "$test of a wrong digest, a request more";
    }
}

ok !grep({ $_->{uri} =~ /smuggled/ } @{ $t->requests }),
    'no body became a request';


# The limit counts the body, not what is cut of it.

for (['told', "Content-Length: %d\r\n\r\n%s"],
    ['not told', "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"])
{
    my ($name, $format) = @$_;

    for my $size (3 * $PART, 3 * $PART + 1, 6 * $PART) {
        my $begun = $c->begin_upload('limited/app') =~ s{^https?://[^/]+}{}r;
        my $out = exchange("PATCH $begun HTTP/1.1\r\nHost: x\r\n"
            . sprintf $format, $size, 'x' x $size);
        is((status($out))[0], $size > 3 * $PART ? 413 : 202,
            "limit of 3m: $size bytes, $name");

        $begun = $c->begin_upload('limited/app') =~ s{^https?://[^/]+}{}r;
        is RegistryTest::Http2::request($h2, 'PATCH', $begun,
            { $name eq 'told' ? ('content-length' => $size) : () },
            'x' x $size, \''), $size > 3 * $PART ? 413 : 202,
            "limit of 3m: $size bytes, $name, HTTP/2";
    }
}

is_deeply [$t->workers], \@workers, 'no worker has ended';

$t->finish(allow => qr/client intended to send too large/);


# an upload that ends in chunks, each in a packet of its own

sub chunked {
    my ($method, $bytes, @packets) = @_;

    my $path = '/v2/framing/blobs/uploads/';
    $path = $c->begin_upload('framing') =~ s{^https?://[^/]+}{}r
        if $method ne 'POST';
    $path .= ($path =~ /\?/ ? '&' : '?') . 'digest=sha256:'
        . sha256_hex($bytes) if $method ne 'PATCH';

    return exchange("$method $path HTTP/1.1\r\nHost: x\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n" . shift @packets, @packets);
}


# what is answered until the server closes, or is silent

sub exchange {
    my (@packets) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $socket = IO::Socket::INET->new(PeerAddr => $c->{address},
        Timeout => 10) or die $!;

    for (@packets) {
        print $socket $_;
        $socket->flush;
        sleep $PAUSE if $_ ne $packets[-1];
    }

    my $out = '';
    my $wait = IO::Select->new($socket);

    # a keepalive connection stays open
    while ($wait->can_read(length $out ? 2 * $PAUSE : 20)) {
        sysread $socket, $out, 65536, length $out or last;
    }

    return $out;
}


sub status { return $_[0] =~ m{^HTTP/1\.1 (\d+) }mg }
