#!/usr/bin/perl

# A real OpenStack Swift: its listings are five seconds late, and its clock goes
# on by eight days.  What was acknowledged can be pulled at once and for ever,
# and nothing but it stays.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Image qw(write_file);


my $PART = 1 << 20;
my $DAYS = 8 * 86400;                   # registry_upload_expires is 7d
my @OCTETS = (headers => { 'Content-Type' => 'application/octet-stream' });

$ENV{SWIFT_LAG} //= 5;
$ENV{SWIFT_CLOCK} = 0;
my $t = RegistryTest->new(storage => 'swift');
my $swift = $t->dir . '/swift';

# the storage is asked each time
my @config = (auth => 0,
    directives => 'registry_part_size 1m; registry_cache off;');
$t->start(@config);
my $c = $t->client;

my $node = RegistryTest->new(container => $t->container);
$node->start(@config);
my $other = $node->client;

my %pushed;                             # digest => bytes


late_listings();
lost_space();
expiry();
container_gone();

$node->stop;
$node->check_log;
$t->finish;


# ---- what is pushed can be pulled, whatever a listing says

sub late_listings {
    push_and_pull('in one PATCH', bytes(1000));
    push_and_pull('in three PATCHes', map { bytes(1000) } 1 .. 3);
    push_and_pull('in parts', bytes(3 * $PART + 5));
    push_and_pull('in parts, by several PATCHes',
        map { bytes($PART + 7) } 1 .. 3);
    push_and_pull('the last bytes in the PUT', bytes(1000), \bytes(500));
    push_and_pull('parts, the last bytes in the PUT', bytes(2 * $PART),
        \bytes(500));
    push_and_pull('all in the PUT', \bytes(2000));

    my $bytes = bytes(3000);
    my $digest = remember($bytes);
    is $c->request('POST', "/v2/late/blobs/uploads/?digest=$digest",
        { @OCTETS, content => $bytes })->{status}, 201, 'in one POST';
    is pull($other, $digest), 'same', 'in one POST: pulled';

    # resumed, on another node and after what it has not seen
    my @pieces = map { bytes($PART + 11) } 1 .. 3;
    $digest = remember(join '', @pieces);
    my $location = $c->begin_upload('late');
    my $n = 0;

    for my $piece (@pieces) {
        my $node = $n ? $other : $c;
        my $r = $node->request('PATCH', path($location), { headers => {
                'Content-Type' => 'application/octet-stream',
                'Content-Range' => $n . '-' . ($n + length($piece) - 1),
            }, content => $piece });
        is $r->{status}, 202, "resumed at $n: 202";
        $n += length $piece;

        $r = $other->request('GET', path($r->{headers}{location}));
        is $r->{status}, 204, "asked for it: 204";
        is $r->{headers}{range}, '0-' . ($n - 1), "asked for it: its length";
        $location = $r->{headers}{location} // $location;
    }

    is $other->request('PUT', $c->with_digest(path($location), $digest))
        ->{status}, 201, 'resumed: 201';
    is pull($_, $digest), 'same', 'resumed: pulled' for $c, $other;

    my ($manifest) = $c->manifest('{}', $bytes);
    push_pieces(remember('{}'), '', '{}');
    is $c->put_manifest('late', 'v1', $manifest)->{status}, 201, 'a manifest';
    is $other->request('GET', '/v2/late/manifests/v1')->{content}, $manifest,
        'and it is pulled';
}


# A reference has bytes of the closing PUT.

sub push_and_pull {
    my ($name, @pieces) = @_;

    my $last = ref $pieces[-1] ? ${ pop @pieces } : '';
    my $digest = remember(join '', @pieces, $last);
    my @status = push_pieces($digest, $last, @pieces);

    is "@status", join(' ', (202) x @pieces, 201), $name;
    is pull($c, $digest), 'same', "$name: pulled";
    is pull($other, $digest), 'same', "$name: pulled from the other node";
}


sub push_pieces {
    my ($digest, $last, @pieces) = @_;

    my $location = $c->begin_upload('late');
    my @status;

    for my $piece (@pieces) {
        my $r = $c->request('PATCH', path($location),
            { @OCTETS, content => $piece });
        push @status, $r->{status};
        return @status if $r->{status} != 202;
        $location = $r->{headers}{location};
    }

    my $r = $c->request('PUT', $c->with_digest(path($location), $digest),
        { @OCTETS, content => $last });

    return @status, $r->{status};
}


# ---- nothing stays but what was acknowledged

sub lost_space {
    my @pieces = map { bytes(90_000) } 1 .. 2;
    my $bytes = join '', @pieces;
    my $digest = remember($bytes);

    is_deeply [push_pieces($digest, '', @pieces)], [202, 202, 201],
        'a blob of two parts';
    is $c->request('POST', "/v2/late/blobs/uploads/?digest=$digest",
        { @OCTETS, content => $bytes })->{status}, 201, 'and again in one';
    is pull($c, $digest), 'same', 'it is whole';

    for my $n (1 .. 6) {
        @pieces = map { bytes(90_000) } 1 .. 2;
        $digest = remember(join '', @pieces);
        my %status;
        $status{$_}++ for at_once($digest, @pieces);

        is_deeply [keys %status], [201],
            "two close one blob at once, $n";
        is pull($c, $digest), 'same', "whole, $n";
    }

    # no listing is late any more, and all have come
    write_file("$swift/lag", 0);
    sleep 7;

    my (%have, %used);
    $have{s{/[^/]+$}{}r}++ for grep { m{^segments/} } @{ $t->store->names };

    for my $name (map { RegistryTest::blob_name($_) } keys %pushed) {
        my $r = $t->store->swift('HEAD', "/$name");
        is $r->{status}, 200, 'a blob is there';
        my $manifest = $r->{headers}{'x-object-manifest'} or next;
        $used{$manifest =~ s{^[^/]+/|/$}{}gr} = 1;
    }

    is_deeply [sort keys %have], [sort keys %used],
        'all segments belong to a blob';
}


# Two uploads of the same bytes, whose closing PUTs come together.

sub at_once {
    my ($digest, @pieces) = @_;

    my @children;
    pipe my $go, my $start;

    for my $client ($c, $other) {
        pipe my $out, my $in;
        my $pid = fork() // die "cannot fork: $!";

        if (!$pid) {
            close $start;
            my $location = $client->begin_upload('late');
            $location = $client->request('PATCH', path($location // ''),
                { @OCTETS, content => $_ })->{headers}{location} for @pieces;
            $location // POSIX::_exit(1);
            syswrite $in, "ready\n";
            sysread $go, my $end, 1;
            syswrite $in, $client->request('PUT', $client->with_digest(
                path($location), $digest))->{status} . "\n";
            POSIX::_exit(0);
        }

        close $in;
        push @children, [$pid, $out];
    }

    my @ready = map { scalar readline $_->[1] } @children;
    close $start;

    return map {
        my $status = readline($_->[1]) // "no answer\n";
        waitpid $_->[0], 0;
        chomp $status;
        $status;
    } @children;
}


# ---- eight days later

sub expiry {
    my $r = $c->request('PATCH', path($c->begin_upload('late')),
        { @OCTETS, content => bytes(2 * $PART) });
    is $r->{status}, 202, 'one more upload, which is left alone';

    write_file("$swift/clock", $DAYS);
    sleep 1;

    for my $digest (sort keys %pushed) {
        is pull($c, $digest), 'same', 'eight days later: '
            . length($pushed{$digest}) . ' bytes';
    }

    is $c->request('GET', '/v2/late/manifests/v1')->{status}, 200,
        'eight days later: the manifest';

    my @left = grep { !m{^files/docker/registry/v2/} && !m{^segments/ngx/} }
        @{ $t->store->names };
    cmp_ok scalar(@left), '>', 0, 'what was left alone is listed still';
    is $t->store->swift('HEAD', "/$_")->{status}, 404, "$_: expired" for @left;
}


# ---- unknown is what is not in the container; a container that is gone is not

sub container_gone {
    my $r = RegistryTest->new;
    $r->start(@config);
    my $client = $r->client;

    my ($manifest, $digest) = $client->manifest('{}', 'a layer');
    my $type = { headers => { 'Content-Type' =>
        'application/vnd.oci.image.manifest.v1+json' } };
    my @unknown = (
        [404, 'GET', "/v2/late/blobs/$digest"],
        [404, 'HEAD', "/v2/late/blobs/$digest"],
        [404, 'DELETE', "/v2/late/blobs/$digest"],
        [404, 'GET', '/v2/late/manifests/v1'],
        [404, 'HEAD', "/v2/late/manifests/$digest"],
        [400, 'PUT', '/v2/late/manifests/v1', { %$type,
            content => $manifest }],
        [404, 'DELETE', "/v2/late/manifests/$digest"],
    );

    for (@unknown) {
        my ($status, @request) = @$_;
        is $client->request(@request)->{status}, $status,
            "$request[0] $request[1]: $status";
    }

    is $r->store->remove, 204, 'the container is taken away';

    for (@unknown) {
        my ($status, @request) = @$_;
        my $got = $client->request(@request);
        is $got->{status}, 503, "$request[0] $request[1]: 503";
        like $got->{content}, qr/container does not exist/, 'for that'
            if $request[0] ne 'HEAD';
    }

    $r->stop;
    $r->check_log;
}


# ---- what clients do

sub bytes {
    my ($n) = @_;

    my $seed = rand;

    return substr join('', map { sha256_hex("$seed $_") } 0 .. $n / 64), 0, $n;
}


sub remember {
    my ($bytes) = @_;

    my $digest = 'sha256:' . sha256_hex($bytes);
    $pushed{$digest} = $bytes;

    return $digest;
}


sub path {
    my ($location) = @_;

    return $location =~ s{^https?://[^/]+}{}r;
}


# "same", or what came instead

sub pull {
    my ($client, $digest) = @_;

    my $r = eval { $client->request('GET', "/v2/late/blobs/$digest") }
        // return "broken: $@";

    return $r->{content} eq $pushed{$digest} ? 'same'
        : "$r->{status}, " . length($r->{content}) . ' bytes';
}
