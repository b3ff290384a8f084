#!/usr/bin/perl

# A blob is pushed where something stands: what is right stays, and what is
# not is written anew, with nothing of it left; by each way of pushing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;


my $t = RegistryTest->new;
$t->start(auth => 0);

my $c = $t->client;
my %type = ('Content-Type' => 'application/octet-stream');
my $n = 0;

my %push = (
    'one request' => sub {
        my ($bytes, $digest) = @_;
        return $c->request('POST',
            "/v2/one$n/blobs/uploads/?digest=$digest",
            { headers => \%type, content => $bytes })->{status};
    },
    'the closing PUT' => sub {
        my ($bytes, $digest) = @_;
        return $c->request('PUT', $c->with_digest(
            $c->begin_upload("put$n"), $digest),
            { headers => \%type, content => $bytes })->{status};
    },
    'a PATCH' => sub { patches(1, @_) },
    'two PATCHes' => sub { patches(2, @_) },
);

for my $how (sort keys %push) {
    for my $stands ('nothing', 'the same', 'other bytes', 'fewer bytes',
        'a large object', 'one that lacks a segment')
    {
        $n++;
        my $bytes = join '', map { pack 'N', rand 2 ** 32 } 1 .. 40_000;
        my $digest = 'sha256:' . sha256_hex($bytes);
        my $name = RegistryTest::blob_name($digest);

        if ($stands =~ /segment|large/) {
            is patches(2, $bytes, $digest), 201, "$how: $stands";
        } elsif ($stands ne 'nothing') {
            $t->store->swift('PUT', "/$name", {
                content => $stands eq 'the same' ? $bytes
                    : $stands eq 'fewer bytes' ? substr($bytes, 1)
                    : 'x' x length $bytes });
        }

        my @segments = segments();
        $t->store->swift('DELETE', "/$segments[-1]")
            if $stands =~ /lacks/;
        my $before = stamp($name);

        is $push{$how}->($bytes, $digest), 201, "$how over $stands";

        my $r = $c->request('GET', "/v2/put$n/blobs/$digest");
        $r = $c->request('GET', "/v2/one$n/blobs/$digest")
            if $r->{status} != 200;
        ok $r->{status} == 200 && $r->{content} eq $bytes,
            "$how over $stands: right";

        is stamp($name), $before, "$how over $stands: kept"
            if $stands =~ /the same|large/;

        my $manifest = $t->store->swift('HEAD', "/$name")
            ->{headers}{'x-object-manifest'} // '/';
        my ($own) = $manifest =~ m{/(.*)};
        is_deeply [grep { !length $own || index($_, $own) } segments()], [],
            "$how over $stands: no segments but its own";

        $t->store->swift('DELETE', "/$_") for segments(), $name;
    }
}

$t->finish;


sub patches {
    my ($parts, $bytes, $digest) = @_;

    my $location = $c->begin_upload("put$n");
    my $size = length($bytes) / $parts;

    for (0 .. $parts - 1) {
        my $r = $c->request('PATCH', $location, { headers => \%type,
            content => substr $bytes, $_ * $size, $size });
        $location = $r->{headers}{location};
    }

    return $c->request('PUT', $c->with_digest($location, $digest))->{status};
}


sub segments { map { $_->{name} } @{ $t->store->list('segments/') } }


sub stamp {
    my ($name) = @_;

    return $t->store->swift('HEAD', "/$name")->{headers}{'x-timestamp'} // '';
}
