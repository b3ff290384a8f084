#!/usr/bin/perl

# What another node has changed is seen after registry_cache_valid, however
# long the storage takes to answer; and what a node has acknowledged is seen
# there at once, though it was the other one that did it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep clock_gettime CLOCK_MONOTONIC);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file);


my $NAME = 'team/app';
my $TICK = 0.01;                # nginx's clock has milliseconds
my ($config, $n) = ('{"os":"linux"}', 0);

my $a = RegistryTest->new;
my $b = RegistryTest->new(container => $a->container);
my $faults = RegistryTest::Faults->new($b);

$a->start(directives => 'registry_cache_valid 0;');
start('1s');
$a->client->push_blob($NAME, $config);


sub start {
    my ($valid, $workers) = @_;

    $b->stop;
    $faults->plan;
    $b->start(rgw => $faults->address, auth => 0, workers => $workers // 2,
        directives => "registry_cache_valid $valid;");
}


sub now { clock_gettime(CLOCK_MONOTONIC) }
sub until_time { my $s = $_[0] - now(); sleep $s if $s > 0 }


# never the same bytes

sub new_manifest {
    my ($bytes, $digest) = $a->client->manifest($config);

    $n++;
    $bytes =~ s/\}$/,"annotations":{"n":"$n"}}/;

    return ($bytes, 'sha256:' . sha256_hex($bytes));
}


# on the first node; the time when it was acknowledged

sub push_manifest {
    my ($reference, $bytes) = @_;

    my $r = $a->client->put_manifest($NAME, $reference, $bytes);
    is $r->{status}, 201, "push of $reference";

    return now();
}


sub path { "/v2/$NAME/manifests/$_[0]" }


# A request to the second node, beside the test; a function that waits for its
# status, as hundreds.

sub begin {
    my ($method, $path) = @_;

    my $pid = fork // die "cannot fork: $!";

    if (!$pid) {
        my $r = $b->client->request($method, $path);
        require POSIX;
        POSIX::_exit($r->{status} / 100);
    }

    return sub { waitpid $pid, 0; return 100 * ($? >> 8) };
}


# until RGW has answered, but nginx does not know it yet

sub wait_answered {
    my ($match) = @_;

    for (1 .. 1000) {
        return if grep { /$match.* \d+ slow$/ } $faults->calls;
        sleep 0.01;
    }

    die "RGW did not answer $match";
}


# many at once, of all workers: what they got

sub read_all {
    my ($path) = @_;

    my $url = "http://127.0.0.1:$b->{plain_port}$path";
    my @files = map { "$b->{dir}/tmp/read.$_" } 1 .. 12;

    unlink @files;
    $b->run('curl', '-sZ', '--parallel-immediate', '--parallel-max', 12,
        '-H', "Accept: $RegistryTest::Client::ACCEPT",
        map { ('-o', $_, $url) } @files);

    return join "\n", uniq(map { read_file($_) } @files);
}


sub uniq { my %seen; return grep { !$seen{$_}++ } @_ }


# a reply is as old as its call

my ($old) = new_manifest();
my ($new) = new_manifest();
push_manifest('v1', $old);

$faults->plan({ match => 'GET .*/v1/current/link', n => 1, fault => 'slow',
    at => 1.5 });
my $first = begin('GET', path('v1'));
wait_answered('/v1/current/link');
my $changed = push_manifest('v1', $new);
is $first->(), 200, 'a read that takes longer than registry_cache_valid';
until_time($changed + 1 + $TICK);
is $b->client->request('GET', path('v1'))->{content}, $new,
    'what it told is not believed longer for that';


# nobody waits for a call that began too long ago

for ([0.3, 1], [0.3, 4], [0, 1]) {
    my ($valid, $workers) = @$_;

    start($valid * 1000 . 'ms', $workers);
    ($old, $new) = map { (new_manifest())[0] } 1, 2;
    push_manifest('v2', $old);

    $faults->plan({ match => 'GET .*/v2/current/link', n => 1,
        fault => 'slow', at => 2 });
    $first = begin('GET', path('v2'));
    wait_answered('/v2/current/link');
    $changed = push_manifest('v2', $new);
    until_time($changed + $valid + $TICK);
    is read_all(path('v2')), $new,
        "a change while a call is under way, $valid s, $workers workers";
    is $first->(), 200, 'the call is answered, too';
    cmp_ok scalar(grep { m{/v2/current/link} } $faults->calls), '<', 6,
        'and there are fewer calls than requests';


    # bytes that were not there, and are

    my ($bytes, $digest) = new_manifest();
    my $hex = $digest =~ s/^sha256://r;

    $faults->plan({ match => "GET .*/$hex/data", n => 1, fault => 'slow',
        at => 2 });
    $first = begin('GET', path($digest));
    wait_answered("/$hex/data");
    $changed = push_manifest($digest, $bytes);
    until_time($changed + $valid + $TICK);
    is read_all(path($digest)), $bytes, 'a push while its bytes are asked for';
    is $first->(), 400, 'which were not there then';
}


# all that follows is believed for an hour, unless it is forgotten

start('1h');

my $blob = "a blob, $n";
my $digest = 'sha256:' . sha256_hex($blob);
my $here = "/v2/$NAME/blobs/$digest";

is $b->client->request('HEAD', $here)->{status}, 404, 'no such blob';
$a->client->push_blob('team/other', $blob);
is $b->client->request('POST', "/v2/$NAME/blobs/uploads/?mount=$digest"
    . '&from=team/other')->{status}, 201, 'mounted, pushed by the other node';
is $b->client->request('HEAD', $here)->{status}, 200, 'and seen at once';


# both nodes delete a tag, the other one is quicker

push_manifest('v3', (new_manifest())[0]);

$faults->plan({ match => 'GET .*prefix=.*v3', n => 1, fault => 'hold' });
my $deleted = begin('DELETE', path('v3'));
ok $faults->wait_held, 'a delete that has seen the tag';
is $b->client->request('GET', path('v3'))->{status}, 200, 'it is read';
is $a->client->request('DELETE', path('v3'))->{status}, 202,
    'and deleted by the other node';
$faults->release;
is $deleted->(), 200, 'then by this one';
is $b->client->request('GET', path('v3'))->{status}, 404,
    'and is gone at once';


# one that is pushed while it is deleted: all of it is there, or nothing

push_manifest('v4', (new_manifest())[0]);

$faults->plan({ match => 'DELETE .*/v4/current/link', n => 1,
    fault => 'hold' });
$deleted = begin('DELETE', path('v4'));
ok $faults->wait_held, 'a delete at its last link';
push_manifest('v4', (new_manifest())[0]);
$faults->release;
is $deleted->(), 200, 'comes behind the push';
is $a->client->request('GET', path('v4'))->{status}, 404, 'which is gone';
unlike $a->client->request('GET', "/v2/$NAME/tags/list")->{content}, qr/"v4"/,
    'and not listed';

$a->stop;
$a->check_log;
$b->finish;
