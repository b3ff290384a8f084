#!/usr/bin/perl

# A blob's bytes are asked for together with its link.  They are held until
# that is known, and nobody gets any of them who may not have them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $faults = RegistryTest::Faults->new($t);
my $c;

my %bytes = (
    small => join('', map { chr 97 + rand 26 } 1 .. 5000),
    middle => join('', map { sha256_hex($_) } 1 .. 1000),       # 64000
    large => join('', map { sha256_hex($_) } 1 .. 100_000),     # 6.4 MB
);
my %digest = map { $_ => 'sha256:' . sha256_hex($bytes{$_}) } keys %bytes;
my $out = $t->dir . '/out';


sub start {
    $t->start(rgw => $faults->address, directives => join ' ',
        'registry_read_timeout 1500ms; registry_connect_timeout 1500ms;', @_);
    $c = $t->client;
    $c->request('GET', '/v2/a/b/manifests/none');      # a token, the container
}


# at the storage, where no timeout is as short

sub put {
    my ($name, $content) = @_;

    my $r = $t->store->swift('PUT', "/$name", { content => $content });
    die "PUT $name: $r->{status}" if $r->{status} != 201;
}


sub get {
    my ($size, %o) = @_;

    return $c->request($o{method} // 'GET',
        "/v2/" . ($o{name} // 'a/b') . "/blobs/$digest{$size}",
        { headers => $o{headers} // {} });
}


# what RGW is asked for: the method, link or data, status

sub calls {
    my ($do) = @_;

    $faults->plan;
    $do->();

    return join ', ', sort map { m{^(\w+) \S*/(\w+) (\d+)} ? "$1 $2 $3" : $_ }
        $faults->calls;
}


# [ curl's status, HTTP status, bytes ]

sub curl {
    my ($http, $size) = @_;

    unlink $out;
    my $r = $t->command('curl', '-s', '-m', 10, $http, '--cacert', $t->ca,
        '-u', $t->login, '-o', $out, '-w', '%{http_code}',
        'https://' . $t->host . "/v2/a/b/blobs/$digest{$size}");

    return [ $r->{status}, $r->{out}, -e $out ? read_file($out) : '' ];
}


sub is_whole {
    my ($got, $size, $test) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $got->[0] == 0 && $got->[1] == 200 && $got->[2] eq $bytes{$size}, $test
        or diag "curl $got->[0], HTTP $got->[1], " . length $got->[2];
}


# how many requests of RGW

start('registry_cache off;');

for (keys %bytes) {
    put(RegistryTest::blob_name($digest{$_}), $bytes{$_});
    put('files/docker/registry/v2/repositories/a/b/_layers/'
        . RegistryTest::slash($digest{$_}) . '/link', $digest{$_});
}


for my $size (sort keys %bytes) {
    my $both = 'GET data 200, GET link 200';

    is calls(sub { get($size) }), $both, "$size: two calls";
    is calls(sub { get($size, headers => { Range => 'bytes=0-9' }) }),
        "GET data 20" . ($size eq 'large' ? 6 : 0)
        . ", GET link 200, HEAD data 200", "$size: a range's length is asked";
    is calls(sub { get($size, method => 'HEAD') }),
        'GET link 200, HEAD data 200', "$size: HEAD";
    is calls(sub { get($size, headers => { 'If-None-Match' =>
        "\"$digest{$size}\"" }) }), 'GET link 200, HEAD data 200',
        "$size: what the client has is not asked for";

    my $r;
    is calls(sub { $r = get($size, name => 'a/c') }),
        'GET data 200, GET link 404', "$size: not linked here: calls";
    is $r->{status} . ' ' . $c->error_code($r), '404 BLOB_UNKNOWN',
        "$size: not linked here";
    ok get($size)->{content} eq $bytes{$size}, "$size: then as ever";
}


# the link comes late, or the bytes do

for my $http ('--http1.1', '--http2') {
    for my $size (sort keys %bytes) {
        for my $late ('link', 'data') {
            $faults->plan({ match => "^GET \\S+/$late", fault => 'slow',
                at => 0.2 });
            is_whole(curl($http, $size), $size, "$http, $size: late $late");
        }

        $faults->plan({ match => '^GET \\S+/link', fault => '404' });
        my $got = curl($http, $size);
        is "$got->[0] $got->[1]", '0 404', "$http, $size: no link";
        like $got->[2], qr/BLOB_UNKNOWN/, "$http, $size: no link, as JSON";

        next if $size ne 'large';

        $faults->plan({ match => '^GET \\S+/link', fault => 'stall',
            times => 9 });
        $got = curl($http, $size);
        is "$got->[0] $got->[1]", '0 503', "$http, $size: no answer for it";
        like $got->[2], qr/UNAVAILABLE/, "$http, $size: as JSON";
    }
}


# the bytes do not come as they should

my @faults = (

    # fault, times, HTTP status; of the large one, if it is another

    ['drip', 1, 200], ['slow', 1, 200], ['continues', 1, 200],
    ['reset', 1, 200], ['close', 1, 200], ['reset', 9, 503],
    ['refuse', 99, 503],
    ['stall', 9, 503], ['cut-head', 9, 503],
    ['404', 1, 404], ['bucket', 1, 503], ['503', 1, 503], ['500', 1, 503],
    ['403', 1, 503],
    ['garbage', 9, 503], ['length-negative', 9, 503], ['unlength', 9, 503],
    ['chunked', 9, 503],
    ['twice', 1, 200], ['cut-body', 9, 503, undef],
    ['stall-body', 9, 503, undef], ['longer', 9, 503, undef],
);

for (@faults) {
    my ($fault, $times, @want) = @$_;

    for (['--http1.1', 'small'], ['--http1.1', 'large'], ['--http2', 'middle'],
         ['--http2', 'large'])
    {
        my ($http, $size) = @$_;
        my $test = "$http, $size: $fault" . ($times > 1 ? ' for ever' : '');
        my $want = $size eq 'large' ? $want[-1] : $want[0];

        $faults->plan({ match => '^GET \\S+/data', fault => $fault,
            n => 1, times => $times });
        my $got = curl($http, $size);
        $faults->plan;

        if (!defined $want) {
            isnt $got->[0], 0, "$test: never looks complete";

        } elsif ($want == 200) {
            is_whole($got, $size, $test);

        } else {
            is "$got->[0] $got->[1]", "0 $want", $test;
            like $got->[2], qr/UNAVAILABLE|BLOB_UNKNOWN/, "$test: as JSON";
        }
    }
}


# another token is had, once in some seconds

$faults->plan({ match => '^GET \S+/data', fault => '401', n => 1 });
is_whole(curl('--http1.1', 'large'), 'large', 'the token is refused');


# the client leaves while they are held

for my $size (sort keys %bytes) {
    $faults->plan({ match => '^GET \\S+/link', fault => 'hold' });
    my $socket = $c->raw("GET /v2/a/b/blobs/$digest{$size} HTTP/1.1\n");
    $faults->wait_held;
    close $socket;
    sleep 0.1;
    $faults->release;
    $faults->plan;
    ok get($size)->{content} eq $bytes{$size}, "$size: a client left";
}

$t->stop;


# what is known of them is kept

start('registry_cache_valid 5s;');

is calls(sub { get('large') }), 'GET data 200, GET link 200', 'kept: GET';
is calls(sub { get('large', method => 'HEAD') }), '', 'kept: then HEAD';
is calls(sub { get('large') }), 'GET data 200', 'kept: then GET';
is calls(sub { get('small') }), 'GET data 200, GET link 200', 'kept: small';
is calls(sub { get('small') }), '', 'kept: and its bytes';
ok get('small')->{content} eq $bytes{small}, 'kept: which are right';

$faults->plan({ match => '^GET \\S+/data', fault => 'flipped' });
my $r = get('middle');
is $r->{status} . ' ' . $c->error_code($r), '404 BLOB_UNKNOWN',
    'other bytes of a small one are not sent';
$faults->plan;
sleep 0.1;
ok get('middle')->{content} eq $bytes{middle}, 'nor kept';

$t->finish(allow => qr/registry: |upstream|prematurely|no live|recv\(\)/,
    crit => qr/upstream sent|\(104: /);
