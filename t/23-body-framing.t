#!/usr/bin/perl

# The end of a body, however HTTP/2 frames it: bytes that are not the digest's
# are never whole at the storage, and those that are get their answer however
# late the end is told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Http2;


my $PART = 1 << 20;
my $PAUSE = 0.1;                        # nginx has seen what was sent

my $t = RegistryTest->new;
my $h2 = RegistryTest::free_port();

$t->start(workers => 1, auth => 0,
    http => "server { listen 127.0.0.1:$h2 http2;\n"
        . $t->location('/v2/', 'registry_part_size 1m;') . '}');

my $c = $t->client;
my $n = 0;

my %framing = (
    'the end with the last bytes' => sub { (\$_[0]) },
    'the end in a frame of its own' => sub { ($_[0], \'') },
    'the end later' => sub { ($_[0], $PAUSE, \'') },
    'the last byte later' => sub {
        my ($bytes) = @_;
        my $last = substr $bytes, -1, 1, '';
        return ($bytes, $PAUSE, \$last);
    },
    'the last byte and the end later' => sub {
        my ($bytes) = @_;
        my $last = substr $bytes, -1, 1, '';
        return ($bytes, $PAUSE, $last, $PAUSE, '', $PAUSE, \'');
    },
    'byte by byte' => sub {
        my ($bytes) = @_;
        my $first = substr $bytes, 0, 200, '';
        return (split(//, $first), length $bytes ? $bytes : (), $PAUSE, \'');
    },
);


for my $name (sort keys %framing) {
    for my $size (200, 20_000, $PART, $PART + 5000) {
        for my $told (1, 0) {
            ends($name, $size, $told);
        }
    }
}


sub ends {
    my ($name, $size, $told) = @_;

    my $test = "$name, $size bytes, length " . ($told ? 'told' : 'not told');
    my $good = substr 'good' . ++$n . '+' x $size, 0, $size;
    my $evil = substr 'evil' . $n . '+' x $size, 0, $size;
    my $digest = 'sha256:' . sha256_hex($good);
    my %header = $told ? ('content-length' => $size) : ();

    my $path = "/v2/framing/blobs/uploads/?digest=$digest";

    my $status = RegistryTest::Http2::request($h2, 'POST', $path, \%header,
        $framing{$name}->($good));
    is $status, 201, "$test: right ones are taken";

    $status = RegistryTest::Http2::request($h2, 'POST', $path, \%header,
        $framing{$name}->($evil));
    is $status, 400, "$test: wrong bytes over right ones";

    my $r = $c->request('GET', "/v2/framing/blobs/$digest");
    ok $r->{status} == 200 && $r->{content} eq $good, "$test: which stay";

    # the same as a PATCH
    my $begun = $c->begin_upload('framing') =~ s{^https?://[^/]+}{}r;
    $status = RegistryTest::Http2::request($h2, 'PATCH', $begun, \%header,
        $framing{$name}->($good));
    is $status, 202, "$test: PATCH";
    $r = $c->request('PUT', $c->with_digest($begun, $digest));
    is $r->{status}, 201, "$test: and its end";
}


# more and less than was told

for ([5, 'wrong' x 2], [20_000, 'few', 'er'], [100, 'x' x 100, $PAUSE, 'more'])
{
    my ($told, @bytes) = @$_;
    my @sent = (@bytes, $PAUSE, \'');
    my $bytes = join '', grep { !ref && $_ ne $PAUSE } @bytes;

    for my $told_of ($bytes, substr($bytes, 0, $told)) {
        my $digest = 'sha256:' . sha256_hex($told_of);
        my $status = RegistryTest::Http2::request($h2, 'POST',
            "/v2/framing/blobs/uploads/?digest=$digest",
            { 'content-length' => $told }, @sent);
        like $status, qr/^(400|reset)/, "$told bytes told, " . length($bytes)
            . ' sent';
        is $c->request('GET', "/v2/framing/blobs/$digest")->{status}, 404,
            'nothing is there';
    }
}

$t->finish;
