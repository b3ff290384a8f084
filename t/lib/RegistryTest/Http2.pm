package RegistryTest::Http2;

# One request over HTTP/2, frame by frame, as no client would send it.
#
#   my $status = RegistryTest::Http2::request(PORT, 'PUT', $path,
#       { 'content-length' => 5 }, 'he', 0.1, 'llo', \'', \'end');
#
# What is sent behind the header: a text is a DATA frame (or several, of 16k at
# most), a reference to one is the last frame, 0.1 a pause of so many seconds.
# Returns the status, or what ended the stream without one.
#
# Or frames alone, on a connection that has begun:
#
#   my $socket = connection(PORT);
#   print $socket frame($HEADERS, $END_HEADERS, 1, block('GET', $path,
#       'x-name' => 'value'));

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);


our @EXPORT_OK = qw(connection frame block $HEADERS $RST $END_STREAM
    $END_HEADERS);

our ($HEADERS, $RST, $END_STREAM, $END_HEADERS) = (1, 3, 1, 4);
my ($DATA, $SETTINGS, $GOAWAY, $WINDOW) = (0, 4, 7, 8);
my $ACK = 1;


sub request {
    my ($port, $method, $path, $header, @events) = @_;

    local $SIG{PIPE} = 'IGNORE';

    my $socket = connection($port);
    my $self = bless {
        socket => $socket, in => '', window => 65535, stream => 65535,
    }, __PACKAGE__;

    syswrite $socket, frame($HEADERS,
        $END_HEADERS | (@events ? 0 : $END_STREAM), 1,
        block($method, $path, %$header));

    for (@events) {
        if (ref) {
            $self->data($$_, $END_STREAM);
        } elsif (/^0\.\d+$/) {
            sleep $_;
        } else {
            $self->data($_, 0);
        }

        last if $self->{ended};
    }

    $self->receive(30) until $self->{ended};

    return $self->{ended};
}


sub connection {
    my ($port) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or die "cannot connect to $port: $!";
    syswrite $socket, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . frame($SETTINGS, 0, 0);

    return $socket;
}


sub block {
    my ($method, $path, %header) = @_;

    return join '', map { literal(@$_) }
        [':method', $method], [':scheme', 'http'], [':path', $path],
        [':authority', 'localhost'],
        map { [$_, $header{$_}] } sort keys %header;
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    $payload //= '';

    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}


# a header as HPACK writes it without tables and Huffman codes

sub literal {
    return "\0" . join '', map { integer(length) . $_ } @_;
}


sub integer {
    my ($n) = @_;

    return chr $n if $n < 127;

    my $out = chr 127;
    for ($n -= 127; $n >= 128; $n >>= 7) {
        $out .= chr($n & 127 | 128);
    }

    return $out . chr $n;
}


sub data {
    my ($self, $bytes, $flags) = @_;

    do {
        my $n = length $bytes;
        $n = 16384 if $n > 16384;

        # the window may have to grow
        $self->receive(30) while !$self->{ended}
            && ($n > $self->{window} || $n > $self->{stream});
        return if $self->{ended};

        my $last = $n == length $bytes ? $flags : 0;
        my $frame = frame($DATA, $last, 1, substr $bytes, 0, $n, '');
        $self->{$_} -= $n for qw(window stream);

        while (length $frame) {
            my $sent = syswrite $self->{socket}, $frame;
            if (!defined $sent) {
                $self->{ended} //= 'closed';
                return;
            }
            substr $frame, 0, $sent, '';
        }
    } while (length $bytes);
}


# Waits so long for a frame, and takes it.

sub receive {
    my ($self, $wait) = @_;

    my $until = time + $wait;

    while (length $self->{in} < 9
        || length $self->{in} < 9 + unpack 'N', "\0" . $self->{in})
    {
        my $left = $until - time;
        if (!IO::Select->new($self->{socket})->can_read($left > 0 ? $left : 0))
        {
            $self->{ended} = 'silence';
            return;
        }

        my $n = sysread $self->{socket}, $self->{in}, 65536,
            length $self->{in};
        if (!$n) {
            $self->{ended} = 'closed';
            return;
        }
    }

    my ($length) = unpack 'N', "\0" . $self->{in};
    my ($type, $flags, $stream) = unpack 'x3CCN', $self->{in};
    my $payload = substr $self->{in}, 9, $length;
    substr $self->{in}, 0, 9 + $length, '';

    if ($type == $SETTINGS && !($flags & $ACK)) {
        $self->settings($payload);
    } elsif ($type == $WINDOW) {
        $self->{$stream ? 'stream' : 'window'} += unpack 'N', $payload;
    } elsif ($type == $HEADERS) {
        $self->{ended} = status($payload);
    } elsif ($type == $RST) {
        $self->{ended} = 'reset ' . unpack 'N', $payload;
    } elsif ($type == $GOAWAY) {
        $self->{ended} = 'goaway ' . unpack 'x4N', $payload;
    }
}


sub settings {
    my ($self, $payload) = @_;

    while (length $payload) {
        my ($id, $value) = unpack 'nN', substr $payload, 0, 6, '';
        $self->{stream} += $value - 65535 if $id == 4;
    }

    syswrite $self->{socket}, frame($SETTINGS, $ACK, 0);
}


# nginx writes :status first

sub status {
    my ($block) = @_;

    $block =~ s/^[\x20-\x3f]+//;
    my $first = ord $block;

    return (200, 204, 206, 304, 400, 404, 500)[$first - 0x88]
        if $first >= 0x88 && $first <= 0x8e;

    return $block =~ /^[\x08\x18\x48]\x03(\d{3})/ ? $1 : 'no status';
}


1;
