#!/usr/bin/perl

# Registries of several storages in one nginx, with the same caches: what one
# storage says, on disk or in memory, is nothing to the others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file write_file);


my $t = RegistryTest->new;
my $faults = RegistryTest::Faults->new($t);
my $here = RegistryTest::Faults->new($t);
my $disk = $t->dir . '/blobs';
my $SLICE = 256 * 1024;

my $bytes = join '', map { sha256_hex("$$ $_") } 1 .. 10_000;   # 640 KB
my $digest = 'sha256:' . sha256_hex($bytes);
my $slices = int((length($bytes) + $SLICE - 1) / $SLICE);
my $small = "small $$";
my $small_digest = 'sha256:' . sha256_hex($small);
my $other_container = $t->container . '-other';

my %cache = (registry_blob_cache => 'blobs',
    registry_blob_cache_slice => '256k', registry_verify => 'on',
    registry_cache_valid => '1m', registry_auth_url => $ENV{RGW_AUTH_URL}
        =~ s{^\w+://[^/]+}{'http://' . $here->address}er);

# the same auth server, user and name of a container, but another cluster
my %cluster = (registry_pass => 'http://' . $faults->address, %cache);

$t->start(rgw => $here->address,
    http => "registry_cache_path $disk levels=1:2 keys_zone=blobs:1m;"
        . 'registry_cache zone=replies:4m;',
    directives => join('', map { "$_ $cache{$_};" }
        grep { $_ ne 'registry_auth_url' } keys %cache),
    server => $t->location('/cluster/v2/', '', %cluster)
        . $t->location('/container/v2/', '', %cache,
            registry_container => $other_container)
        . $t->location('/prefix/v2/', '', %cache, registry_prefix => 'other')
        . $t->location('/same/v2/', '', %cache)
        . join('', map { $t->location("/r$_/v2/", 'registry_cache off;',
            registry_container => $t->container . "-$_") } 1 .. 34));

my $c = $t->client;


sub get {
    my ($where, $d, $range) = @_;

    return $c->request('GET', "$where/v2/a/b/blobs/$d",
        { headers => { $range ? (Range => "bytes=$range") : () } });
}


# slices that were read from RGW, past the other cluster

sub cost {
    my ($do) = @_;

    $here->plan;
    $do->();

    return scalar grep { m{^GET .*/data 206} } $here->calls;
}


# somebody who has a storage of his own writes what he likes

sub foreign {
    my ($container, $prefix, $d, $content) = @_;

    my $store = RegistryTest::Store->new(container => $container,
        run => sub { $t->run(@_) });
    my $layers = 'files/docker/registry/v2/repositories/a/b/_layers/';

    $store->swift('PUT', '');
    $store->swift('PUT', "/$prefix" . RegistryTest::blob_name($d),
        { content => $content });
    $store->swift('PUT', "/$prefix$layers" . RegistryTest::slash($d) . '/link',
        { content => $d });

    return $store;
}


$c->push_blob('a/b', $bytes);
$c->push_blob('a/b', $small);

my $wrong = 'X' x length $bytes;
my $other = foreign($other_container, '', $digest, $wrong);
foreign($t->container, 'other/', $digest, $wrong);

my %wrong = (container => sub { $_[0] eq substr $wrong, 0, length $_[0] },
    prefix => sub { $_[0] eq substr $wrong, 0, length $_[0] },
    cluster => sub { $_[0] ne substr $bytes, 0, length $_[0] });

for my $who (sort keys %wrong) {
    $t->run('sh', '-c', "rm -rf $disk/*");
    $faults->plan({ match => '^GET \S+/data', fault => 'flipped',
        times => 1000 });

    my $r = get("/$who", $digest, '0-' . ($SLICE - 1));
    is($r->{status}, 206, "$who: its own client gets a range");
    ok($wrong{$who}->($r->{content}), "$who: of its own bytes");
    get("/$who", $digest, $SLICE . '-' . (length($bytes) - 1));

    is(cost(sub {
        my $first = get('', $digest, '0-9')->{content};
        is($first, substr($bytes, 0, 10), "$who: others: a range is theirs");
        ok(get('', $digest)->{content} eq $bytes,
            "$who: others: so is the whole");
    }), $slices, "$who: others: of their storage");

    $r = get("/$who", $digest, '0-' . ($SLICE - 1));
    ok($wrong{$who}->($r->{content}), "$who: to itself it is as it was");
}

is(cost(sub {
    ok(get('/same', $digest)->{content} eq $bytes,
        'another location of the same storage')
}), 0, 'has the same files');


# small blobs and manifests in memory, and what is not there

foreign($other_container, '', $small_digest, 'y' x length $small);
foreign($t->container, 'other/', $small_digest, 'y' x length $small);
$faults->plan({ match => '^GET \S+/data', fault => 'flipped', times => 1000 });

for my $who (sort keys %wrong) {
    isnt(get("/$who", $small_digest)->{status}, 200,
        "$who: wrong bytes of a small blob are not sent");
    is(get('', $small_digest)->{content}, $small,
        "$who: nor kept for others");
}

my $type = 'application/vnd.oci.image.index.v1+json';
my $index = qq({"schemaVersion":2,"mediaType":"$type","manifests":[]});
my $tag = '/v2/a/b/manifests/late';

$faults->plan({ match => '/late/', fault => 404, times => 1000 });

for my $who (sort keys %wrong) {
    is($c->request('GET', "/$who$tag")->{status}, 404,
        "$who: does not have the tag");
}

is($c->request('PUT', $tag, { content => $index,
    headers => { 'Content-Type' => $type } })->{status}, 201, 'pushed here');
my $r = $c->request('GET', $tag, { headers => { Accept => $type } });
is($r->{content}, $index, 'and pulled');

for my $who (sort keys %wrong) {
    is($c->request('GET', "/$who$tag", { headers => { Accept => $type } })
           ->{status}, 404, "$who: still does not have it");
}

$faults->plan({ match => '/second', fault => 404, times => 1000 });
is($c->request('PUT', $tag =~ s/late/second/r, { content => $index,
    headers => { 'Content-Type' => $type } })->{status}, 201, 'one more');

for my $who (sort keys %wrong) {
    $c->request('GET', "/$who$tag" =~ s/late/second/r);
    is($c->request('GET', $tag =~ s/late/second/r,
        { headers => { Accept => $type } })->{status}, 200,
        "$who: what it does not have is here all the same");
}


# however many containers there are, each is made, and made again

for my $i (1, 31, 32, 34) {
    my $store = RegistryTest::Store->new(container => $t->container . "-$i",
        run => sub { $t->run(@_) });
    my $push = "/r$i/v2/a/blobs/uploads/?digest=sha256:" . sha256_hex('a');
    my @got;

    for ('new', 'gone') {
        push @got, map { $c->request('POST', $push, { content => 'a' })
            ->{status} } 1, 2;
        $store->swift('DELETE', "/$_->{name}") for @{ $store->list };
        $store->swift('DELETE', '');
    }

    is("@got", '201 201 503 201', "container $i");
}


# several that come first to a new one: none of them takes it for a lost one

my $url = "http://$c->{address}/r7/v2/a/blobs/sha256:" . sha256_hex('b');
my $codes = $t->run('sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do'
    . " curl -s -o /dev/null -w '%{http_code} ' $url & done; wait");
is($codes, '404 ' x 12, 'twelve at once, of a container that is not there yet');
RegistryTest::Store->new(container => $t->container . '-7',
    run => sub { $t->run(@_) })->swift('DELETE', '');


# one that refuses its tokens, and is asked all the time, holds up nobody

$faults->plan({ match => '.', fault => 401, times => 100_000 });

my (@refused, @here);
my $now;
my $end = time + 6;

while (($now = time) < $end) {
    push @refused, $c->request('GET', '/cluster/v2/a/b/tags/list')->{status};
    push @here, $c->request('GET', "/v2/a/b/tags/list?n=1&last=$now-" . @here)
        ->{status};
}

is(scalar(grep { $_ != 503 } @refused), 0, 'a storage refuses all tokens: 503');
is(scalar(grep { $_ != 200 } @here), 0, 'the other storage takes its own');


$other->swift('DELETE', "/$_->{name}") for @{ $other->list };
$other->swift('DELETE', '');

$t->finish(allow => qr/registry: /);
