#!/usr/bin/perl

# A body that is larger than a part: the change to the next part, in the
# middle of the body, is invisible to the client.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(write_file);


my $PART = 1 << 20;

my $t = RegistryTest->new;
$t->start(directives =>
    'registry_part_size 1m; registry_single_node on;');

my $c = $t->client;

my @sizes = (1, $PART - 1, $PART, $PART + 1, 2 * $PART, 9 * $PART + 12345);


sub url {
    my ($path) = @_;

    return 'https://' . $t->host . $path;
}


# what curl reads from a pipe has no length; returns status and Location

sub send_body {
    my ($http, $method, $length, $file, $location) = @_;

    my $out = $t->run('sh', '-c', 'exec "$@" < "$0"', $file,
        'curl', $http, '-s', '-o', '/dev/null', '--cacert', $t->ca,
        '-u', $t->login, '-X', $method, '-T', $length eq 'a length' ? $file
            : '-', '-H', 'Content-Type: application/octet-stream',
        '-w', '%{http_code} %header{location}',
        url($location =~ s{^https?://[^/]+}{}r));

    return split ' ', $out, 2;
}


for my $http ('--http1.1', '--http2') {
    for my $method ('PATCH', 'PUT') {
        for my $length ('a length', 'no length') {
            for my $size (@sizes) {
                push_and_pull($http, $method, $length, $size);
            }
        }
    }
}


sub push_and_pull {
    my ($http, $method, $length, $size) = @_;

    my $test = "$http $method of $size bytes with $length";
    (my $name = lc "$http/$method/$length/$size") =~ s{[^a-z0-9./]+}{}g;

    my $bytes = join '', map { pack 'N', rand 2 ** 32 } 0 .. $size / 4;
    $bytes = substr $bytes, 0, $size;
    my $digest = 'sha256:' . sha256_hex($bytes);
    my $file = $t->dir . '/body';
    write_file($file, $bytes);

    my $begun = $c->begin_upload($name);
    my ($status, $location) = send_body($http, $method, $length, $file,
        $method eq 'PUT' ? $c->with_digest($begun, $digest) : $begun);

    if ($method eq 'PATCH') {
        is $status, 202, $test;
        my $r = $c->request('PUT', $c->with_digest($location, $digest));
        $status = $r->{status};
    }

    is $status, 201, "$test: made";

    my $r = $c->request('GET', "/v2/$name/blobs/$digest");
    ok $r->{status} == 200 && $r->{content} eq $bytes, "$test: the same bytes";
}


# a wrong digest, found in a later part

my $wrong = 'sha256:' . sha256_hex('other');
my $begun = $c->begin_upload('wrong');
my $body = $t->dir . '/body';
write_file($body, 'x' x (3 * $PART + 7));

my ($refused) = send_body('--http1.1', 'PUT', 'a length', $body,
    $c->with_digest($begun, $wrong));
is $refused, 400, 'a wrong digest of several parts';
is $c->request('GET', "/v2/wrong/blobs/$wrong")->{status}, 404,
    'leaves no blob';

# the parts that were complete are told, and the push can go on

my $r = $c->request('GET', $begun);
is $r->{status}, 204, 'the upload is still there';
my ($last) = $r->{headers}{range} =~ /^0-(\d+)$/;
ok $last > 1 && ($last + 1) % $PART == 0, 'with its complete parts';

my $rest = $c->request('PUT', $c->with_digest($r->{headers}{location},
    'sha256:' . sha256_hex('x' x ($last + 1) . 'end')), {
    headers => { 'Content-Type' => 'application/octet-stream' },
    content => 'end',
});
is $rest->{status}, 201, 'and is continued, though its hash was lost';

$t->finish;
