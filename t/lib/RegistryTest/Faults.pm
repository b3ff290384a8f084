package RegistryTest::Faults;

# A port that leads to an RGW and does to chosen requests, or to their
# replies, what a test asks for.  It counts and writes down all of them.
#
#   my $faults = RegistryTest::Faults->new($t);
#   $t->start(rgw => $faults->address);
#   $faults->plan({ n => 3, fault => 'lost' });
#   ... is_deeply([ $faults->calls ], [ 'GET /swift/v1/... 200', ... ]);
#
# plan() forgets all that was before it.  A rule is
#
#   match   what "METHOD URI" has to match; all do without it
#   n       which of those that match, from 1 on; all without it
#   times   how many from that one on; 1 without it
#   fault   of %faults, or a status
#   at      where or how much, for some of them
#
# What is done to a request that RGW never sees:
#
#   refuse   no connection is to be had, from this request on
#   reset    RST, close: FIN, instead of an answer
#   stall    no answer, no end
#   STATUS   an answer of RGW with this status, "404" of the object;
#            "bucket": of the container; "early": 503 before the body
#   torn     the request breaks off in its body
#   late     RST, and RGW gets it a moment later
#   hold     nothing, until release()
#
# And what to a reply: see RegistryTest::Replies.

use strict;
use warnings;

use IO::Handle;
use IO::Socket::INET;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep time);

use RegistryTest::Process;
use RegistryTest::Replies;


my $LATE = 0.3;                 # seconds
my $FULL = 1 << 18;             # bytes that wait to be written


# RegistryTest::Faults->new($t, target => 'HOST:PORT')

sub new {
    my ($class, $t, %o) = @_;

    my $self = bless {
        port => RegistryTest::free_port(),
        control => RegistryTest::free_port(),
    }, $class;

    $self->{process} = RegistryTest::Process->start(
        name => 'faults', log => $t->dir . "/faults$self->{port}.log",
        command => [ $^X, '-I' . (__FILE__ =~ s{/RegistryTest/[^/]+$}{}r),
            '-MRegistryTest::Faults', '-e', 'RegistryTest::Faults::run(@ARGV)',
            $self->{port}, $self->{control},
            $o{target} // $ENV{RGW_ENDPOINT} ]);
    $self->{process}->wait_until('listening', sub {
        RegistryTest::answers($self->{control}) });

    return $self;
}


sub address { "127.0.0.1:$_[0]{port}" }

# rules; without any all goes through
sub plan { my $self = shift; $self->_ask(plan => \@_) }

# "METHOD URI STATUS" of each since plan(); the status is what RGW said, or
# "-", and behind it is the fault
sub calls { @{ $_[0]->_ask('calls') } }

# how many are held, and an end to that: they go to RGW, or are closed
sub held { $_[0]->_ask('held') }
sub release { $_[0]->_ask('release') }

# how many are still to be done, late ones too
sub busy { $_[0]->_ask('busy') }


sub wait_held {
    my ($self, $seconds) = @_;

    my $end = time + ($seconds // 10);

    until ($self->held) {
        return 0 if time > $end;
        sleep 0.005;
    }

    return 1;
}


sub _ask {
    my ($self, $command, $data) = @_;

    # each process of a test has a connection of its own
    if (!$self->{socket} || $self->{owner} != $$) {
        $self->{owner} = $$;
        $self->{socket} = IO::Socket::INET->new(
            PeerAddr => "127.0.0.1:$self->{control}")
            or die "no fault proxy: $!";
    }

    my $socket = $self->{socket};

    print $socket encode_json([ $command, $data ]), "\n";
    $socket->flush;

    my $line = readline $socket // die 'the fault proxy has ended';
    my $answer = decode_json($line);

    die "faults: $answer->{error}" if $answer->{error};

    return $answer->{is};
}


# ---- the process


my ($port, $target, $listen);
my (%pairs, %controls, @timers, @rules, @calls);
my $late = 0;


sub run {
    ($port, my $control, $target) = @_;

    $SIG{PIPE} = 'IGNORE';

    my $orders = listen_on($control);
    $listen = listen_on($port);

    for ( ;; ) {
        my ($read, $write) = ('', '');

        vec($read, fileno $_, 1) = 1
            for $orders, $listen // (), map { $_->{socket} } values %controls;

        for my $p (values %pairs) {
            vec($read, fileno $p->{client}, 1) = 1
                if length $p->{to_server} < $FULL && !$p->{held};
            vec($write, fileno $p->{client}, 1) = 1
                if length $p->{to_client};

            my $s = $p->{server} or next;
            vec($read, fileno $s, 1) = 1 if length $p->{to_client} < $FULL;
            vec($write, fileno $s, 1) = 1
                if length $p->{to_server} && !$p->{held};
        }

        @timers = sort { $a->[0] <=> $b->[0] } @timers;
        my $wait = @timers ? $timers[0][0] - time : undef;
        $wait = 0 if defined $wait && $wait < 0;

        select $read, $write, undef, $wait;

        (shift @timers)->[1]->() while @timers && $timers[0][0] <= time;

        if (vec($read, fileno $orders, 1)) {
            my $socket = $orders->accept;
            $controls{$socket} = { socket => $socket, in => '' } if $socket;
        }

        if ($listen && vec($read, fileno $listen, 1)) {
            accept_client();
        }

        for (my @all = values %controls) {
            obey($_) if vec($read, fileno $_->{socket}, 1);
        }

        for my $p (my @all = values %pairs) {
            step($p, $read, $write);
        }
    }
}


sub listen_on {
    my ($port) = @_;

    return IO::Socket::INET->new(Listen => 256,
        LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        // die "cannot listen on $port: $!";
}


sub accept_client {
    my $client = $listen->accept or return;

    $client->blocking(0);
    setsockopt $client, IPPROTO_TCP, TCP_NODELAY, 1;
    $pairs{$client} = { client => $client, in => '', reply => '',
                        to_client => '', to_server => '' };
}


sub after {
    my ($seconds, $do) = @_;

    push @timers, [ time + $seconds, $do ];
}


sub obey {
    my ($control) = @_;

    if (!sysread $control->{socket}, $control->{in}, 65536,
        length $control->{in})
    {
        delete $controls{$control->{socket}};
        return;
    }

    while ($control->{in} =~ s/^(.*)\n//) {
        my ($command, $data) = @{ decode_json($1) };
        my %answer = (is => eval { order($command, $data) });

        $answer{error} = $@ if $@;
        $control->{socket}->syswrite(encode_json(\%answer) . "\n");
    }
}


sub order {
    my ($command, $data) = @_;

    if ($command eq 'plan') {
        @rules = map { { %$_, seen => 0 } } @$data;
        @calls = ();
        drop($_) for my @stuck = grep { $_->{stalled} || $_->{held} }
            values %pairs;
        refuse() if grep { $_->{fault} eq 'refuse' && !$_->{match}
                           && ($_->{n} // 1) == 1 } @rules;
        $listen //= listen_on($port)
            if !grep { $_->{fault} eq 'refuse' } @rules;

    } elsif ($command eq 'calls') {
        return [ map { join ' ', @$_ } @calls ];

    } elsif ($command eq 'held') {
        return scalar grep { $_->{held} } values %pairs;

    } elsif ($command eq 'release') {
        delete $_->{held} for values %pairs;

    } elsif ($command eq 'busy') {
        return $late + grep { $_->{call} } values %pairs;

    } else {
        die "no such order: $command\n";
    }

    return 1;
}


# New connections are refused, and those that nothing happens on closed.

sub refuse {
    return if !$listen;

    close $listen;
    undef $listen;
    drop($_) for my @idle = grep { !$_->{call} } values %pairs;
}


sub drop {
    my ($p, $reset) = @_;

    delete $pairs{$p->{client}} or return;
    $p->{call} = undef;
    setsockopt $p->{client}, SOL_SOCKET, SO_LINGER, pack('II', 1, 0)
        if $reset;
    close $p->{client};
    setsockopt $p->{server}, SOL_SOCKET, SO_LINGER, pack('II', 1, 0),
        and close $p->{server} if $p->{server};
}


sub step {
    my ($p, $read, $write) = @_;

    return if !$pairs{$p->{client}};    # dropped for another one's sake

    if (vec($write, fileno $p->{client}, 1)) {
        spill($p->{client}, \$p->{to_client}) or return drop($p);
    }

    if ($p->{server} && vec($write, fileno $p->{server}, 1)) {
        spill($p->{server}, \$p->{to_server}) or return drop($p);
    }

    # it is told that the reply was all, and leaves by itself

    if ($p->{last} && !length $p->{to_client} && !$p->{shut}) {
        shutdown $p->{client}, 1;
        $p->{shut} = 1;
        after(2, sub { drop($p) });
    }

    if (vec($read, fileno $p->{client}, 1)) {
        fill($p->{client}, \$p->{in}) or return drop($p);
    }

    if ($p->{server} && vec($read, fileno $p->{server}, 1)) {
        fill($p->{server}, \$p->{reply}) or $p->{server_left} = 1;
    }

    if ($p->{stalled} || $p->{last}) {
        $p->{in} = '';
        return;
    }

    return if $p->{held};

    request($p) if $pairs{$p->{client}} && length $p->{in};
    reply($p) if $pairs{$p->{client}}
        && (length $p->{reply} || $p->{server_left});
}


sub spill {
    my ($socket, $bytes) = @_;

    my $n = syswrite $socket, $$bytes, 65536;

    return $!{EAGAIN} if !defined $n;

    substr $$bytes, 0, $n, '';

    return 1;
}


sub fill {
    my ($socket, $bytes) = @_;

    my $n = sysread $socket, $$bytes, 65536, length $$bytes;

    return defined $n ? $n : $!{EAGAIN};
}


# ---- requests


sub request {
    my ($p) = @_;

    if (!$p->{call}) {
        $p->{in} =~ s/^(.*?\r\n\r\n)//s or return;
        begin($p, $1) or return;
    }

    return if $p->{held};

    my $fault = $p->{fault};
    my $bytes = take($p->{body}, \$p->{in});

    if ($fault eq 'torn') {
        $p->{passed} += length $bytes;

        if ($p->{passed} >= $p->{tear} || $p->{body}{done}) {
            return drop($p, 1);
        }
    }

    if ($fault eq 'late') {
        $p->{kept} .= $bytes;
        lately($p) if $p->{body}{done};
        return;
    }

    if ($p->{status}) {
        say_status($p, $p->{status}) if $p->{body}{done};
        return;
    }

    $p->{to_server} .= $bytes if $p->{server};
}


# 0 when there is no more to do

sub begin {
    my ($p, $head) = @_;

    my ($method, $uri) = $head =~ /^(\S+) (\S+)/;
    my ($length) = $head =~ /^Content-Length: *(\d+)/mi;
    my $rule = rule_of("$method $uri");
    my $fault = $rule->{fault} // '';

    push @calls, $p->{call} = [ $method, $uri, '-', $fault || () ];
    $p->{method} = $method;
    $p->{fault} = $fault;
    $p->{at} = $rule->{at};
    $p->{kept} = '';
    $p->{passed} = 0;
    delete $p->{status};

    $p->{body} = $head =~ /^Transfer-Encoding: *chunked/mi
        ? { chunked => 1 } : { left => $length // 0 };
    $p->{body}{done} = 1 if !$length && !$p->{body}{chunked};

    if ($fault eq 'reset' || $fault eq 'close' || $fault eq 'refuse') {
        refuse() if $fault eq 'refuse';
        drop($p, $fault ne 'close');
        return 0;
    }

    if ($fault eq 'stall') {
        $p->{stalled} = 1;
        return 0;
    }

    if ($fault eq 'early') {
        $p->{to_client} .= canned(503);
        $p->{last} = 1;
        return 0;
    }

    if ($fault eq 'bucket' || $fault =~ /^\d+$/) {
        $p->{status} = $fault;
        return 1;
    }

    if ($fault eq 'late') {
        $p->{kept} = $head;
        return 1;
    }

    $p->{tear} = $p->{at} // int(($length // 2) / 2) if $fault eq 'torn';
    $p->{held} = 1 if $fault eq 'hold';

    # what is refused next is refused for whoever comes after this one

    for (@rules) {
        refuse() if $_->{fault} eq 'refuse'
            && $_->{seen} + 1 >= ($_->{n} // 1);
    }

    connect_server($p) or return 0;
    $p->{to_server} .= $head;

    return 1;
}


sub rule_of {
    my ($line) = @_;

    my $found;

    for (@rules) {
        next if defined $_->{match} && $line !~ /$_->{match}/;
        $_->{seen}++;
        $found //= $_ if !defined $_->{n} || ($_->{seen} >= $_->{n}
            && $_->{seen} < $_->{n} + ($_->{times} // 1));
    }

    return $found;
}


sub connect_server {
    my ($p) = @_;

    return 1 if $p->{server};

    $p->{server} = IO::Socket::INET->new(PeerAddr => $target);

    if (!$p->{server}) {
        drop($p);
        return 0;
    }

    $p->{server}->blocking(0);
    setsockopt $p->{server}, IPPROTO_TCP, TCP_NODELAY, 1;

    return 1;
}


# The bytes of a body at the head of $$in; $f->{done} is set behind the last.

sub take {
    my ($f, $in) = @_;

    my $out = '';

    return $out if $f->{done};

    if (!$f->{chunked}) {
        $out = substr $$in, 0, $f->{left}, '';
        $f->{left} -= length $out;
        $f->{done} = 1 if !$f->{left};
        return $out;
    }

    while (length $$in) {
        if ($f->{left}) {
            my $some = substr $$in, 0, $f->{left}, '';
            $f->{left} -= length $some;
            $out .= $some;
            next;
        }

        $$in =~ s/^([^\n]*\n)// or last;
        my $line = $1;
        $out .= $line;

        if ($f->{trailer}) {
            next if $line =~ /\S/;
            $f->{done} = 1;
            last;
        }

        my $size = hex(($line =~ /^([0-9a-fA-F]+)/)[0] // 0);
        $size ? ($f->{left} = $size + 2) : ($f->{trailer} = 1);
    }

    return $out;
}


sub lately {
    my ($p) = @_;

    my $bytes = $p->{kept};

    $late++;
    drop($p, 1);

    after($LATE, sub {
        my $socket = IO::Socket::INET->new(PeerAddr => $target);

        if ($socket) {
            print $socket $bytes;
            $socket->flush;
            sysread $socket, my $reply, 65536;
        }

        $late--;
    });
}


sub say_status {
    my ($p, $status) = @_;

    $p->{call}[2] = $status;
    $p->{to_client} .= canned($status, $p->{method});
    delete $p->{call};
}


# ---- replies


sub reply {
    my ($p) = @_;

    # nothing was asked for: it is at its end

    return drop($p) if !$p->{call};

    if (!$p->{head}) {
        while ($p->{reply} =~ s/^(HTTP\S+ 1\d\d .*?\r\n\r\n)//s) {
            $p->{to_client} .= $1;
        }

        if ($p->{reply} !~ s/^(.*?\r\n\r\n)//s) {
            drop($p) if $p->{server_left};
            return;
        }

        head($p, $1);
    }

    my $bytes = $p->{answer}{close} ? $p->{reply}
        : take($p->{answer}, \$p->{reply});
    $p->{reply} = '' if $p->{answer}{close};

    my $done = $p->{answer}{done};

    if ($p->{server_left} && !$done) {
        $done = $p->{answer}{close};
        return drop($p) if !$done;
    }

    if ($p->{fault} && replies($p->{fault})) {
        $p->{kept} .= $bytes;
        spoil($p) if $done;

    } else {
        $p->{to_client} .= $bytes;
    }

    return if !$done;

    delete @$p{qw(head answer)};
    delete $p->{call} if !$p->{stalled};
    $p->{last} = 1 if $p->{server_left};
}


sub head {
    my ($p, $head) = @_;

    my ($status) = $head =~ m{^HTTP/1\.\d (\d+)};
    my ($length) = $head =~ /^Content-Length: *(\d+)/mi;

    $p->{call}[2] = $status;
    $p->{head} = $head;
    $p->{kept} = '';

    $p->{answer} = $p->{method} eq 'HEAD' || $status =~ /^(204|304)$/
        ? { done => 1 }
        : $head =~ /^Transfer-Encoding: *chunked/mi ? { chunked => 1 }
        : defined $length ? { left => $length, done => !$length }
        : { close => 1 };

    $p->{to_client} .= $head if !($p->{fault} && replies($p->{fault}));
}


sub spoil {
    my ($p) = @_;

    my ($bytes, $then, $pause) = replies($p->{fault})->($p->{head},
        $p->{kept}, $p->{at}, $p->{method});

    if (ref $bytes) {
        my $when = 0;

        for my $some (@$bytes) {
            after($when, sub { $p->{to_client} .= $some });
            $when += $pause // 0.005;
        }

        return;
    }

    # a HEAD has no body, whatever is done to it

    $p->{to_client} .= $bytes;
    $then //= '';

    if ($then eq 'stall') {
        $p->{stalled} = 1;

    } elsif ($then eq 'close') {
        $p->{last} = 1;

    } elsif ($then eq 'reset') {

        # what was sent before is to arrive first

        if (length $bytes) {
            after(0.02, sub { drop($p, 1) });

        } else {
            drop($p, 1);
        }
    }
}


1;
