#!/usr/bin/perl

# 50 clients push the same blob at once, one of them with wrong bytes: it alone
# is refused, and the blob is right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use List::Util qw(shuffle);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


my $CLIENTS = 50;
my $WRONG = 17;

my $t = RegistryTest->new;
$t->start(directives =>
    'registry_part_size 1m; registry_single_node on;');

my $c = $t->client;
my $name = 'same/blob';
my $good = $t->dir . '/good';
my $bad = $t->dir . '/bad';


for my $bytes (700_000, 2_500_000) {    # one part, and several
    my $data = join '', map { pack 'N', rand 2 ** 32 } 1 .. $bytes / 4;
    my $digest = 'sha256:' . sha256_hex($data);
    write_file($good, $data);
    substr $data, -1, 1, $data =~ /x$/ ? 'y' : 'x';
    write_file($bad, $data);

    at_once("$bytes bytes by PATCH and PUT", $digest, sub {
        my @location = map { $c->begin_upload($name) } 1 .. $CLIENTS;
        my @patched = all('PATCH', \@location);
        is_deeply [ map { $_->{status} } @patched ], [ (202) x $CLIENTS ],
            "$bytes bytes: all PATCHes";
        return all('PUT', [ map { $c->with_digest($_->{location}, $digest) }
            @patched ], 'empty');
    });

    at_once("$bytes bytes by PUT alone", $digest, sub {
        return all('PUT', [ map { $c->with_digest($c->begin_upload($name),
            $digest) } 1 .. $CLIENTS ]);
    });
}

$t->finish(allow => qr/^$/);


sub at_once {
    my ($test, $digest, $push) = @_;

    my @answers = $push->();

    is $answers[$WRONG]{status}, 400, "$test: the wrong one";
    is scalar(grep { $_->{status} == 201 } @answers), $CLIENTS - 1,
        "$test: all the others";

    my $r = $c->request('GET', "/v2/$name/blobs/$digest");
    ok $r->{status} == 200 && $r->{content} eq read_file($good),
        "$test: the blob is right";

    # of all that made segments one has the blob
    my $blob = $t->store->swift('HEAD',
        '/' . RegistryTest::blob_name($digest));
    my ($own) = ($blob->{headers}{'x-object-manifest'} // '/') =~ m{/(.*)};
    is_deeply [grep { !length $own || index($_, $own) }
        map { $_->{name} } @{ $t->store->list('segments/') }], [],
        "$test: no segments are left";

    $t->store->swift('DELETE', '/' . RegistryTest::blob_name($digest));
    $t->store->swift('DELETE', "/$_")
        for map { $_->{name} } @{ $t->store->list('segments/') };
    $c->request('DELETE', "/v2/$name/blobs/$digest");
}


# all at the same time, in any order: ({status, location}) in that of @$to

sub all {
    my ($method, $to, $empty) = @_;

    my @clients;

    for my $i (shuffle 0 .. $#$to) {
        my @body = $empty ? () : ('-H', 'Content-Type:'
            . ' application/octet-stream', '-H', 'Expect:', '--data-binary',
            '@' . ($i == $WRONG ? $bad : $good));
        $clients[$i] = RegistryTest::Process->start(name => 'curl',
            log => $t->dir . '/curl.log', out => $t->dir . "/out$i",
            command => ['curl', '-s', '-o', '/dev/null', '-X', $method,
                '-u', $t->login, '-w', '%{http_code} %header{location}',
                @body, "http://127.0.0.1:$t->{plain_port}"
                    . $to->[$i] =~ s{^https?://[^/]+}{}r ]);
    }

    return map {
        $clients[$_]->wait;
        my $out = $t->dir . "/out$_";
        my ($status, $location) = split ' ', read_file($out), 2;
        unlink $out;
        { status => $status, location => $location };
    } 0 .. $#$to;
}
