package RegistryTest::Gate;

# A port that leads to another one, for tests that need a storage to come and
# go: run(PORT, "HOST:PORT").

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;


sub run {
    my ($port, $target) = @_;

    my $listen = IO::Socket::INET->new(
        Listen => 64, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "cannot listen on $port: $!";

    my $select = IO::Select->new($listen);
    my %peer;

    for ( ;; ) {
        for my $ready ($select->can_read) {
            if ($ready == $listen) {
                my $client = $listen->accept or next;
                my $server = IO::Socket::INET->new(PeerAddr => $target)
                    or next;
                @peer{$client, $server} = ($server, $client);
                $select->add($client, $server);
                next;
            }

            my $other = $peer{$ready} or next;

            if (sysread $ready, my $bytes, 65536) {
                $other->blocking(1);
                print $other $bytes;
                $other->flush;
                next;
            }

            for ($ready, $other) {
                $select->remove($_);
                delete $peer{$_};
                close $_;
            }
        }
    }
}


1;
