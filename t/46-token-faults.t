#!/usr/bin/perl

# The auth server fails, by each fault of RegistryTest::AuthFaults, for
# TempAuth v1 and Keystone v3, when the first token is to be had ("first"), when
# one is to be renewed ("renewal"), and when the storage has refused one in the
# middle of a push ("refused").  Clients get 503 with Retry-After, never 401; a
# token that the storage takes is used until it does not; the log says what to
# mend; there is one request at a time and not many; and when the auth server
# is well again, all goes on by itself, the uploads too.
#
# All of them at once, each a user of its own: half a minute with faults, some
# seconds without.  TOKEN_FAULTS chooses users by a regular expression.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::AuthFaults;
use RegistryTest::Client;
use RegistryTest::Image qw(read_file write_file);


my $FAULTY = 31;                # seconds
my $BACK = 22;                  # a stalled request and a wait, at the latest
my $LONGEST = 13;               # of an answer
my $MOST = 9;                   # requests for a token meanwhile

my @situations = qw(first renewal refused);
my @users = grep { /$ENV{TOKEN_FAULTS}/ } map {
    my $version = $_;
    map { my $fault = $_; map { "$_-$fault-$version" } @situations }
        RegistryTest::AuthFaults->faults($version)
} 'v1', 'v3' if ($ENV{TOKEN_FAULTS} //= '.');

my $t = RegistryTest->new;
my $auth = RegistryTest::AuthFaults->new($t, @users);

# before nginx is there, which asks for the first tokens by itself
my ($config, $layer) = ('{}', 'layer');
my %wrong;
my (%upload, %whole);

$t->start(auth => 0, connections => 8192, http => $auth->gate, server =>
    join '', map { $t->location("/$_/v2/", 'registry_cache off;',
        $auth->directives($_)) } @users);

my $began = time;
my $c = $t->client;
$c->push_blob('app', $_) for $config, $layer;
$c->put_manifest('app', 'v1', ($c->manifest($config, $layer))[0]);

my @part = map { $_ x 50_000 . rand } 'a', 'b';
my $digest = 'sha256:' . sha256_hex("$part[0]$part[1]");

# the first tokens are there, or are not

run(map { job($_, 'GET', 'app/tags/list', want($_, 'first')) }
    grep { !/^refused/ } @users);
run(map { my $user = $_; job($user, 'POST', 'app/blobs/uploads/',
        sub { taken($user, 202, @_) }) } grep { /^refused/ } @users);
run(map { my $user = $_; patch($user, $part[0],
        sub { taken($user, 202, @_) }) } grep { $upload{$_} } @users);

# the storage refuses some, and several requests find that out at once

$auth->revoke($_) for grep { /^refused/ } @users;

run(map { my $user = $_; (
    patch($user, $part[1], sub { fed($user, @_) }),
    map { job($user, 'GET', 'app/tags/list', want($user, 'refused')) } 1 .. 4
) } grep { $upload{$_} } @users);

# and so on, once a second

run(map { again($_, $began + $FAULTY) } @users);

my %asked = map { $_ => scalar @{ $auth->asked($_) } } @users;
$auth->heal;

my %late;
run(map { until_good($_, time + $BACK) } @users);

# uploads that were interrupted go on

my @pushed = grep { $upload{$_} } @users;

run(map { my $user = $_; job($user, 'GET', $upload{$user},
        sub { taken($user, 204, @_) }) } @pushed);
run(map { my $user = $_; patch($user, $part[1],
        sub { taken($user, 202, @_) }) } grep { !$whole{$_} } @pushed);
run(map { my $user = $_; job($user, 'PUT',
        $c->with_digest($upload{$user}, $digest),
        sub { wrong($user, "the upload's end: $_[0]{status}")
            if $_[0]{status} != 201 }) } @pushed);
run(map { my $user = $_; job($user, 'GET', "app/blobs/$digest",
        sub { wrong($user, 'the blob has other bytes')
            if $_[0]{content} ne "$part[0]$part[1]" }) } @pushed);

# tokens were renewed in time: the first one is not needed any more

for (grep { /^renewal/ } @users) {
    my $user = $_;
    sleep 0.1 while @{ $auth->asked($user) } <= $asked{$user}
        && fault_of($user) !~ /^(expires-none|expires-word)$/
        && !harmless($user) && time < $began + $FAULTY + 2 * $BACK;
    unlink "$auth->{dir}/tokens/$user.1" if $auth->tokens($user) > 1;
}
run(map { my $user = $_; job($user, 'GET', 'app/tags/list', sub {
    wrong($user, "with the new token: $_[0]{status}")
        if $_[0]{status} != 200 }) } grep { /^renewal/ } @users);

look_at($_) for @users;
report();
ok !$auth->evil, 'nobody else was asked';
$t->finish(allow => qr/registry:|upstream/);


# ---- what must be


sub fault_of { ($_[0] =~ /^[a-z]+-(.*)-v\d$/)[0] }
sub harmless { RegistryTest::AuthFaults->harmless(fault_of($_[0])) }
sub wrong { push @{ $wrong{$_[0]} }, $_[1] }


sub is_503 {
    my ($user, $what, $r) = @_;

    return wrong($user, "$what: no answer") if !$r->{status};
    return wrong($user, "$what: $r->{status} $r->{content}")
        if $r->{status} != 503;

    wrong($user, "$what: no Retry-After") if !$r->{headers}{'retry-after'};
    wrong($user, "$what: $r->{content}")
        if $c->error_code($r) ne 'UNAVAILABLE';

    return;
}


# 200 or 503, by what the user is.  A new token that the storage does not take
# changes nothing before the one that it took has ended.

sub want {
    my ($user) = @_;

    my $good = harmless($user) || $user =~ /^renewal/;
    my $stale = $user =~ /^renewal-stale/;

    return sub {
        my ($r) = @_;

        return is_503($user, 'a request', $r)
            if !$good || ($stale && $r->{status} != 200
                && time > $began + RegistryTest::AuthFaults->life - 1);
        wrong($user, "a request: $r->{status} " . ($r->{content} // ''))
            if $r->{status} != 200;
        return;
    };
}


sub again {
    my ($user, $end) = @_;

    my $want = want($user);

    return job($user, 'GET', 'app/tags/list', sub {
        my ($r) = @_;

        $want->($r);
        return time > $end ? () : { %{ again($user, $end) }, at => time + 1 };
    });
}


sub until_good {
    my ($user, $end) = @_;

    return job($user, 'GET', 'app/tags/list', sub {
        my ($r) = @_;

        return if $r->{status} == 200;
        is_503($user, 'before the next token', $r);

        if (time > $end) {
            wrong($user, "does not come back: $r->{status}");
            return;
        }
        return { %{ until_good($user, $end) }, at => time + 0.5 };
    });
}


# An upload's answer: where it goes on

sub taken {
    my ($user, $status, $r) = @_;

    if ($r->{status} != $status) {
        wrong($user, "the upload: $r->{status}, not $status");
        return;
    }

    $upload{$user} = $r->{headers}{location} =~ s{^https?://[^/]+}{}r
        if $r->{headers}{location};

    return;
}


# A body that went to the storage with the old token is to be sent again, unless
# another request had a new one before.

sub fed {
    my ($user, $r) = @_;

    return is_503($user, 'a body', $r)
        if $r->{status} != 202 || !harmless($user);

    $whole{$user} = 1;
    return taken($user, 202, $r);
}


sub look_at {
    my ($user) = @_;

    my @asked = @{ $auth->asked($user) };
    my ($situation) = $user =~ /^([a-z]+)/;

    wrong($user, "$asked{$user} requests for a token in $FAULTY s")
        if $asked{$user} > $MOST;

    for (1 .. $#asked) {
        wrong($user, 'two requests for a token at once')
            if $asked[$_][0] < $asked[$_ - 1][1] - 0.5;
    }

    my @said = grep { /registry: .*user "\Q$user\E"/
        && !/gave user "\S+" a token for/ } log_lines();

    if (harmless($user)) {
        wrong($user, "the log: $said[0]") if @said;

    } else {
        wrong($user, 'the log does not say what to mend: '
              . ($said[0] // 'nothing'))
            if !grep { /check (registry_auth_\w+|that both)/ } @said;
        wrong($user, scalar(@said) . ' lines in the log') if @said > 2 * $MOST;
    }
}


my @lines;
sub log_lines { @lines ? @lines : (@lines = split /\n/,
    read_file($t->error_log)) }


sub report {
    my (%tried, %held, %all);

    for (@users) {
        my ($situation, $fault) = /^([a-z]+)-(.*)-v\d$/;
        $tried{$fault}++;
        $held{$fault}++ if !$wrong{$_};
        push @{ $all{$situation} }, map { "$_" } @{ $wrong{$_} // [] }
            ? "$_: " . join('; ', @{ $wrong{$_} }[0 .. (@{ $wrong{$_} } > 3
                ? 3 : $#{ $wrong{$_} })]) : ();
    }

    for my $situation (@situations) {
        my @bad = @{ $all{$situation} // [] };
        is scalar @bad, 0, "$situation: "
            . (grep { /^$situation/ } @users) . ' faults'
            or diag join "\n", map { substr $_, 0, 400 } @bad;
    }

    my $text = sprintf "%-16s %6s %6s\n", qw(fault tried held);
    $text .= sprintf "%-16s %6d %6d\n", $_, $tried{$_}, $held{$_} // 0
        for sort keys %tried;
    note $text;
    note 'requests for a token by user, at most: ' . max(values %asked);
    write_file($ENV{TOKEN_TABLE}, $text) if $ENV{TOKEN_TABLE};
}


# ---- requests, all at the same time
#
# A job: {user, bytes, at => when, done => sub ($reply) -> what follows}


sub job {
    my ($user, $method, $path, $done, $body) = @_;

    $path = "/$user/v2/$path" if $path !~ m{^/};
    $body //= '';

    return { user => $user, at => 0, done => $done, bytes =>
        "$method $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body" };
}


sub patch {
    my ($user, $bytes, $done) = @_;

    return job($user, 'PATCH', $upload{$user}, $done, $bytes);
}


sub run {
    my (@waiting) = @_;

    my %open;

    while (@waiting || %open) {
        my $now = time;
        my @now = grep { $_->{at} <= $now } @waiting;
        @waiting = grep { $_->{at} > $now } @waiting;

        for my $job (@now) {
            my $socket = IO::Socket::INET->new(PeerAddr => $c->{address})
                or die "cannot connect: $!";
            $socket->syswrite($job->{bytes});
            @$job{qw(socket began answer)} = ($socket, time, '');
            $open{fileno $socket} = $job;
        }

        my $read = '';
        vec($read, $_, 1) = 1 for keys %open;
        select $read, undef, undef, 0.1;

        for my $fd (grep { vec $read, $_, 1 } keys %open) {
            my $job = $open{$fd};
            next if $job->{socket}->sysread($job->{answer}, 65536,
                length $job->{answer});

            delete $open{$fd};
            close delete $job->{socket};

            my $r = RegistryTest::Client::parse($job->{answer})
                // { status => 0, content => '', headers => {} };
            my $took = time - $job->{began};

            wrong($job->{user}, sprintf 'it took %.1f s', $took)
                if $took > $LONGEST;
            push @waiting, grep { ref } $job->{done}->($r);
        }
    }
}
