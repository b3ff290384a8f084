#!/usr/bin/perl

# Several ranges of a blob in one answer, as clients of zstd:chunked ask for
# them; and a storage that breaks off or sends something else in the middle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(random_file read_file write_file);


my $t = RegistryTest->new;
$t->start(server => 'large_client_header_buffers 4 32k;');

my $c = $t->client;
my $name = 'team/app';
my $bytes = join '', map { sprintf '%07d ', $_ } 0 .. 99_999;
my $size = length $bytes;
my $digest = $c->push_blob($name, $bytes);
my $path = "/v2/$name/blobs/$digest";


sub get {
    my ($range, $headers) = @_;

    return $c->request('GET', $path, {
        headers => { Range => "bytes=$range", %{ $headers // {} } } });
}


sub rss {
    my $kb = 0;

    for ($t->workers) {
        read_file("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m and $kb += $1;
    }

    return $kb;
}


# [[first, last, size, bytes]] of a multipart answer, or a text what is wrong

sub parts {
    my ($type, $body) = @_;

    my ($boundary) = $type =~ m{^multipart/byteranges; boundary=(\w+)$}
        or return "type $type";
    my @parts;

    while ($body =~ /\G(?:\r\n)?--$boundary\r\n((?:[\w-]+: [^\r]+\r\n)+)\r\n/gc)
    {
        my $head = $1;
        my ($first, $last, $all) =
            $head =~ m{^Content-Range: bytes (\d+)-(\d+)/(\d+)\r$}m
            or return "head $head";
        return "head $head" if $head !~ m{^Content-Type: \S+\r$}m;

        push @parts, [$first, $last, $all,
            substr $body, pos $body, $last - $first + 1];
        pos($body) += $last - $first + 1;
    }

    return "no end but " . substr $body, pos($body) // 0, 100
        if $body !~ /\G\r\n--$boundary--\r\n\z/gc;

    return \@parts;
}


sub has_parts {
    my ($type, $length, $body, $want, $test) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is $length, length $body, "$test: Content-Length";
    is_deeply parts($type, $body), [
        map { [@$_, $size, substr $bytes, $_->[0], $_->[1] - $_->[0] + 1] }
        @$want
    ], "$test: its parts";
}


sub log_since {
    my ($offset) = @_;

    return substr read_file($t->error_log), $offset;
}


# each range is a part of its own, in the order asked

my $last = $size - 1;

for (
    ['0-1,5-6', [0, 1], [5, 6]],
    ['100-199,200-299, 300-300', [100, 199], [200, 299], [300, 300]],
    ['-10,0-9', [$size - 10, $last], [0, 9]],
    ["10-9999999, 0-4", [10, $last], [0, 4]],
    ['0-99,50-149', [0, 99], [50, 149]],
    ["0-1,$size-,5-6,9999999-99999999", [0, 1], [5, 6]],
    ["0-$size,$size-,-0", [0, $last]],
    ['1-1,' x 100 . '2-2', ([1, 1]) x 100, [2, 2]],
) {
    my ($range, @want) = @$_;
    my $test = substr $range, 0, 40;
    my $r = get($range);

    is $r->{status}, 206, $test;

    if (@want == 1) {
        is $r->{headers}{'content-range'}, "bytes 0-$last/$size",
            "$test: one is left, and no multipart";
        ok $r->{content} eq $bytes, "$test: its bytes";
        next;
    }

    is $r->{headers}{'content-range'}, undef, "$test: no Content-Range";
    has_parts($r->{headers}{'content-type'}, $r->{headers}{'content-length'},
        $r->{content}, \@want, $test);
}

my $r = get("$size-,9999999-");
is "$r->{status} " . $c->error_code($r), '416 RANGE_INVALID', 'none is there';
is $r->{headers}{'content-range'}, "bytes */$size", 'the size is told';

$r = get('0-1,4-5', { 'If-Range' => "\"$digest\"" });
is $r->{status}, 206, 'If-Range of this blob';
$r = get('0-1,4-5', { 'If-Range' => "W/\"$digest\"" });
is $r->{status}, 200, 'If-Range is compared strongly';
$r = get('0-1,4-5', { 'If-Range' => 'Tue, 24 Nov 2026 10:00:00 GMT' });
is $r->{status}, 200, 'there is no date to compare with';

is_deeply [ map { get('0-1,4-5')->{headers}{$_} }
    qw(etag docker-content-digest accept-ranges cache-control) ],
    ["\"$digest\"", $digest, 'bytes', 'max-age=31536000'],
    'the other headers are those of a whole blob';


# what is more work than the whole blob is answered by the whole blob

for (
    ['overlapping ranges', "0-,0-"],
    ['ranges longer than the blob', "0-$last,0-0"],
    ['too many ranges', join ',', map { "$_-$_" } 0 .. 1024],
) {
    my ($what, $range) = @$_;
    $r = get($range);
    ok $r->{status} == 200 && $r->{content} eq $bytes, $what;
}

my $before = rss();
$r = get(join ',', map { "$_-$_" } 0 .. 1023);
is $r->{status}, 206, 'the most ranges';
is scalar @{ parts($r->{headers}{'content-type'}, $r->{content}) }, 1024,
    'their parts';

# a sanitizer keeps what was freed, and borders around all
my $most = $ENV{ASAN_OPTIONS} || $ENV{MEMCHECK} ? 64 : 16;
cmp_ok rss() - $before, '<', 1024 * $most,
    'each costs some KiB of memory';


# HTTP/2, and TLS

for my $http ('--http1.1', '--http2') {
    my $out = $t->dir . '/out';
    my $got = $t->run('curl', '-s', $http, '--cacert', $t->ca,
        '-u', $t->login, '-H', 'Range: bytes=0-9,100000-599999,7-7',
        '-o', $out, '-w', '%{http_code} %header{content-length}'
            . ' %{content_type}', 'https://' . $t->host . $path);

    my ($status, $length, $type) = split ' ', $got, 3;
    is $status, 206, $http;
    has_parts($type, $length, read_file($out),
        [[0, 9], [100_000, 599_999], [7, 7]], $http);
}


# a large blob: memory does not grow with what is sent, a client that reads
# slowly stops the storage, and one that leaves ends it

my $large = 256 << 20;
my $file = random_file($t->dir . '/large', $large);
my $hex = RegistryTest::Image::sha256_file($file);
my $begun = $c->begin_upload($name);
$t->run('curl', '-sf', '-u', $t->login, '-T', $file, '-o', '/dev/null',
    $begun =~ /^http/ ? "$begun&digest=sha256:$hex"
        : 'http://' . $c->{address} . "$begun&digest=sha256:$hex");

my $half = $large / 2;
my $ask = "GET /v2/$name/blobs/sha256:$hex HTTP/1.1\n"
    . "Range: bytes=1-$half," . ($half + 1) . "-\nConnection: close\n";


$before = rss();
my $socket = $c->raw($ask);
sleep 1;
my $waiting = rss();
my ($got, $peak) = (0, 0);

{
    my ($n, $tail) = (0, '');
    while ($n = sysread $socket, my $data, 1 << 20) {
        $got += $n;
        $tail = substr $tail . $data, -100;
        my $now = ($got >> 20) % 32 == 0 ? rss() : 0;
        $peak = $now if $now > $peak;
    }
    like $tail, qr/\r\n--\w+--\r\n\z/, '256 MiB in two ranges';
}

cmp_ok $got, '>', $large, 'all of it';
cmp_ok $waiting - $before, '<', 4096, 'a client that does not read costs'
    . ' no memory';
cmp_ok $peak - $before, '<', 8192, 'nor does a long answer';

my $left = qr{client prematurely closed|(writev|send)\(\) failed};
my $offset = -s $t->error_log;
$socket = $c->raw($ask);
sysread $socket, my $some, 1 << 16;
close $socket;

for (1 .. 100) {
    last if log_since($offset) =~ /$left/;
    sleep 0.05;
}

like log_since($offset), $left, 'a client that leaves ends the call';
unlike log_since($offset), qr/cut short/, 'which is not the storage\'s fault';
is get('0-0,2-2')->{status}, 206, 'a client that left does no harm';


$t->stop;


# a storage that breaks off

my $faults = RegistryTest::Faults->new($t);
$t->start(rgw => $faults->address);
$c = $t->client;

is $c->request('GET', $path)->{status}, 200, 'a storage without faults';


my $short = qr/a range of .* was cut short/;
my @cases = (

    # [fault, number, bytes; range or none, is a byte sent?, log]

    ['cut-body 1 1000', undef, 1, qr/upstream prematurely closed/],
    ['cut-body 1 1000', '5-70000', 1, qr/upstream prematurely closed/],
    ['cut-body 1 1000', '5-70000,80000-80001', 1, $short],
    ['cut-body 2 10', '5-70000,80000-80099', 1, $short],
    ['cut-body 1 0', '5-70000,80000-80001', 1, $short],
    ['503 1', undef, 0, qr/the storage answers 503|storage: 503 to GET/],
    ['503 1', '5-70000,80000-80001', 0, qr/the storage answers 503/],
    ['503 2', '5-70000,80000-80001', 1, $short],
    ['padded 1 7', '0-9', 0, qr/with 17 bytes/],
    ['padded 2 7', '0-9,20-29', 1, qr/with 17 bytes/],
    ['total 1 7', '0-9', 0, qr{bytes 0-9/800007"}],
    ['total 1 7', '0-9,20-29', 0, qr{bytes 0-9/800007"}],
    ['total 2 7', '0-9,20-29', 1, qr{bytes 20-29/800007"}],
    ['more 1 9', '0-9,20-29', undef, qr/registry: |^$/],
);

for (@cases) {
    my ($fault, $range, $begun, $log) = @$_;

    for my $http ('--http1.1', '--http2') {
        my $test = "$http: $fault" . ($range ? " of $range" : '');
        $offset = -s $t->error_log;
        my $out = $t->dir . '/out';

        my ($what, $n, $at) = split / /, $fault;
        $faults->plan({ match => '^GET \\S+/data', fault => $what, n => $n,
            at => $at });
        my $got = $t->command('curl', '-s', $http, '--cacert', $t->ca,
            '-u', $t->login, $range ? ('-H', "Range: bytes=$range") : (),
            '-o', $out, '-w', '%{http_code}', 'https://' . $t->host . $path);

        if (!defined $begun) {
            ok $got->{status} || $got->{out} == 206, $test;

        } elsif ($begun) {
            isnt $got->{status}, 0, "$test: never looks complete";

        } else {
            is "$got->{status} $got->{out}", '0 503', "$test: 503";
            like read_file($out), qr/"UNAVAILABLE"/, "$test: as JSON";
        }

        like log_since($offset), $log, "$test: is logged";
    }
}

$faults->plan;
is $c->request('GET', $path)->{content}, $bytes, 'no fault, and all is well';

$t->finish(allow => qr/registry: |prematurely closed/);
