#!/usr/bin/perl

# Bodies by chance: their protocol, framing, order and size of what comes, what
# is behind them, and whether they are the digest's.  The storage never has
# wrong bytes at a blob's name, not for a moment; a right body is stored and
# answered well; no worker ends.
#
# For BODY_FUZZ_SECONDS (10); BODY_FUZZ_SEED repeats a run.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Http2;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Memory;


my $PART = 1 << 20;
my $CLIENTS = 4;
my $seconds = $ENV{BODY_FUZZ_SECONDS} // 10;
my $seed = $ENV{BODY_FUZZ_SEED} // time ^ $$ << 8;

my $t = RegistryTest->new;
my $memory = RegistryTest::Memory->new($t);
my $h2 = RegistryTest::free_port();
my @auth = (registry_auth_url => 'http://' . $memory->address . '/auth/v1.0');
my $read = $t->location('/v2/read/', 'mirror /copy; registry_part_size 1m;',
    @auth);
my $copy = 'location = /copy { internal; return 204; }
    client_max_body_size 0;';

$t->start(workers => 1, auth => 0, rgw => $memory->address,
    directives => 'registry_part_size 1m;', server => "$read $copy",
    http => "server { listen 127.0.0.1:$h2 http2; $read $copy\n"
        . $t->location('/v2/', 'registry_part_size 1m;', @auth) . '}');

my $c = $t->client;
my @workers = $t->workers;

my %client;

for my $client (1 .. $CLIENTS) {
    my $pid = fork // die "cannot fork: $!";
    if ($pid) {
        $client{$client} = $pid;
        next;
    }

    srand($seed + $client);
    $c = $t->client;
    my ($n, $bad);
    my $until = time + $seconds;

    for ($n = 0; time < $until && !$bad; $n++) {
        $bad = eval { once("$client-$n") } // $@;
    }

    write_file($t->dir . "/result-$client", "$n $bad");
    POSIX::_exit(0);
}

for (1 .. $CLIENTS) {
    waitpid $client{$_}, 0;
    my ($n, $bad) = split / /, read_file($t->dir . "/result-$_"), 2;
    ok $n > 0 && !$bad, "client $_, seed $seed: $n bodies" or diag $bad;
}

is_deeply $memory->wrong, [], 'no wrong bytes at a name, ever';
is_deeply [$t->workers], \@workers, 'no worker has ended';

$t->finish;


# one upload; says what was wrong

sub once {
    my ($id) = @_;

    my $name = one('app', 'app', 'read/app');
    my $size = one(int rand 300, int rand 70_000, 16_384, 65_535, 65_536,
        $PART - 1, $PART, $PART + 1, int rand 3 * $PART);
    my $bytes = substr $id . ' ' . join('', map { chr 32 + rand 90 } 1 .. 50)
        x (1 + $size / 50), 0, $size;
    my $digest = 'sha256:' . sha256_hex($bytes);
    my $http2 = one(0, 1);
    my $told = one(0, 1);
    my $method = one('POST', 'PUT', 'PATCH', 'PATCH');
    my $lie = $size && one(0, 0, 1);

    # another one's blob, which stays as it is
    my $victim = $lie && one(0, 1);
    $c->push_blob('victim', $bytes) if $victim;

    my $sent = $bytes;
    substr($sent, one(0, -1, int rand $size), 1) ^= "\1" if $lie;
    my $what = "$id: " . ($http2 ? 'HTTP/2' : 'HTTP/1.1')
        . " $method to $name of $size bytes, " . ($told ? '' : 'not ')
        . 'told' . ($lie ? ', a lie' : '');

    my $path = $method eq 'POST' ? "/v2/$name/blobs/uploads/"
        : $c->begin_upload($name) =~ s{^https?://[^/]+}{}r;
    my $begun = $path;
    $path = $c->with_digest($path, $digest) if $method ne 'PATCH';

    my $status = $http2 ? http2($method, $path, $told, $sent)
        : http1($method, $path, $told, $sent);
    my $wanted = $method eq 'PATCH' ? 202 : $lie ? 400 : 201;

    return "$what: $status" if $status ne $wanted;

    if ($method eq 'PATCH') {
        my $r = $c->request('PUT', $c->with_digest($begun, $digest));
        $wanted = $lie ? 400 : 201;
        return "$what: closed by $r->{status}" if $r->{status} != $wanted;
    }

    my $r = $c->request('GET', '/v2/' . ($victim ? 'victim' : $name)
        . "/blobs/$digest");
    return "$what: GET $r->{status}"
        if $r->{status} != ($lie && !$victim ? 404 : 200);
    return "$what: other bytes" if $r->{status} == 200
        && $r->{content} ne $bytes;

    return '';
}


sub one { return $_[rand @_] }


# in pieces, of which some are very small

sub pieces {
    my ($bytes) = @_;

    my @pieces;

    while (length $bytes) {
        my $n = @pieces > 40 ? length $bytes
            : one(1, 2, 1 + int rand 100, 1 + int rand 20_000, 16_384,
                length($bytes) - 1, length $bytes);
        push @pieces, substr $bytes, 0, $n || 1, '';
    }

    return @pieces;
}


sub http2 {
    my ($method, $path, $told, $bytes) = @_;

    my @events = map { ($_, rand() < 0.2 ? '0.' . one('001', '01', '03') : (),
        rand() < 0.1 ? '' : ()) } pieces($bytes);
    my $last = one(1, 0) && @events && length $events[-1]
        && $events[-1] !~ /^0\.\d+$/ ? pop @events : '';

    return RegistryTest::Http2::request($h2, $method, $path,
        { $told ? ('content-length' => length $bytes) : () }, @events,
        \$last);
}


# the first status; "bad" behind it when that of the next request is missing

sub http1 {
    my ($method, $path, $told, $bytes) = @_;

    my $behind = one('', '', "\r\n", "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
    my $header = "$method $path HTTP/1.1\r\nHost: x\r\n"
        . ($told ? 'Content-Length: ' . length $bytes
            : 'Transfer-Encoding: chunked') . "\r\n\r\n";
    my $body = $told ? $bytes : join '', map { sprintf "%x%s\r\n%s\r\n",
        length, one('', '', ';a=b'), $_ } pieces($bytes);
    $body .= "0\r\n" . one('', '', "A: b\r\n") . "\r\n" if !$told;

    # the header alone, or with what is behind it
    my @packets = pieces($body . $behind);
    unshift @packets, $header . (@packets && one(0, 1) ? shift @packets : '');

    my $socket = IO::Socket::INET->new(PeerAddr => $c->{address})
        or die "cannot connect: $!";

    for (@packets) {
        print $socket $_;
        $socket->flush;
        sleep one(0, 0, 0, 0.001, 0.01, 0.03);
    }

    my $out = '';
    my $wanted = length $behind > 2 ? 2 : 1;
    my @got;

    while ((@got = $out =~ m{^HTTP/1\.1 (\d+) }mg) < $wanted
        && IO::Select->new($socket)->can_read(30))
    {
        sysread $socket, $out, 65536, length $out or last;
    }

    return ($got[0] // 'nothing') . (@got < $wanted ? ' bad' : '')
        if @got < $wanted || $wanted == 1;

    return $got[0] . ($got[1] == 200 ? '' : " bad $got[1]");
}
