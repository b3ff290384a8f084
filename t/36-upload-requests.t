#!/usr/bin/perl

# What uploads ask of RGW, what they leave there, and that nothing of a blob
# expires, however its upload ended.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Patches;
use RegistryTest::Relay;
use RegistryTest::Rgw;


my $LONG = 70_000;                      # not merged, and worth a look before

my $t = RegistryTest->new;
my $relay = RegistryTest::Relay->new($t);
$t->start(auth => 0, rgw => $relay->address);

my $c = $t->client;
my %type = ('Content-Type' => 'application/octet-stream');

# token and container
$c->push_blob('first', 'first');
$relay->calls;


sub asked {
    my ($name, @wanted) = @_;

    # each worker looks once whether the container is there

    my $container = $t->container;
    my @got = map { /^(\S+)/ } grep { !m{^HEAD \S+/\Q$container\E \d+$} }
        @{ $relay->calls };

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is "@got", "@wanted", "$name: requests";
}


# of those that are made at the same time any is the first

sub sorted { join ' ', sort map { /^(\S+)/ } @{ $relay->calls } }


sub patch {
    my ($location, $bytes, %header) = @_;

    my @chunks = ($bytes);
    my $r = $c->request('PATCH', $location, {
        headers => { %type, %header },
        content => $header{Chunked} ? sub { shift @chunks } : $bytes });
    is $r->{status}, 202, 'PATCH';

    return $r->{headers}{location};
}


sub sha { 'sha256:' . sha256_hex(@_) }


sub close_upload {
    my ($location, $bytes) = @_;

    return $c->request('PUT', $c->with_digest($location, sha($bytes)))
        ->{status};
}


my $location = $c->begin_upload('docker');
asked('POST');
$location = patch($location, 'x' x $LONG, Chunked => 1);
asked('PATCH of unknown length', 'PUT', 'GET');
is close_upload($location, 'x' x $LONG), 201, 'PUT';
is sorted(), 'DELETE GET HEAD HEAD PUT PUT',
    'PUT of one part: requests';        # three of them at the same time

$location = patch($c->begin_upload('docker2'), 'x' x $LONG);
$relay->calls;
is close_upload($location, 'x' x $LONG), 201, 'PUT of what is there';
is sorted(), 'DELETE HEAD PUT', 'PUT of what is there: requests';

$location = $c->begin_upload('chunks');
$location = patch($location, 'a' x $LONG);
asked('the first PATCH', 'PUT', 'GET');
$location = patch($location, 'b' x $LONG);
asked('a long one behind it', 'GET', 'PUT', 'GET');
$location = patch($location, 'c');
asked('a short one behind it', 'PUT', 'GET');

$location = $c->begin_upload('whole');
is $c->request('PUT', $c->with_digest($location, sha('whole')),
    { headers => \%type, content => 'whole' })->{status}, 201, 'PUT';
is sorted(), 'GET GET HEAD PUT PUT', 'POST and PUT: requests';

is $c->request('POST', '/v2/whole/blobs/uploads/?digest=' . sha('at once'),
    { headers => \%type, content => 'at once' })->{status}, 201, 'POST';
is sorted(), 'GET HEAD PUT PUT', 'POST of all: requests';
is $c->request('POST', '/v2/again/blobs/uploads/?digest=' . sha('at once'),
    { headers => \%type, content => 'at once' })->{status}, 201, 'POST';
is sorted(), 'DELETE HEAD HEAD PUT PUT', 'POST of what is there: requests';


# nothing of a blob of several parts expires

sub expire {
    my ($name, $bytes) = @_;

    # what an upload that was broken off has copied is no blob's

    my %of;
    for (map { $_->{name} }
         @{ $t->store->list('files/docker/registry/v2/blobs/') })
    {
        my $h = $t->store->swift('HEAD', "/$_")->{headers};
        $of{$_} = $h;
        my $prefix = $h->{'x-object-manifest'} or next;
        $prefix =~ s{^[^/]+/}{};
        $of{$_} = $t->store->swift('HEAD', "/$_")->{headers}
            for map { $_->{name} } @{ $t->store->list($prefix) };
    }
    my @expire = grep { $of{$_}{'x-delete-at'} } sort keys %of;

    is "@expire", '', "$name: nothing expires";

    my $r = $c->request('GET', '/v2/large/blobs/' . sha($bytes));
    ok $r->{status} == 200 && $r->{content} eq $bytes, "$name: is right";
}


sub large {
    my ($letter) = @_;

    my $begun = $c->begin_upload('large');
    my $bytes = '';

    for (1 .. 3) {
        $begun = patch($begun, $letter x $LONG);
        $bytes .= $letter x $LONG;
    }

    return ($begun, $bytes);
}


# listings without parts: what the state names is known all the same

$relay->late(1);
{
    my ($begun, $late) = large('x');
    my $r = $c->request('GET', $begun);
    is "$r->{status} $r->{headers}{range}", '204 0-' . (3 * $LONG - 1),
        'listings without parts: where it stands';
    $begun = patch($r->{headers}{location}, 's');
    $begun = patch($begun, 's') for 1 .. 20;
    $late .= 's' x 21;
    $relay->calls;
    is close_upload($begun, $late), 201, 'listings without parts: PUT';
    my ($path) = $t->store->url =~ m{//[^/]+(/.*)};
    is scalar(grep { m{^GET \Q$path\E/[^/]+ } } @{ $relay->calls }), 1,
        'of which one is asked, for segments';
    expire('listings without parts', $late);

    ($begun) = large('y');
    is $c->request('DELETE', $begun)->{status}, 204, 'it is cancelled';
}
$relay->late(0);
is_deeply [grep { !/cancelled/ } map { $_->{name} }
    @{ $t->store->list('uploads/large/') }], [], 'and its parts are gone';
$t->store->swift('DELETE', "/$_->{name}")
    for @{ $t->store->list('segments/') };


my ($large, $bytes) = large('l');
is close_upload($large, $bytes), 201, 'several parts';
expire('several parts', $bytes);
my $segments = @{ $t->store->list('segments/') };
is $segments, 3, 'a segment for each';

is close_upload($large, $bytes), 201, 'PUT again';
expire('PUT again', $bytes);
is @{ $t->store->list('segments/') }, $segments, 'no new segments';

# radosgw looks for all that ever expired when it starts

if ($ENV{CEPH_CONF}) {
    RegistryTest::Rgw->new($t);
    sleep 2;
}

expire('the storage has started again', $bytes);
is @{ $t->store->list('segments/') }, $segments, 'all segments are there';

# the answer is lost, in the middle of the PUT and behind its end

for my $calls (4, 11) {
    my ($begun, $lost) = large($calls);
    my $path = $c->with_digest($begun, sha($lost)) =~ s{^https?://[^/]+}{}r;

    $relay->calls;
    my $socket = IO::Socket::INET->new('127.0.0.1:' . $t->{plain_port});
    $relay->slow(1);
    syswrite $socket, "PUT $path HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Length: 0\r\n\r\n";

    for (1 .. 200) {
        last if $relay->pending >= $calls;
        sleep 0.05;
    }

    close $socket;
    $relay->slow(0);

    is close_upload($begun, $lost), 201, "lost after $calls calls";
    expire("lost after $calls calls", $lost);
}

$t->stop;


# a node that is alone asks nobody where its uploads end; all of its workers
# know, also after a reload

$t->start(auth => 0, rgw => $relay->address, workers => 2,
    directives => 'registry_single_node on;');
$c = $t->client;
$c->push_blob('first', 'first');
$relay->calls;

$location = $c->begin_upload('alone');
my $place = $location;
$location = patch($location, 'a' x $LONG, Chunked => 1);
asked('alone: the first PATCH', 'PUT');
$t->reload;
$c = $t->client;
$relay->calls;
$location = patch($location, 'b' x $LONG);
asked('alone: a long one behind it, after a reload', 'PUT');
$location = patch($location, 'c');
asked('alone: a short one', 'PUT');

my @less = ('less');
my $range = $c->request('PATCH', $location, { headers => { %type,
    'Content-Range' => 2 * $LONG + 1 . '-' . (2 * $LONG + 9) },
    content => sub { shift @less } });
is $range->{status}, 400, 'alone: less than Content-Range tells';
asked('alone: it is taken away', 'PUT', 'DELETE');

is close_upload($location, 'a' x $LONG . 'b' x $LONG . 'c'), 201, 'PUT';
$relay->calls;

$location = $c->begin_upload('alone');
patch($location, 'a' x $LONG);
$relay->calls;
my $late = $c->request('PATCH', $location, { headers => \%type,
    content => 'b' x $LONG });
is $late->{status}, 416, 'alone: a PATCH where another one was';
is $late->{headers}{range}, '0-' . ($LONG - 1), 'is told where it ends';
$location = patch($late->{headers}{location}, 'c' x $LONG);
is close_upload($location, 'a' x $LONG . 'c' x $LONG), 201, 'and goes on';

# at the same time, on both workers: of each pair one has the place

for my $n (1 .. 10) {
    $location = $c->begin_upload("pair$n") =~ s{^https?://[^/]+}{}r;

    my @rivals = map { rival($location, $_ x $LONG) } 'x', 'y';
    my @answers = map { answer($_) } @rivals;
    is join(' ', sort map { $_->[0] } @answers), '202 416', "pair $n";

    my ($first) = grep { $answers[$_][0] == 202 } 0, 1;
    is close_upload($answers[$first][1], ('x', 'y')[$first] x $LONG), 201,
        "pair $n: the one that was taken";
}

$t->stop;


sub rival {
    my ($path, $bytes) = @_;

    my $socket = IO::Socket::INET->new('127.0.0.1:' . $t->{plain_port});
    print $socket "PATCH $path HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Type: application/octet-stream\r\nConnection: close\r\n"
        . 'Content-Length: ' . length($bytes) . "\r\n\r\n$bytes";

    return $socket;
}


sub answer {
    my ($socket) = @_;

    my $text = do { local $/; <$socket> };

    return [$text =~ m{^HTTP/1.1 (\d+)}, $text =~ /^Location: (\S+)/m];
}


# as many PATCHes as a hundredth of what is measured by t/bench/patches

$t->start(auth => 0);

my $r = RegistryTest::Patches::push($t, 300);
is $r->{status}, 201, '300 PATCHes of a byte';
ok $r->{most} > 1 && $r->{most} <= 32, "objects at most: $r->{most}";
is_deeply [grep { m{/patches/} } map { $_->{name} }
    @{ $t->store->list('uploads/') }], [], 'nothing of them is left';
is $c->request('GET', "/v2/patches/blobs/$r->{digest}")->{content},
    $r->{bytes}, 'the same bytes';

$t->finish;
