#!/usr/bin/perl

# What one request may take: memory, by what malloc gives out at the most while
# it is answered (t/lib/heap.c).
#
# A head of 64 KB, be it of headers, of parameters or of a path, takes less
# than a MB, and so does a body of JSON that long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Hostile;
use RegistryTest::Http2 qw(connection frame block $HEADERS $END_STREAM
    $END_HEADERS);
use RegistryTest::Image qw(read_file);


plan skip_all => 'the sanitizers have a malloc of their own'
    if $ENV{ASAN_OPTIONS} || $ENV{MEMCHECK};

my $t = RegistryTest->new;
my $port = RegistryTest::free_port();
my $h2 = RegistryTest::free_port();
my $report = $t->dir . '/heap';

*good = \&RegistryTest::Hostile::ok;

my $child = RegistryTest::Hostile::start($port, \&storage);

$t->run('cc', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o',
    $t->dir . '/heap.so', "$FindBin::Bin/lib/heap.c");

my %fake = (
    registry_pass => "http://127.0.0.1:$port",
    registry_auth_url => "http://127.0.0.1:$port/auth/v1.0",
);

{
    local @ENV{qw(LD_PRELOAD HEAP_REPORT)} = ($t->dir . '/heap.so', $report);

    $t->start(workers => 1, auth => 0,
        http => "large_client_header_buffers 4 64k;\n"
            . "log_format calls '\$registry_storage_calls';\n"
            . "server { listen 127.0.0.1:$h2 http2;\n"
            . $t->location('/v2/', '', %fake) . '}',
        server => $t->location('/', '', %fake));
}

my $c = $t->client;
my ($worker) = $t->workers;
my $zeros = 'sha256:' . '0' x 64;
my $oci = 'application/vnd.oci.image.manifest.v1+json';


# The bounds: of a head or a body of 64 KB

my $head = 64 * 1024;
my $limit = 1024 * 1024;

# a first one, for what a worker has once and for all
exchange("GET /v2/app/tags/list HTTP/1.1\r\nHost: x\r\n\r\n");

my @headers = ('Content-Type', 'Content-Range', 'Range', 'Accept', 'If-Match',
    'If-None-Match', 'If-Range', 'Cookie', 'X-Any');

my %line = (
    Range => 'bytes=0-1', 'Content-Range' => '0-1', Accept => '*/*;q=0',
    'If-Match' => '"a"', 'If-None-Match' => 'W/"a"',
);

for my $name (@headers) {
    for my $size (1, 60, 8000) {
        my $value = $line{$name} // 'a';
        $value .= ',' . $value while length $value < $size;
        $value = substr $value, 0, $size;
        my $line = "$name: $value\r\n";

        # no more lines than Debian's nginx takes
        my $n = int(($head - 200) / length $line);
        $n = 960 if $n > 960;

        for my $request ("GET /v2/app/manifests/v1", "GET /v2/app/blobs/$zeros",
            "PUT /v2/app/manifests/v1")
        {
            bounded("$n lines $name of $size bytes, $request",
                "$request HTTP/1.1\r\nHost: x\r\n" . $line x $n
                . "Content-Length: 0\r\n\r\n");
        }
    }
}

# more than 32k of one header, in several lines

my $answer = exchange("GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    . "Accept: @{[ 'a' x 4000 ]}\r\n" x 9 . "\r\n");
like $answer, qr{^HTTP/1.1 431 }, 'nine lines Accept of 4000 bytes';
like $answer, qr/"code":"UNSUPPORTED".*more than 32k together/,
    '... an error of the registry';

$answer = exchange("GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    . "Accept: @{[ 'a' x 4000 ]}\r\n" x 7 . "\r\n");
like $answer, qr{^HTTP/1.1 200 }, 'seven of them';

$answer = exchange("GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    . "Accept: @{[ 'a' x 40000 ]}\r\n\r\n");
like $answer, qr{^HTTP/1.1 200 }, 'a single line is nginx\'s to refuse';

# HTTP/2: of a line that was sent once each more is a byte

{
    my $before = peak();
    my $s = connection($h2);
    print $s frame($HEADERS, $END_HEADERS | $END_STREAM, 1,
        block('GET', '/v2/app/tags/list')
            . "\x40" . pack('C/a* C/a*', 'range', 'a' x 118) . "\xbe" x 960);
    for (1 .. 600) {
        last if grep { $_->{uri} eq '/v2/app/tags/list' } @{ $t->requests };
        sleep 0.1;
    }
    my $grew = peak() - $before;
    close $s;
    cmp_ok $grew, '<', $limit, "960 lines of HTTP/2: $grew bytes";
}

# parameters, and what is none

my $long = $head - 600;

for my $path ('/v2/app/tags/list', '/v2/_catalog', "/v2/app/referrers/$zeros",
    '/v2/app/blobs/uploads/', "/v2/app/manifests/$zeros",
    "/v2/app/blobs/$zeros", '/v2', '/v2/',
    '/v2/app/blobs/uploads/01234567-89ab-cdef-0123-456789abcdef')
{
    for my $name ('n', 'last', 'artifactType', 'mount', 'from', 'digest',
        'tag', '_state', 'other')
    {
        for my $value ('a', '%41', '%ff', "\xff", '+', "&$name=", '&') {
            my $args = "$name=" . $value x int($long / length $value);
            $args = substr($args, 0, $long) =~ s/%.?$//r;

            for my $method (qw(GET POST PUT)) {
                next if $method eq 'POST' && $path !~ /uploads/
                    || $method eq 'PUT' && $path !~ /manifests|uploads/;
                bounded("$method $path?" . substr($args, 0, 20) . '...',
                    "$method $path?$args HTTP/1.1\r\nHost: x\r\n"
                    . "Content-Type: $oci\r\nContent-Length: 2\r\n\r\n{}");
            }
        }
    }
}

# paths

for my $part ('a', '%41', '%ff', "\xff", '%01', 'a/', '%2f', '"', '%22') {
    my $text = $part x int($long / length $part);
    bounded("GET " . substr($_, 0, 30) . '...',
        "GET $_ HTTP/1.1\r\nHost: x\r\n\r\n")
        for "/v2/$text/tags/list", "/v2/app/manifests/$text",
            "/v2/app/blobs/$text", "/$text/v2", "/$text/v2/app/tags/list/",
            "/v2/$text";
}

# bodies

my $config = '"config":{"mediaType":"a","digest":"' . $zeros . '","size":1}';
my $start = '{"schemaVersion":2,"mediaType":"' . $oci . '",';

for (
    ['deep', '[' x $long],
    ['a long string', "$start$config,\"layers\":[],\"a\":\"" . 'a' x $long],
    ['escapes', "$start$config,\"layers\":[],\"a\":\""
        . '\\u00e4' x ($long / 6)],
    ['keys', "$start$config,\"layers\":[]"
        . join '', map { ",\"$_\":0" } 1 .. $long / 9],
    ['zeros', "$start$config,\"layers\":[],\"a\":[" . '0,' x ($long / 2)],
    ['empty strings', "$start$config,\"layers\":[],\"a\":["
        . '"",' x ($long / 3)],
    ['objects', "$start$config,\"layers\":[],\"a\":[" . '{},' x ($long / 3)],
    ['annotations', "$start$config,\"layers\":[],\"annotations\":{"
        . join ',', map { "\"$_\":\"\"" } 1 .. $long / 9],
    ['layers', "$start$config,\"layers\":[" . join(',', map {
        "{\"mediaType\":\"a\",\"digest\":\"sha256:" . sha256_hex($_)
        . '","size":0}' } 1 .. $long / 110) . ']}'],
    ['the same layer', "$start$config,\"layers\":[" . join(',',
        ("{\"digest\":\"$zeros\",\"size\":0}") x ($long / 95)) . ']}'],
    ['a type', "$start$config,\"layers\":[],\"artifactType\":\""
        . 'a' x ($long - 300) . '","subject":{"mediaType":"a","digest":"'
        . $zeros . '","size":1}}'],
    ['bytes that are none', "\xff" x $long],
) {
    my ($name, $json) = @$_;
    $json = substr $json, 0, $head;
    my $n = length $json;

    bounded("PUT of a manifest: $name", "PUT /v2/app/manifests/v1 HTTP/1.1\r\n"
        . "Host: x\r\nContent-Type: $oci\r\nContent-Length: $n\r\n\r\n$json");
}

is_deeply [$t->workers], [$worker], 'no worker ended';

kill 'TERM', $child;
$t->finish(allow => qr/./);


sub bounded {
    my ($name, $request) = @_;

    my $before = peak();
    my $text = exchange($request);
    my $grew = peak() - $before;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $name =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    ok $grew < $limit && $text =~ m{^HTTP/1.1 (?!500)\d},
        "$name: $grew bytes" or diag substr $text, 0, 300;
}


# until the answer's end: the connection is closed behind it

sub exchange {
    my ($text) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => $c->{address})
        or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    print $socket $text =~ s/\r\n/\r\nConnection: close\r\n/r;
    $socket->flush;

    local $/;
    return <$socket> // '';
}


# The most that was given out since it was asked for last; what is asked for
# twice in a row is what is there when nothing happens.

sub peak {
    my ($most);

    for (1 .. 2) {
        my $size = -s $report // 0;
        kill 'RTMIN', $worker;

        for (1 .. 1000) {
            last if (-s $report // 0) != $size;
            sleep 0.001;
        }

        my ($peak) = read_file($report) =~ /(\d+) \d+\n\z/;
        $most //= $peak;
    }

    return $most;
}


sub storage {
    my ($method, $uri) = @_;

    return good('', "X-Auth-Token: t\r\n"
        . "X-Storage-Url: http://127.0.0.1:$port/swift/v1\r\n",
        '204 No Content') if $uri =~ m{^/auth/};
    return good('', '', '204 No Content') if $uri !~ m{^/swift/v1/[^/?]+[/?]};
    return good('[]') if $uri =~ /[?&]format=/;
    return good('', "ETag: d41d8cd98f00b204e9800998ecf8427e\r\n",
        '201 Created') if $method eq 'PUT';
    return good('', '', '404 Not Found');
}
