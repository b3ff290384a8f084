#!/usr/bin/perl

# Over HTTP/2 a client leaves, by its stream or its connection, in the middle
# of the storage calls of its request: what writes goes on to its end, what
# reads ends, and a body that was broken off is none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Http2 qw(connection frame block $HEADERS $RST $END_STREAM
    $END_HEADERS);


my $PART = 1 << 20;
my $DATA = 0;
my $TYPE = 'application/vnd.oci.image.manifest.v1+json';

my $t = RegistryTest->new;
my $faults = RegistryTest::Faults->new($t);
my $h2 = RegistryTest::free_port();
my $directives = 'registry_part_size 1m; registry_cache off;';

$t->start(auth => 0, rgw => $faults->address,
    directives => $directives,
    http => "server { listen 127.0.0.1:$h2 http2;\n"
        . $t->location('/v2/', '') . '}',
    server => 'location = /status { registry_status prometheus; }');

my $c = $t->client;
my $n = 0;
my %manifest;                   # bytes of a digest
my @open;                       # connections that stay

for my $how ('reset', 'closed', 'reset, then a reload') {
    push_of_parts($how);
    delete_of_manifest($how);
    read_of_manifest($how);
}

broken_body($_) for 'reset', 'closed';

$t->finish;


sub push_of_parts {
    my ($how) = @_;

    my $test = "push, $how";
    my $name = 'left/' . ++$n;
    my $bytes = join '', map { pack 'N', rand 2 ** 32 } 1 .. $PART * 5 / 8;
    my $digest = 'sha256:' . sha256_hex($bytes);

    my $r = $c->request('PATCH', $c->begin_upload($name), {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => $bytes,
    });
    is $r->{status}, 202, "$test: its parts";

    leave($test, $how, { match => '^PUT \S+/segments/\S+/\d{16}' }, 'PUT',
        $c->with_digest($r->{headers}{location}, $digest),
        'content-length' => 0);

    my $copies = grep { m{^PUT \S+/segments/\S+/\d{16}} } calls();
    is $copies, 3, "$test: all segments";

    $r = $c->request('GET', "/v2/$name/blobs/$digest");
    is $r->{status}, 200, "$test: the blob is linked";
    ok $r->{content} eq $bytes, "$test: it is right";
    is_deeply [grep { /closing/ } map { $_->{name} }
        @{ $t->store->list('uploads/') }], [], "$test: no mark is left";
}


sub delete_of_manifest {
    my ($how) = @_;

    my $test = "delete, $how";
    my ($path, $digest) = image('left/' . ++$n);

    $faults->plan;
    is $c->request('DELETE', "$path/$digest")->{status}, 202,
        "$test: one that stays";
    my $calls = calls();

    put($path, $digest);
    leave($test, $how, { match => '^DELETE ' }, 'DELETE', "$path/$digest");

    is scalar(calls()), $calls, "$test: as many calls";
    is $c->request('GET', "$path/$digest")->{status}, 404, "$test: it is gone";
}


sub read_of_manifest {
    my ($how) = @_;

    my $test = "read, $how";
    my ($path) = image('left/' . ++$n);

    $faults->plan;
    $c->request('GET', "$path/v1", { headers => { Accept => $TYPE } });
    my $calls = calls();

    leave($test, $how, {}, 'GET', "$path/v1", accept => $TYPE);

    cmp_ok scalar(calls()), '<', $calls, "$test: fewer calls";
}


# all bytes of a manifest, but not its end

sub broken_body {
    my ($how) = @_;

    my ($path, $digest, $manifest) = image('left/' . ++$n);
    my $socket = connection($h2);

    print $socket frame($HEADERS, $END_HEADERS, 1, block('PUT', "$path/other",
        'content-type' => $TYPE)), frame($DATA, 0, 1, $manifest);
    sleep 0.2;
    gone($socket, $how);
    is idle(), 0, "body, $how: nothing is left of the request";

    is $c->request('GET', "$path/other",
        { headers => { Accept => $TYPE } })->{status}, 404,
        "body, $how: nothing is stored";
}


# The request of a client that leaves while a call of it is held; when this
# returns, all of it has ended.

sub leave {
    my ($test, $how, $rule, $method, $path, %header) = @_;

    my $socket = connection($h2);

    $faults->plan({ fault => 'hold', n => 1, %$rule });
    print $socket frame($HEADERS, $END_HEADERS | $END_STREAM, 1,
        block($method, $path =~ s{^https?://[^/]+}{}r, %header));
    ok $faults->wait_held, "$test: a call is held";

    gone($socket, $how);
    $t->reload if $how =~ /reload/;
    $faults->release;

    is idle(), 0, "$test: nothing is left of the request";
}


sub gone {
    my ($socket, $how) = @_;

    print $socket frame($RST, 0, 1, pack 'N', 8) if $how =~ /reset/;
    sleep 0.2;
    close $socket if $how eq 'closed';
    push @open, $socket if $how ne 'closed';
    sleep 0.2;
}


# those of the request; a worker that is new looks for the container, too

sub calls {
    return grep { !m{^HEAD /swift/v1/[^/ ]+ } } $faults->calls;
}


# those in flight, when there are none any more, or after ten seconds

sub idle {
    my $sum;

    for (1 .. 200) {
        my $r = $c->request('GET', '/status');
        $sum = 0;
        $sum += $_ for ($r->{content} // 'none')
            =~ /^registry_http_in_flight_requests\S* (\d+)/mg;
        last if $sum == 0 && !$faults->busy;
        sleep 0.05;
    }

    return $sum;
}


# the path of a repository's manifests, the digest of one, and its bytes

sub image {
    my ($name) = @_;

    my @blobs;

    for my $content ("config of $name", "layer of $name") {
        my $digest = 'sha256:' . sha256_hex($content);
        my $r = $c->request('POST',
            "/v2/$name/blobs/uploads/?digest=$digest", {
                headers => { 'Content-Type' => 'application/octet-stream' },
                content => $content });
        die "push: $r->{status}" if $r->{status} != 201;
        push @blobs, qq({"mediaType":"application/octet-stream",)
            . qq("digest":"$digest","size":) . length($content) . '}';
    }

    my $manifest = qq({"schemaVersion":2,"mediaType":"$TYPE",)
        . qq("config":$blobs[0],"layers":[$blobs[1]]});
    my $digest = 'sha256:' . sha256_hex($manifest);
    my $path = "/v2/$name/manifests";

    $manifest{$digest} = $manifest;
    put($path, $digest);

    return ($path, $digest, $manifest);
}


sub put {
    my ($path, $digest) = @_;

    my $r = $c->request('PUT', "$path/v1", {
        headers => { 'Content-Type' => $TYPE },
        content => $manifest{$digest} });
    die "manifest: $r->{status}" if $r->{status} != 201;
}
