package RegistryTest::Port;

# Ports of loopback for servers, and for what is to refuse connections.

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;


our @EXPORT_OK = qw(free_port);


# A port that nothing listens on.  In a run of t/bin/test nobody else is given
# it, t/bin/lib.sh's free_port included: a suite has it also while its server
# is down.

sub free_port {
    my $taken = $ENV{TEST_WORK} ? "$ENV{TEST_WORK}/ports" : undef;

    mkdir $taken if $taken;

    for (1 .. 100) {

        # below the ports that the kernel gives to clients
        my $port = 18000 + int rand 14000;
        IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:$port")
            or next;
        return $port if !$taken || mkdir "$taken/$port";
    }

    die 'found no free port';
}


1;
