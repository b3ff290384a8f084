#!/usr/bin/perl

# A client leaves in the middle of a body: what it is told afterwards is what
# the storage has, nothing of it is at a blob's name, and what is left expires.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Image qw(write_file);
use RegistryTest::Process;


my $PART = 1 << 20;
my $DAY = 24 * 60 * 60;

my $t = RegistryTest->new;
$t->start(directives =>
    'registry_part_size 1m; registry_single_node on;');

my $c = $t->client;
my $n = 0;


for my $http ('--http1.1', '--http2') {
    for my $method ('PATCH', 'PUT') {
        leaves("$method by $http", $http, $method, 2 * $PART + $PART / 2);
    }

    # of known length, and so short that it goes straight to the blob's name
    leaves("short PUT by $http", $http, 'PUT', 0);
}

$t->finish;


# sends so much, or half of a file, slowly

sub leaves {
    my ($test, $http, $method, $sent) = @_;

    my $name = 'leaves/' . ++$n;
    my $bytes = join '', map { pack 'N', rand 2 ** 32 } 1 .. 3 * $PART / 4;
    my $digest = 'sha256:' . sha256_hex($bytes);
    my $complete = int($sent / $PART) * $PART;

    my $begun = $c->begin_upload($name);
    my $location = $method eq 'PUT' ? $c->with_digest($begun, $digest)
        : $begun;
    my ($id) = $begun =~ m{/uploads/([^?]+)};

    my $final = final_names();
    my $logged = @{ $t->requests };
    my $fifo = $t->dir . "/fifo$n";
    my $file = $t->dir . "/file$n";
    write_file($file, substr $bytes, 0, $PART - 1);
    mkfifo($fifo, 0600) or die $!;

    # opened for both, so that neither side waits for the other
    open my $pipe, '+<', $fifo or die $!;
    my $client = RegistryTest::Process->start(name => 'curl',
        log => $t->dir . '/curl.log', stdin => $fifo, command => [
            'curl', $http, '-s', '--cacert', $t->ca, '-u', $t->login,
            '-X', $method, '-H', 'Expect:',
            $sent ? ('-T', '-') : ('-T', $file, '--limit-rate', '300k'),
            '-H', 'Content-Type: application/octet-stream',
            'https://' . $t->host . $location =~ s{^https?://[^/]+}{}r ]);
    write_all($pipe, substr $bytes, 0, $sent);

    is wait_for(sub { scalar parts($id) }, $complete / $PART),
        $complete / $PART, "$test: complete parts";
    sleep($sent ? 0.05 : 1);
    ok $client->alive, "$test: still sending";
    $client->stop('KILL');

    # nginx has noticed
    wait_for(sub { scalar(@{ $t->requests }) > $logged ? 1 : 0 }, 1);

    is_deeply final_names(), $final, "$test: nothing at a final name";

    for (parts($id)) {
        my $r = $t->store->swift('HEAD', "/$_");
        my $left = ($r->{headers}{'x-delete-at'} // 0) - time;
        ok $left > 6 * $DAY && $left < 8 * $DAY, "$test: a part expires";
    }

    my $r = $c->request('GET', $begun);
    is "$r->{status} $r->{headers}{range}",
        '204 0-' . ($complete ? $complete - 1 : 0), "$test: status";

    $r = $c->request('PATCH', $r->{headers}{location}, {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => substr $bytes, $complete,
    });
    is $r->{status}, 202, "$test: goes on";
    $r = $c->request('PUT', $c->with_digest($r->{headers}{location},
        $digest));
    is $r->{status}, 201, "$test: is closed";

    $r = $c->request('GET', "/v2/$name/blobs/$digest");
    ok $r->{status} == 200 && $r->{content} eq $bytes, "$test: is right";
}


sub final_names {
    return [ map { $_->{name} } map { @{ $t->store->list($_) } }
        'files/', 'segments/' ];
}


sub parts {
    my ($id) = @_;

    return grep { /\Q$id\E/ } map { $_->{name} }
        @{ $t->store->list('uploads/') };
}


# what it is in the end, or after ten seconds

sub wait_for {
    my ($what, $wanted) = @_;

    my $is;

    for (1 .. 200) {
        $is = $what->();
        last if $is == $wanted;
        sleep 0.05;
    }

    return $is;
}


# never waits for a client that has stopped reading

sub write_all {
    my ($pipe, $bytes) = @_;

    $pipe->blocking(0);

    for (1 .. 2000) {
        my $n = syswrite $pipe, $bytes;
        substr $bytes, 0, $n, '' if $n;
        return if !length $bytes;
        sleep 0.01 if !$n;
    }

    die 'the client does not read what it is to send';
}
