package RegistryTest::Fault;

# A storage that answers wrongly: a port that leads to an RGW and spoils the
# replies to GETs of blobs as a file says.  For reads only: what has a body is
# not passed on.
#
#   run(PORT, "HOST:PORT", FILE)
#
# The file holds "FAULT NUMBER BYTES": which of the GETs since the file was
# written is spoilt, and
#
#   cut     only so many bytes of the body, then the connection is closed
#   more    so many bytes too much
#   length  a Content-Length that is so many bytes larger, and the bytes
#   range   a Content-Range with a total that is so many bytes larger
#   status  503 instead

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();


sub run {
    my ($port, $target, $file) = @_;

    $SIG{CHLD} = 'IGNORE';

    my $listen = IO::Socket::INET->new(
        Listen => 64, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "cannot listen on $port: $!";

    for ( ;; ) {
        my $client = $listen->accept or next;

        if (fork() == 0) {
            close $listen;
            serve($client, $target, $file);
            POSIX::_exit(0);
        }

        close $client;
    }
}


sub serve {
    my ($client, $target, $file) = @_;

    my $server = IO::Socket::INET->new(PeerAddr => $target) or return;

    while (my $request = header($client)) {
        my ($method) = $request =~ /^(\w+)/;
        my ($fault, $bytes) = $request =~ m{^GET \S+/data }
            ? fault($file) : ('', 0);

        print $server $request;
        my $reply = header($server) // return;
        my ($length) = $reply =~ /^Content-Length: (\d+)/mi;

        if ($fault eq 'status') {
            print $client "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n"
                . "Connection: close\r\n\r\n";
            return;
        }

        my $more = $length + $bytes;
        $reply =~ s/^(Content-Length: )\d+/$1$more/mi if $fault eq 'length';
        $reply =~ s{^(Content-Range: \S+ \S+/)(\d+)}{$1 . ($2 + $bytes)}mei
            if $fault eq 'range';

        print $client $reply;
        next if $method eq 'HEAD';

        my $left = $fault eq 'cut' ? $bytes : $length // 0;

        while ($left > 0) {
            my $n = read $server, my $data, $left > 65536 ? 65536 : $left;
            return if !$n;
            print $client $data;
            $left -= $n;
        }

        return if $fault eq 'cut';

        if ($fault =~ /^(more|length)$/) {
            print $client 'x' x $bytes;
            return;
        }
    }
}


sub header {
    my ($socket) = @_;

    local $/ = "\r\n\r\n";

    return scalar readline $socket;
}


# Counts by the size of a file beside it: several processes serve.

sub fault {
    my ($file) = @_;

    open my $fh, '<', $file or return ('', 0);
    my ($fault, $number, $bytes) = split ' ', <$fh> // '';
    return ('', 0) if !$fault;

    open my $count, '>>', "$file.count" or die $!;
    syswrite $count, '.';

    return -s "$file.count" == $number ? ($fault, $bytes) : ('', 0);
}


1;
