#!/usr/bin/perl

# Blobs: whole, in ranges, by HEAD, conditional, mounted and deleted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;


my $t = RegistryTest->new;
$t->start;

my $c = $t->client;
my $name = 'team/app';
my $bytes = join '', map { sprintf '%07d ', $_ } 0 .. 99_999;
my $size = length $bytes;
my $digest = $c->push_blob($name, $bytes);
my $path = "/v2/$name/blobs/$digest";


sub get {
    my ($headers, $method) = @_;

    return $c->request($method // 'GET', $path, { headers => $headers // {} });
}


sub refused {
    my ($r, $status, $code, $test) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . $c->error_code($r), "$status $code", $test);
}


# GET and HEAD

my $get = get();
is($get->{status}, 200, 'GET');
ok($get->{content} eq $bytes, 'its bytes');

my $head = get({}, 'HEAD');
is($head->{status}, 200, 'HEAD');
is($head->{content} // '', '', 'HEAD has no body');

my %want = (
    'content-length' => $size,
    'content-type' => 'application/octet-stream',
    'docker-content-digest' => $digest,
    'docker-distribution-api-version' => 'registry/2.0',
    'etag' => "\"$digest\"",
    'accept-ranges' => 'bytes',
    'cache-control' => 'max-age=31536000',
);
is_deeply({ map { $_ => $get->{headers}{$_} } keys %want }, \%want,
    'headers of GET');

delete $_->{headers}{date} for $get, $head;
is_deeply($head->{headers}, $get->{headers}, 'HEAD has the headers of GET');


# ranges

for (['0-0', 0, 0], ['10-19', 10, 19], ["0-" . ($size - 1), 0, $size - 1],
     ['799990-', 799_990, $size - 1], ['-10', $size - 10, $size - 1],
     ["-" . ($size + 5), 0, $size - 1], ['5-99999999', 5, $size - 1])
{
    my ($range, $first, $last) = @$_;
    my $r = get({ Range => "bytes=$range" });

    is($r->{status}, 206, "range $range");
    is($r->{headers}{'content-range'}, "bytes $first-$last/$size",
        "Content-Range of $range");
    is($r->{headers}{'content-length'}, $last - $first + 1,
        "Content-Length of $range");
    ok($r->{content} eq substr($bytes, $first, $last - $first + 1),
        "bytes of $range");
}

for ("$size-", "99999999-", '-0', '5-3') {
    my $r = get({ Range => "bytes=$_" });

    refused($r, 416, 'RANGE_INVALID', "range $_");
    is($r->{headers}{'content-range'}, "bytes */$size",
        "Content-Range of $_");
}

for ('bytes=x', 'lines=0-1') {
    my $r = get({ Range => $_ });
    ok($r->{status} == 200 && $r->{content} eq $bytes,
        "\"$_\" is answered by the whole");
}

my $r = get({ Range => 'bytes=0-1', 'If-Range' => "\"$digest\"" });
is("$r->{status} $r->{content}", '206 00', 'If-Range of this blob');
for ('"other"', "W/\"$digest\"", $digest, "\"$digest\", \"other\"",
     'Tue, 24 Nov 2026 10:00:00 GMT')
{
    $r = get({ Range => 'bytes=0-1', 'If-Range' => $_ });
    is($r->{status}, 200, "If-Range: $_");
}

# RFC 9110, 14.2: only GET has ranges

$r = get({ Range => 'bytes=0-1' }, 'HEAD');
is($r->{status}, 200, 'HEAD with a range');
is($r->{headers}{'content-length'}, $size, 'tells the whole size');
is($r->{headers}{'content-range'}, undef, 'and no Content-Range');
is(get({ Range => "bytes=$size-" }, 'HEAD')->{status}, 200,
    'HEAD with a range beyond the blob');


# conditions

for ("\"$digest\"", "W/\"$digest\"", "\"other\", \"$digest\"", '*', $digest) {
    $r = get({ 'If-None-Match' => $_ });
    is($r->{status}, 304, "If-None-Match: $_");
    is($r->{headers}{etag}, "\"$digest\"", 'its ETag');
    is($r->{content} // '', '', 'no body');
}

for ('"other"', "\"$digest-gzip\"", "\"x$digest\"", "other \"$digest") {
    is(get({ 'If-None-Match' => $_ })->{status}, 200, "If-None-Match: $_");
}

for my $method ('GET', 'HEAD') {
    for (['*', 200], ["\"$digest\"", 200], ["\"other\",\"$digest\"", 200],
         ["W/\"$digest\"", 412], ['"other"', 412])
    {
        $r = get({ 'If-Match' => $_->[0] }, $method);
        is($r->{status}, $_->[1], "$method with If-Match: $_->[0]");
    }

    # the order of RFC 9110, 13.2.2

    $r = get({ 'If-Match' => '"other"', 'If-None-Match' => '*',
        Range => 'bytes=0-1' }, $method);
    is($r->{status}, 412, "$method: If-Match comes first");
    $r = get({ 'If-Match' => "\"$digest\"", 'If-None-Match' => '*',
        Range => "bytes=$size-" }, $method);
    is($r->{status}, 304, "$method: If-None-Match comes before Range");
    $r = get({ 'If-Modified-Since' => 'Tue, 24 Nov 2026 10:00:00 GMT',
        'If-Unmodified-Since' => 'Tue, 24 Nov 2020 10:00:00 GMT' }, $method);
    is($r->{status}, 200, "$method: there is no date to compare with");
}

refused(get({ 'If-Match' => '"other"' }), 412, 'PRECONDITION_FAILED',
    'If-Match of another');


# a blob belongs to the repository that it was pushed to

my $other = "/v2/other/blobs/$digest";
refused($c->request('GET', $other), 404, 'BLOB_UNKNOWN',
    'the same digest in another repository');
is($c->request('HEAD', $other)->{status}, 404, 'the same by HEAD');


# mount

$r = $c->request('POST',
    "/v2/other/blobs/uploads/?mount=$digest&from=team%2Fapp");
is($r->{status}, 201, 'mount');
is($r->{headers}{'docker-content-digest'}, $digest, 'its digest');
like($r->{headers}{location}, qr/\Q$other\E$/, 'its Location');
ok($c->request('GET', $other)->{content} eq $bytes, 'it is there');

my $none = 'sha256:' . sha256_hex('none');
for ("mount=$none&from=team/app", "mount=$digest&from=nobody",
     "mount=$digest", "mount=$digest&from=", 'mount=&from=team/app')
{
    $r = $c->request('POST', "/v2/third/blobs/uploads/?$_");
    is($r->{status}, 202, "an upload instead: $_");
    like($r->{headers}{location}, qr{/v2/third/blobs/uploads/}, 'its Location');
}

for (["mount=$digest&from=BAD", 'NAME_INVALID'],
     ["mount=$digest&from=team/app%0d%0a", 'DIGEST_INVALID'],
     ['mount=bad&from=team/app', 'DIGEST_INVALID'])
{
    refused($c->request('POST', "/v2/third/blobs/uploads/?$_->[0]"), 400,
        $_->[1], "refused: $_->[0]");
}


# delete

is($c->request('DELETE', $path)->{status}, 202, 'DELETE');
refused(get(), 404, 'BLOB_UNKNOWN', 'GET after it');
refused($c->request('DELETE', $path), 404, 'BLOB_UNKNOWN', 'DELETE again');
is($c->request('HEAD', $other)->{status}, 200,
    'it is left where it was mounted');

$c->push_blob($name, $bytes);
ok(get()->{content} eq $bytes, 'pushed again');


$t->finish(allow => qr/^$/);
