#!/usr/bin/perl

# A worker is killed, nginx reloads, or the node is lost, at each step of a
# push; then the client tries again, as docker does from the beginning, or as
# the API lets it, from where the upload is.  No blob is ever wrong, and none
# that was acknowledged is lost.
#
# Environment:
#   REGISTRY_SEED    repeats what a run did
#   REGISTRY_ROUNDS  2; each takes about 4 seconds

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;


my $seed = $ENV{REGISTRY_SEED} // time;
srand $seed;
note "REGISTRY_SEED=$seed";

my $t = RegistryTest->new;
my %options = (directives =>
    'registry_part_size 1m; registry_single_node on;');
$t->start(%options);

my $name = 'crash';
my %acknowledged;                       # digest => bytes

my %events = (
    'kill -9 of the workers' => sub {
        my @workers = $t->workers;
        kill 'KILL', @workers;
        my %old = map { $_ => 1 } @workers;
        $t->{nginx}->wait_until('new workers', sub {
            grep { !$old{$_} } $t->workers });
    },
    'reload' => sub { $t->reload },
    'loss of the node' => sub { $t->kill_hard; $t->start(%options) },
);

# each gets an upload's bytes and digest, and a function that makes the event;
# they die, are refused, or acknowledge

my %steps = (
    'after POST' => sub {
        my ($bytes, $digest, $event) = @_;
        my $location = $t->client->begin_upload($name);
        $event->();
        return close_upload(patch($location, $bytes), $digest);
    },
    'in PATCH' => sub {
        my ($bytes, $digest, $event) = @_;
        my $location = $t->client->begin_upload($name);
        my ($status, $next) = in_body('PATCH', $location, $bytes, $event);
        return resume($location, $bytes, $digest)
            if !$status || $status != 202;
        return close_upload($next, $digest);
    },
    'after PATCH' => sub {
        my ($bytes, $digest, $event) = @_;
        my $location = patch($t->client->begin_upload($name), $bytes);
        $event->();
        return close_upload($location, $digest);
    },
    'in the closing PUT' => sub {
        my ($bytes, $digest, $event) = @_;
        my $location = patch($t->client->begin_upload($name), $bytes);
        my $socket = $t->client->raw('PUT '
            . $t->client->with_digest($location, $digest)
            . " HTTP/1.1\nContent-Length: 0\n");
        sleep rand 0.03;
        $event->();
        my ($status) = answer($socket);
        return $status == 201 ? $status : close_upload($location, $digest);
    },
    'in PUT of all' => sub {
        my ($bytes, $digest, $event) = @_;
        my ($status) = in_body('PUT', $t->client->with_digest(
            $t->client->begin_upload($name), $digest), $bytes, $event);
        return $status;
    },
    'after PUT' => sub {
        my ($bytes, $digest, $event) = @_;
        my $location = patch($t->client->begin_upload($name), $bytes);
        my $status = close_upload($location, $digest);
        $acknowledged{$digest} = $bytes if $status == 201;
        $event->();
        return $status;
    },
);


for my $round (1 .. $ENV{REGISTRY_ROUNDS} // 2) {
    for my $step (sort keys %steps) {
        for my $event (sort keys %events) {
            crash("$event $step", $steps{$step}, $events{$event});
        }
    }
}

is_right('blob that was acknowledged', $_) for sort keys %acknowledged;

my @parts = grep { $_->{name} !~ m{^files/} } @{ $t->store->list };
note scalar(@parts) . ' objects of broken pushes are left until they expire';

$t->stop;
$t->check_log(killed => 1);
done_testing;


sub crash {
    my ($test, $step, $event) = @_;

    my $bytes = join '', map { pack 'N', rand 2 ** 32 } 1 .. 2 ** 14;
    $bytes x= 1 + int rand 50;          # up to 3.2 MB, which are four parts
    $bytes .= 'x' x rand 1000;
    my $digest = 'sha256:' . sha256_hex($bytes);

    my $status = eval { $step->($bytes, $digest, $event) } // 0;
    note "$test: " . ($status || $@);

    # what is not acknowledged is absent or right

    $acknowledged{$digest} = $bytes if $status == 201;
    my $r = $t->client->request('GET', "/v2/$name/blobs/$digest");
    ok $r->{status} == 200 && $r->{content} eq $bytes
        || $r->{status} == 404 && !$acknowledged{$digest},
        "$test: no wrong blob";

    $t->client->push_blob($name, $bytes);
    $acknowledged{$digest} = $bytes;
    is_right("$test, then a push", $digest);
}


sub is_right {
    my ($test, $digest) = @_;

    my $r = $t->client->request('GET', "/v2/$name/blobs/$digest");

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $r->{status} == 200 && $r->{content} eq $acknowledged{$digest}, $test;
}


sub patch {
    my ($location, $bytes) = @_;

    my $r = $t->client->request('PATCH', $location, {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => $bytes,
    });
    die "PATCH: $r->{status} $r->{content}" if $r->{status} != 202;

    return $r->{headers}{location};
}


sub close_upload {
    my ($location, $digest) = @_;

    my $r = $t->client->request('PUT',
        $t->client->with_digest($location, $digest));

    return $r->{status};
}


# from where the status says that the upload is

sub resume {
    my ($location, $bytes, $digest) = @_;

    my $r = $t->client->request('GET', $location);
    return $r->{status} if $r->{status} != 204;

    my ($last) = $r->{headers}{range} =~ /^0-(\d+)$/;
    my $have = $last ? $last + 1 : 0;
    note "resumed at $have of " . length $bytes;

    $location = patch($r->{headers}{location}, substr $bytes, $have)
        if $have < length $bytes;

    return close_upload($location, $digest);
}


# the event comes in the middle of the body; (status, Location)

sub in_body {
    my ($method, $location, $bytes, $event) = @_;

    my $socket = $t->client->raw("$method $location HTTP/1.1\n"
        . "Content-Type: application/octet-stream\nConnection: close\n"
        . 'Content-Length: ' . length($bytes) . "\n");
    my $half = int rand length $bytes;

    print $socket substr $bytes, 0, $half;
    sleep rand 0.03;
    $event->();
    print $socket substr $bytes, $half;

    return answer($socket);
}


sub answer {
    my ($socket) = @_;

    local $/;
    my $text = <$socket> // '';
    my ($status) = $text =~ m{^HTTP/1\.1 (\d+)};
    my ($location) = $text =~ /^Location: (\S+)/mi;

    return ($status // 0, $location);
}
