package RegistryTest::Process;

# Child processes that never outlive the test: each is ended by its own id, at
# the latest when the test ends, dies or gets a signal.

use strict;
use warnings;

use POSIX qw(WNOHANG setpgid);
use Time::HiRes qw(sleep time);


# what a busy machine may need to start or stop a program, sanitizers included
my $LONGEST = 120;

my $owner = $$;
my @running;

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';                  # the reader of our output may be gone


# RegistryTest::Process->start(command => [...], log => FILE, name => NAME,
#     env => {...}, stdin => FILE, out => FILE)
#
# "log" gets what is printed, "out" only the standard output.

sub start {
    my ($class, %o) = @_;

    my $self = bless { name => $o{name} // $o{command}[0], log => $o{log} },
        $class;

    my $pid = fork() // die "cannot fork: $!";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        setpgid(0, 0);

        open STDIN, '<', $o{stdin} // '/dev/null' or POSIX::_exit(126);
        open STDOUT, '>>', $o{out} // $o{log} or POSIX::_exit(126);
        open STDERR, '>>', $o{log} or POSIX::_exit(126);
        @ENV{keys %{$o{env}}} = values %{$o{env}} if $o{env};

        # killed hard, a test cannot end its children: the kernel does
        exec 'setpriv', '--pdeathsig', 'TERM', '--', @{$o{command}}
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    push @running, $self;

    return $self;
}


sub pid { $_[0]{pid} }


sub alive {
    my ($self) = @_;

    return 0 if defined $self->{status};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;

    $self->_ended($?);
    return 0;
}


# Waits for its end by itself; the exit code, or 128 + signal.

sub wait {
    my ($self) = @_;

    if (!defined $self->{status}) {
        1 while waitpid($self->{pid}, 0) == -1 && $!{EINTR};
        $self->_ended($?);
    }

    return $self->{status};
}


sub stop {
    my ($self, $signal) = @_;

    return if !$self->alive;

    kill $signal // 'TERM', $self->{pid};

    my $end = time + $LONGEST;

    while (time < $end) {
        return $self->{status} if !$self->alive;
        sleep 0.05;
    }

    warn "$self->{name} did not stop within $LONGEST s, killed\n";
    kill 'KILL', $self->{pid};

    return $self->wait;
}


# Returns when the condition is true; dies when the process ends before.

sub wait_until {
    my ($self, $what, $condition) = @_;

    my $end = time + $LONGEST;

    until ($condition->()) {
        die "$self->{name} ended before $what\n" . $self->log_tail
            if !$self->alive;
        die "$self->{name}: no $what after $LONGEST s\n" . $self->log_tail
            if time > $end;
        sleep 0.05;
    }
}


sub log_tail {
    my ($self) = @_;

    open my $fh, '<', $self->{log} or return '';
    my @lines = <$fh>;
    splice @lines, 0, -20;

    return join '', @lines;
}


sub _ended {
    my ($self, $status) = @_;

    $self->{status} = $status & 127 ? 128 + ($status & 127) : $status >> 8;
    @running = grep { $_ != $self } @running;
}


sub stop_all {
    my @all = reverse @running;
    $_->stop for @all;
}


END {
    if ($$ == $owner) {
        local $?;
        stop_all();
    }
}


1;
