package RegistryTest::Hostile;

# A server that answers by bytes, whatever they are.
#
#   my $pid = RegistryTest::Hostile::start(PORT, sub {
#       my ($method, $uri, $header) = @_;
#       return "HTTP/1.1 200 OK\r\n...", or a sub that writes to the socket;
#   });
#
# The connection is kept until the client leaves it; after a sub it is closed.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();


sub start {
    my ($port, $answer) = @_;

    my $listen = IO::Socket::INET->new(
        Listen => 64, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "cannot listen on $port: $!";

    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    $SIG{CHLD} = 'IGNORE';
    $SIG{TERM} = 'DEFAULT';

    for ( ;; ) {
        my $client = $listen->accept or next;

        if (fork() == 0) {
            close $listen;
            $SIG{PIPE} = 'IGNORE';
            $SIG{ALRM} = 'DEFAULT';
            alarm 60;
            serve($client, $answer);
            POSIX::_exit(0);
        }

        close $client;
    }
}


sub serve {
    my ($client, $answer) = @_;

    $client->autoflush(1);

    for ( ;; ) {
        my $header = do { local $/ = "\r\n\r\n"; <$client> } // return;
        my ($method, $uri) = $header =~ m{^(\S+) (\S+) } or return;

        read $client, my $body, $1 if $header =~ /^Content-Length: (\d+)/mi;

        my $reply = $answer->($method, $uri, $header);

        if (ref $reply) {
            $reply->($client);
            return;
        }

        $reply =~ s/\r\n\r\n\K.*//s if $method eq 'HEAD';

        print $client $reply or return;
    }
}


# A good answer; "head" has more of the header.

sub ok {
    my ($body, $head, $status) = @_;

    return 'HTTP/1.1 ' . ($status // '200 OK') . "\r\nContent-Length: "
        . length($body) . "\r\n" . ($head // '') . "\r\n$body";
}


1;
