#!/usr/bin/perl

# In the middle of each operation, at each request that RGW gets of it, the
# worker is killed, or the client leaves, by HTTP/1.1 and by HTTP/2.  What was
# acknowledged before is there, nothing half-done is seen, the next try
# succeeds, and nothing of the request is left in nginx.
#
# Every other request; INTERRUPTED="MODE:OPERATION" chooses (regular
# expressions), and takes all of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Operations;


my @modes = ('killed', 'HTTP/1.1', 'HTTP/2');
my $all = defined $ENV{INTERRUPTED};
my ($only_mode, $only) = ($ENV{INTERRUPTED} // ':') =~ /^(.*):(.*)$/;

my $direct = RegistryTest->new;
$direct->start(auth => 0,
    directives => 'registry_part_size 1m; registry_cache off;');

my %t;
my %faults;

for (@modes) {
    $t{$_} = RegistryTest->new(container => $direct->container);
    $faults{$_} = RegistryTest::Faults->new($t{$_});

    # one auth server: nodes that name another one do not know its uploads

    $t{$_}->start(auth => 0, workers => 1, rgw => $faults{$_}->address,
        auth_url => $ENV{RGW_AUTH_URL},
        directives => 'registry_part_size 1m; registry_read_timeout 10s;'
            . ($ENV{ASAN_OPTIONS} ? 'registry_single_node on;' : ''),
        server => 'location = /status { registry_status prometheus; }');
}

my %child;

for my $mode (grep { /(?:$only_mode)/ } @modes) {
    my $pid = fork // die "cannot fork: $!";

    if ($pid == 0) {
        write_file("$direct->{dir}/result-" . $mode =~ s{/}{}r,
            encode_json(interrupt($mode)));
        POSIX::_exit(0);
    }

    $child{$mode} = $pid;
}

for my $mode (sort keys %child) {
    waitpid $child{$mode}, 0;
    my $result = eval { decode_json(
        read_file("$direct->{dir}/result-" . $mode =~ s{/}{}r)) };

    for (@{ $result // [['no result', 0, ['it died']]] }) {
        my ($op, $tried, $wrong) = @$_;
        is scalar @$wrong, 0, "$mode: $op: at $tried requests"
            or diag join "\n", map { substr $_, 0, 300 } @$wrong;
    }

    is in_flight($t{$mode}), 0, "$mode: nothing is left of it";
}

$_->stop for values %t;
$t{$_}->check_log(killed => $_ eq 'killed') for @modes;
$direct->finish;


# [operation, requests, [what was wrong]] of each

sub interrupt {
    my ($mode) = @_;

    my $t = $t{$mode};
    my $faults = $faults{$mode};
    my $o = RegistryTest::Operations->new(port => $t->{plain_port},
        direct => $direct->{plain_port});
    my @result;

    $o->act($o->prepare('catalog'));    # a token, the container

    for my $op (grep { /(?:$only)/ && !$o->reads($_) } $o->names) {
        my @wrong;

        $faults->plan;
        in_child($mode, $o, $o->prepare($op), 1);
        my $calls = grep { !m{ /auth/} } $faults->calls;
        my @all = 1 .. $calls;
        @all = grep { $_ % 2 == ($mode eq 'HTTP/2') } @all if !$all;

        for my $n (@all) {
            push @wrong, map { "request $n: $_" }
                eval { interrupted($mode, $o, $op, $n) };
            push @wrong, "request $n: died: $@" if $@;
        }

        push @result, [ $op, scalar @all, \@wrong ];
    }

    return \@result;
}


sub interrupted {
    my ($mode, $o, $op, $n) = @_;

    my $t = $t{$mode};
    my $faults = $faults{$mode};
    my $x = $o->prepare($op);
    my ($worker) = $t->workers;

    $faults->plan({ n => $n, fault => 'hold', match => '^(?!GET /auth)' });

    my $pid = in_child($mode, $o, $x);
    my @wrong;
    push @wrong, 'it never came to this request' if !$faults->wait_held(5);

    kill 'KILL', $mode eq 'killed' ? $worker : $pid;
    waitpid $pid, 0;

    if ($mode eq 'killed') {
        for (1 .. 200) {
            last if grep { $_ ne $worker } $t->workers;
            sleep 0.01;
        }
    }

    # RGW gets it all the same, or never

    $n % 2 ? $faults->release : $faults->plan;

    # what the client has left may go on by itself

    for (1 .. 500) {
        last if !$faults->busy && !in_flight($t);
        sleep 0.01;
    }

    $faults->plan;
    $o->{c} = fresh($t);

    push @wrong, $o->broken($x, 0);
    push @wrong, $o->again($x);
    push @wrong, map { "afterwards: $_" } $o->broken($x, 1)
        if $op !~ /^PATCH/;

    return grep { $_ } @wrong;
}


# The client, its id; or its end, when that is waited for.

sub in_child {
    my ($mode, $o, $x, $wait) = @_;

    my $pid = fork // die "cannot fork: $!";

    if ($pid == 0) {
        $o->{c} = $mode eq 'HTTP/2' ? Curl->new($t{$mode}) : fresh($t{$mode});
        eval { $o->act($x) };
        POSIX::_exit(0);
    }

    waitpid $pid, 0 if $wait;

    return $pid;
}


sub in_flight {
    my ($t) = @_;

    my $r = eval { fresh($t)->request('GET', '/status') };
    my $sum = 0;

    $sum += $_ for ($r->{content} // 'none')
        =~ /^registry_http_in_flight_requests\S* (\d+)/mg;

    return $sum;
}


# connections are not shared with children

sub fresh {
    my ($t) = @_;

    return RegistryTest::Client->new(port => $t->{plain_port}, timeout => 20);
}


# curl instead of this process: it does not return

package Curl;

sub new {
    my ($class, $t) = @_;

    return bless { t => $t }, $class;
}


sub with_digest { RegistryTest::Client::with_digest(@_) }


sub request {
    my ($self, $method, $path, $o) = @_;

    my $t = $self->{t};
    my $content = $o->{content};
    my $body = '';

    if (ref $content) {
        while (defined(my $some = $content->())) {
            $body .= $some;
        }

    } else {
        $body = $content // '';
    }

    my $file = "$t->{dir}/body$$";
    RegistryTest::Image::write_file($file, $body);

    open STDOUT, '>', '/dev/null';
    exec 'curl', '-s', '--http2', '--cacert', $t->ca, '-X', $method,
        '-H', 'Expect:', (map { ('-H', "$_: $o->{headers}{$_}") }
            keys %{ $o->{headers} }),
        length $body ? ('--data-binary', "\@$file")
            : $method =~ /^P/ ? ('-H', 'Content-Length: 0') : (),
        'https://' . $t->host . $path;
}
