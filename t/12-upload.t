#!/usr/bin/perl

# Uploads: in one, in parts, with what a client may get wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use Test::More;

use RegistryTest;


my $t = RegistryTest->new;
$t->start;

my $c = $t->client;
my $name = 'team/app';
my $uploads = "/v2/$name/blobs/uploads/";
my $uuid = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;


sub digest { 'sha256:' . sha256_hex($_[0]) }


sub part {
    my ($location, $bytes, $range) = @_;

    return $c->request('PATCH', $location, {
        headers => {
            'Content-Type' => 'application/octet-stream',
            $range ? ('Content-Range' => $range) : (),
        },
        content => $bytes,
    });
}


sub commit {
    my ($location, $digest, $bytes) = @_;

    return $c->request('PUT', $c->with_digest($location, $digest), {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => $bytes // '',
    });
}


sub stored {
    my ($digest, $bytes, $test) = @_;

    my $r = $c->request('GET', "/v2/$name/blobs/$digest");

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($r->{status} == 200 && $r->{content} eq $bytes, $test);
}


sub refused {
    my ($r, $status, $code, $test) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . $c->error_code($r), "$status $code", $test);
}


# POST

my $r = $c->request('POST', $uploads);
is($r->{status}, 202, 'POST');
like($r->{headers}{location}, qr{\Q$uploads\E$uuid\b}, 'Location');
like($r->{headers}{'docker-upload-uuid'}, qr/^$uuid$/, 'Docker-Upload-UUID');
is($r->{headers}{range}, '0-0', 'Range');
is($r->{headers}{'content-length'}, 0, 'no body');


# POST and PUT

my $bytes = 'in one PUT';
$r = commit($r->{headers}{location}, digest($bytes), $bytes);
is($r->{status}, 201, 'PUT with all bytes');
is($r->{headers}{'docker-content-digest'}, digest($bytes),
    'Docker-Content-Digest');
like($r->{headers}{location}, qr{/v2/$name/blobs/\Q@{[digest($bytes)]}\E$},
    'Location of the blob');
stored(digest($bytes), $bytes, 'blob of one PUT');


# POST alone

$bytes = 'in one POST';
$r = $c->request('POST', "$uploads?digest=" . digest($bytes), {
    headers => { 'Content-Type' => 'application/octet-stream' },
    content => $bytes,
});
is($r->{status}, 201, 'POST with digest');
stored(digest($bytes), $bytes, 'blob of one POST');

$r = $t->client->request('POST', "$uploads?digest=" . digest('other'), {
    headers => { 'Content-Type' => 'application/octet-stream' },
    content => $bytes,
});
refused($r, 400, 'DIGEST_INVALID', 'POST with the digest of other bytes');


# no bytes at all

$r = commit($c->begin_upload($name), digest(''));
is($r->{status}, 201, 'empty blob');
stored(digest(''), '', 'empty blob is there');


# parts

my @parts = ('a' x 100_000, 'b' x 200_000, 'c');
$r = part($c->begin_upload($name), $parts[0], '0-99999');
is($r->{status}, 202, 'first part');
is($r->{headers}{range}, '0-99999', 'Range of it');

my $first = $r->{headers}{location};
$r = part($first, $parts[1], '100000-299999');
is($r->{headers}{range}, '0-299999', 'Range of two');

my $second = $r->{headers}{location};

$r = $c->request('GET', $second);
is("$r->{status} $r->{headers}{range}", '204 0-299999', 'status of an upload');
like($r->{headers}{location}, qr{^(?:http://[^/]+)?\Q$uploads\E$uuid},
    'status has a Location');

refused(part($second, 'x', '5-5'), 416, 'RANGE_INVALID', 'part with a gap');
refused(part($second, 'x', 'x-y'), 416, 'RANGE_INVALID',
    'Content-Range that is none');
refused(part($second, 'x', '300000-300005'), 400, 'SIZE_INVALID',
    'Content-Range of another length');
is(part($second, 'x', '0-0')->{headers}{range}, '0-299999',
    'a refusal tells how far the upload is');

my $all = join '', @parts;
$r = commit($second, digest($all), $parts[2]);
is($r->{status}, 201, 'PUT with the last part');
stored(digest($all), $all, 'blob of parts');

my @left = grep { $_->{name} =~ /_uploads/ } @{ $t->store->list('files/') };
is(scalar @left, 0, 'no part is left');


# chunked

is($c->push_blob($name, $all . 'chunked'), digest($all . 'chunked'),
    'chunked PATCH');
stored(digest($all . 'chunked'), $all . 'chunked', 'blob of a chunked PATCH');


# the upload's state is not in the Location that is used

$r = part($c->begin_upload($name), 'one');
my ($plain) = $r->{headers}{location} =~ /^([^?]+)/;
$r = $c->request('GET', $plain);
is("$r->{status} $r->{headers}{range}", '204 0-2', 'status without state');
$r = part($plain, 'two');
is($r->{headers}{range}, '0-5', 'PATCH without state');
$r = commit($plain, digest('onetwo'));
is($r->{status}, 201, 'PUT without state');
stored(digest('onetwo'), 'onetwo', 'blob of an upload without state');


# wrong digest; an upload can go on after it or is begun again

my $location = part($c->begin_upload($name), 'right')->{headers}{location};
refused(commit($location, digest('wrong')), 400, 'DIGEST_INVALID',
    'PUT with the digest of other bytes');
is($c->request('HEAD', "/v2/$name/blobs/" . digest('wrong'))->{status}, 404,
    'it made no blob');
is($c->request('HEAD', "/v2/$name/blobs/" . digest('right'))->{status}, 404,
    'nor one of what was sent');

refused(commit($c->begin_upload($name), 'sha256:12', 'x'), 400,
    'DIGEST_INVALID', 'PUT with a digest that is none');
refused($c->request('PUT', $c->begin_upload($name)), 400, 'DIGEST_INVALID',
    'PUT without a digest');


# sha512

my $sha512 = 'sha512:' . sha512_hex('long');
$r = commit($c->begin_upload($name), $sha512, 'long');
is($r->{status}, 201, 'PUT with sha512');
is($r->{headers}{'docker-content-digest'}, $sha512, 'its digest');
stored($sha512, 'long', 'blob by its sha512');


# DELETE

$location = part($c->begin_upload($name), 'gone')->{headers}{location};
is($c->request('DELETE', $location)->{status}, 204, 'DELETE');
($plain) = $location =~ /^([^?]+)/;
refused($c->request('GET', $plain), 404, 'BLOB_UPLOAD_UNKNOWN',
    'status after DELETE');


# what the client holds is old: the answer to a PATCH was lost

my $begun = $c->begin_upload($name);
my $one = part($begun, 'one', '0-2')->{headers}{location};
my $two = part($one, 'two', '3-5')->{headers}{location};

$r = part($one, 'TWO', '3-5');
refused($r, 416, 'RANGE_INVALID', 'PATCH by an old Location');
is($r->{headers}{range}, '0-5', 'is told the true Range');
$r = part($r->{headers}{location}, 'three', '6-10');
is("$r->{status} $r->{headers}{range}", '202 0-10', 'and goes on from there');
is($c->request('GET', $begun)->{headers}{range}, '0-10',
    'status by the first Location');
$r = commit($one, digest('onetwothree'));
is($r->{status}, 201, 'PUT by an old Location');
is(commit($one, digest('onetwothree'))->{status}, 201, 'PUT once more');
refused(commit($one, digest('other')), 404, 'BLOB_UPLOAD_UNKNOWN',
    'but not with another digest');
stored(digest('onetwothree'), 'onetwothree', 'its blob');

# a body of no bytes changes nothing

$begun = $c->begin_upload($name);
$r = part($begun, '');
is("$r->{status} $r->{headers}{range}", '202 0-0', 'PATCH of no bytes');
$r = commit(part($r->{headers}{location}, 'x')->{headers}{location},
    digest('x'));
is($r->{status}, 201, 'and then of one');

# many of a byte each

$location = $c->begin_upload($name);
$location = part($location, 'z')->{headers}{location} for 1 .. 100;
my ($many) = $location =~ m{/uploads/([^?]+)};
cmp_ok(scalar(grep { $_->{name} =~ /$many/ } @{ $t->store->list('uploads/') }),
    '<=', 17, '100 PATCHes of a byte are few objects');
is(commit($location, digest('z' x 100))->{status}, 201, 'and make a blob');
stored(digest('z' x 100), 'z' x 100, 'of them');

# an algorithm that is announced

$r = $c->request('POST', "$uploads?digest-algorithm=sha512");
$location = part($r->{headers}{location}, 'announced')->{headers}{location};
$r = commit($location, 'sha512:' . sha512_hex('announced'));
is($r->{status}, 201, 'digest-algorithm=sha512');
refused($c->request('POST', "$uploads?digest-algorithm=md5"), 400,
    'DIGEST_INVALID', 'digest-algorithm=md5');

# by default nobody may have a blob by its digest alone

$r = $c->request('POST', '/v2/else/blobs/uploads/?mount=' . digest('x'));
is($r->{status}, 202, 'no anonymous mount');

# what was cancelled stays so, by whatever Location

$begun = $c->begin_upload($name);
is($c->request('DELETE', $begun)->{status}, 204, 'DELETE at once');
refused($c->request('GET', $begun), 404, 'BLOB_UPLOAD_UNKNOWN',
    'status after it');
refused(part($begun, 'x'), 404, 'BLOB_UPLOAD_UNKNOWN', 'PATCH after it');
refused(commit($begun, digest('y'), 'y'), 404, 'BLOB_UPLOAD_UNKNOWN',
    'PUT after it');

$t->stop;
$t->start(directives => 'registry_anonymous_mount on;');
$c = $t->client;

for my $digest (digest('x'), 'sha512:' . sha512_hex('announced')) {
    $r = $c->request('POST', "/v2/else/blobs/uploads/?mount=$digest");
    is($r->{status}, 201, "anonymous mount of $digest");
    is($c->request('HEAD', "/v2/else/blobs/$digest")->{status}, 200,
        'it is there');
}


# unknown and forged

my $id = '01234567-89ab-4cde-8f01-23456789abcd';
refused($c->request('GET', "$uploads$id"), 404, 'BLOB_UPLOAD_UNKNOWN',
    'unknown upload');
refused(part("$uploads$id", 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
    'PATCH of an unknown upload');
refused(commit("$uploads$id", digest('x'), 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
    'PUT of an unknown upload');
refused(part("$uploads$id?_state=forged", 'x'), 404, 'BLOB_UPLOAD_INVALID',
    'forged state');

($location = $c->begin_upload($name)) =~ s{/team/app/}{/other/};
refused(part($location, 'x'), 404, 'BLOB_UPLOAD_INVALID',
    'state of another repository');


$t->finish(allow => qr/^$/);
