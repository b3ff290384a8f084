package RegistryTest::Engine;

# A docker engine of the test's own: no network, no containers, all its state
# in one folder.

use strict;
use warnings;

use File::Path qw(make_path);

use RegistryTest::Process;


# RegistryTest::Engine->start(test => $t, name => 'first')

sub start {
    my ($class, %o) = @_;

    my $dir = $o{test}->dir . "/$o{name}";
    my $self = bless { %o, dir => $dir, socket => "unix://$dir/docker.sock" },
        $class;

    make_path($dir);

    $self->{process} = RegistryTest::Process->start(
        name => 'dockerd', log => "$dir/log", command => [
            'dockerd', '--host', $self->{socket},
            '--data-root', "$dir/data", '--exec-root', "$dir/exec",
            '--pidfile', "$dir/docker.pid", '--storage-driver', 'vfs',
            qw(--bridge=none --iptables=false --ip6tables=false
               --ip-forward=false --ip-masq=false --log-level=warn) ]);

    $self->{process}->wait_until('answering', sub {
        $o{test}->command($self->docker('version'))->{status} == 0 });

    return $self;
}


# The command line of the docker client for this engine.

sub docker {
    my ($self, @arguments) = @_;

    return ('docker', '--host', $self->{socket}, @arguments);
}


sub stop {
    my ($self) = @_;

    $self->{process}->stop;
}


1;
