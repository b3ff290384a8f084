package RegistryTest::Patches;

# An upload of many PATCHes of one byte each, on one connection, as fast as the
# answers come.
#
#   my $r = RegistryTest::Patches::push($t, 300);
#
# returns {status of the PUT, digest, seconds of the PATCHes, close: seconds of
# the PUT, most: objects of the upload that were there at once}

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);


sub push {
    my ($t, $n) = @_;

    my $c = $t->client;
    my $location = $c->begin_upload('patches');
    my $self = { address => '127.0.0.1:' . $t->{plain_port}, in => '',
                 authorization => $c->{authorization} };
    my ($bytes, $most, $seconds) = ('', 0, 0);

    for my $i (1 .. $n) {
        my $byte = chr(ord('a') + $i % 26);
        my $began = time;
        my ($status, $next) = request($self, 'PATCH', $location, $byte);

        $seconds += time - $began;
        die "PATCH $i: $status" if $status != 202;
        $location = $next;
        $bytes .= $byte;

        # not a multiple of what is merged: any number of them is seen
        if ($i % 47 == 0) {
            my $objects = @{ $t->store->list('uploads/') };
            $most = $objects if $objects > $most;
        }
    }

    my $digest = 'sha256:' . sha256_hex($bytes);
    my $began = time;
    my ($status) = request($self, 'PUT',
        $c->with_digest($location, $digest), '');

    return { status => $status, digest => $digest, seconds => $seconds,
             close => time - $began, most => $most, bytes => $bytes };
}


# Header and body in one segment: with two, the second waits for 40 ms.

sub request {
    my ($self, $method, $location, $body) = @_;

    if (!$self->{socket}) {
        $self->{socket} = IO::Socket::INET->new($self->{address}) or die $!;
        setsockopt $self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
    }

    my $path = $location =~ s{^https?://[^/]+}{}r;
    my $request = join "\r\n", "$method $path HTTP/1.1", 'Host: localhost',
        "Authorization: $self->{authorization}",
        'Content-Type: application/octet-stream',
        'Content-Length: ' . length $body, '', $body;

    syswrite $self->{socket}, $request;
    my $in = '';
    my ($header, $length);

    while (!defined $length || length $in < length($header) + $length) {
        sysread $self->{socket}, $in, 65536, length $in or die 'no answer';
        ($header) = $in =~ /^(.*?\r\n\r\n)/s or next;
        ($length) = $header =~ /^Content-Length: (\d+)/mi ? $1 : 0;
    }

    delete $self->{socket} if $header =~ /^Connection: close/mi;

    return ($header =~ m{^HTTP/\S+ (\d+)},
            $header =~ /^Location: (\S+)/mi ? $1 : undef);
}


1;
