#!/usr/bin/perl

# The cache of blobs on disk: what costs no call of the storage, who may see
# it, what a damaged file leads to, and many clients at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use File::Find;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Relay;


my $t = RegistryTest->new;
my $relay = RegistryTest::Relay->new($t);
my $disk = $t->dir . '/blobs';
my $slice = 256 * 1024;

# no slice is like another
my $blob = join '', map { sha256_hex($_) } 1 .. 40_000;
my $digest = 'sha256:' . sha256_hex($blob);
my $slices = int((length($blob) + $slice - 1) / $slice);


sub start {
    my (%o) = @_;

    $t->start(rgw => $relay->address,
        http => "registry_cache_path $disk levels=1:2 keys_zone=blobs:1m;"
            . "sendfile on;",
        directives => "registry_blob_cache blobs;"
            . "registry_blob_cache_slice 256k;" . ($o{more} // ''), %o);
}


sub get {
    my ($name, $range) = @_;

    return $t->client->request('GET', "/v2/$name/blobs/$digest",
        { headers => { defined $range ? (Range => "bytes=$range") : () } });
}


# how many slices were read from RGW
sub cost {
    my ($do) = @_;

    $relay->calls;
    $do->();

    return scalar grep { m{^GET .*/data 206} } @{ $relay->calls };
}


sub files {
    my @files;

    find(sub { push @files, $File::Find::name if -f }, $disk) if -d $disk;

    return sort @files;
}


# writes into one of the files

sub damage {
    my ($file, $offset, $bytes) = @_;

    open my $fh, '+<', $file or die "$file: $!";
    seek $fh, $offset, $offset < 0 ? 2 : 0;
    print $fh $bytes;
    close $fh or die "$file: $!";
}


start();
my $c = $t->client;
$c->push_blob('a/b', $blob);

is(cost(sub { is(get('a/b')->{content}, $blob, 'cold') }), $slices,
    'each slice is read once');
is(scalar(my @kept = files()), $slices, 'and is a file');
is(cost(sub { is(get('a/b')->{content}, $blob, 'warm') for 1 .. 4 }), 0,
    'warm: no read');

my $head = $c->request('HEAD', "/v2/a/b/blobs/$digest")->{headers};
my $whole = get('a/b')->{headers};
delete $_->{date} for $head, $whole;
is_deeply($whole, $head, 'headers of GET are those of HEAD');


# ranges

for my $range ([0, 0], [0, $slice - 1], [$slice - 1, $slice], [$slice, $slice],
               [5, 3 * $slice + 7], [length($blob) - 1, length($blob) - 1],
               [length($blob) - $slice - 3, length($blob) - 1])
{
    my ($first, $last) = @$range;
    my $r = get('a/b', "$first-$last");

    is($r->{status} . ' ' . $r->{headers}{'content-range'},
        "206 bytes $first-$last/" . length $blob, "range $first-$last");
    ok($r->{content} eq substr($blob, $first, $last - $first + 1),
        'its bytes');
}

my $r = get('a/b', '3-9,' . ($slice - 2) . '-' . (2 * $slice + 1) . ',-4');
my ($boundary) = $r->{headers}{'content-type'} =~ /boundary=(\w+)/;
is($r->{content}, join('', map {
        "--$boundary\r\nContent-Type: application/octet-stream\r\n"
        . "Content-Range: bytes $_->[0]-$_->[1]/" . length($blob)
        . "\r\n\r\n" . substr($blob, $_->[0], $_->[1] - $_->[0] + 1) . "\r\n"
    } [3, 9], [$slice - 2, 2 * $slice + 1],
      [length($blob) - 4, length($blob) - 1]) . "--$boundary--\r\n",
    'several ranges');
is($r->{headers}{'content-length'}, length $r->{content}, 'their length');


# many ranges of a byte: each slice once, and not all of a blob for some bytes

$t->run('sh', '-c', "rm -rf $disk/*");
is(cost(sub { $r = get('a/b', join ',', map { "$_-$_" }
    map { (2 * $_, $slice + 2 * $_) } 0 .. 44) }), 2, 'ranges in two slices');
is(join('', $r->{content} =~ /\r\n\r\n(.)\r\n/g), join('', map {
    substr($blob, 2 * $_, 1), substr($blob, $slice + 2 * $_, 1) } 0 .. 44),
    'their bytes');

$t->run('sh', '-c', "rm -rf $disk/*");
$r = get('a/b', join ',', map { $_ * $slice . '-' . $_ * $slice }
    0 .. $slices - 1);
is(join('', $r->{content} =~ /\r\n\r\n(.)\r\n/g), join('', map {
    substr($blob, $_ * $slice, 1) } 0 .. $slices - 1), 'a byte of each slice');
is(scalar(my @none = files()), 0, 'none of them is read for that');
get('a/b');


# one for all repositories, behind each one's link

is(get('c/d')->{status}, 404, 'not in a repository without the blob');
is($c->request('POST', "/v2/c/d/blobs/uploads/?mount=$digest&from=a/b")
       ->{status}, 201, 'mounted');
is(cost(sub { is(get('c/d')->{content}, $blob, 'there') }), 0,
    'out of the same files');
$c->request('DELETE', "/v2/c/d/blobs/$digest");
is(get('c/d')->{status}, 404, 'deleted, and seen at once');

is($t->run('curl', '-s', '--cacert', $t->ca, '--http2', '-u', $t->login,
        'https://' . $t->host . "/v2/a/b/blobs/$digest"), $blob,
    'over TLS and HTTP/2');


# damage

my @files = files();
damage($files[0], 100_000, 'xxxx');
damage($files[1], -1, 'x');
truncate $files[2], 200_000;
damage($files[3], 700, "\0" x 2000);

is(cost(sub { is(get('a/b')->{content}, $blob, 'damaged files') }), 4,
    'are read anew');
is(() = read_file($t->error_log) =~ /cache file ".*" is damaged/g, 3,
    'and named in the log, by nginx itself where its header is');
is(cost(sub { is(get('a/b')->{content}, $blob, 'mended') }), 0, 'and kept');


# the client leaves

my $socket = $c->raw("GET /v2/a/b/blobs/$digest HTTP/1.1\n");
sysread $socket, my $some, 1000;
close $socket;
is(cost(sub { is(get('a/b')->{content}, $blob, 'after one that left') }), 0,
    'no harm');


# a large object of registry:2

my $large = reverse $blob;
my $large_digest = 'sha256:' . sha256_hex($large);
my $segments = 'segments/2f6/46f' . '0' x 32;
my $link = '/files/docker/registry/v2/repositories/a/b/_layers/'
    . RegistryTest::slash($large_digest) . '/link';

for my $n (0 .. int(length($large) / 1e6)) {
    $t->store->swift('PUT', sprintf('/%s/%016d', $segments, $n + 1),
        { content => substr $large, $n * 1e6, 1e6 });
}
$t->store->swift('PUT', '/' . RegistryTest::blob_name($large_digest),
    { headers => { 'X-Object-Manifest' => $t->container . "/$segments" },
      content => '' });
$t->store->swift('PUT', $link, { content => $large_digest });

my $get_large = sub {
    $c->request('GET', "/v2/a/b/blobs/$large_digest")->{content} };
is(cost(sub { is($get_large->(), $large, 'a blob of segments') }), $slices,
    'in as many slices');
is(cost(sub { is($get_large->(), $large, 'warm') }), 0, 'which are kept');


# many at once

$t->stop;
$t->run('rm', '-rf', $disk);
start(auth => 0);
is($t->client->request('HEAD', "/v2/a/b/blobs/$digest")->{status}, 200,
    'there');

my $url = "http://127.0.0.1:$t->{plain_port}/v2/a/b/blobs/$digest";
my $read = cost(sub {
    $t->run('curl', '-sZ', '--parallel-immediate', '--parallel-max', 40,
        map { ('-o', "$t->{dir}/tmp/many.$_", $url) } 1 .. 40);
});
is($read, $slices, 'each slice is read once for 40 clients');
is(scalar(grep { read_file("$t->{dir}/tmp/many.$_") eq $blob } 1 .. 40), 40,
    'all have got the same');


# filled by pushes

$t->stop;
start(more => 'registry_blob_cache_fill on;');
my $fresh = join '', map { sha256_hex("fresh $_") } 1 .. 20_000;
my $fresh_digest;
my $fresh_slices = int((length($fresh) + $slice - 1) / $slice);
$c = $t->client;

is(cost(sub {
    $fresh_digest = $c->push_blob('a/b', $fresh);
    select undef, undef, undef, 0.5;
}), $fresh_slices, 'what is pushed is read into the cache');
is(cost(sub { is($c->request('GET', "/v2/a/b/blobs/$fresh_digest")
                     ->{content}, $fresh, 'pulled') }), 0, 'from there');
is(cost(sub {
    my $digest = 'sha256:' . sha256_hex("$fresh more");
    $c->request('POST', "/v2/a/b/blobs/uploads/?digest=$digest",
        { content => "$fresh more" });
    select undef, undef, undef, 0.5;
}), $fresh_slices, 'so is what comes by one request');


# the storage is away

$t->stop;
start(more => 'registry_cache_use_stale on; registry_cache_valid 100ms;');
is(cost(sub { is(get('a/b')->{content}, $blob, 'after a restart') }), 0,
    'the files are still good');
$relay->away(1);
select undef, undef, undef, 0.2;
is(get('a/b')->{content}, $blob, 'RGW away, pulled all the same');
$t->run('sh', '-c', "rm -rf $disk/*");
is(get('a/b')->{status}, 503, 'what is not there is 503');
$relay->away(0);
is(get('a/b')->{content}, $blob, 'RGW is back');


$t->finish(crit => qr/cache file ".*" contains invalid header/);
