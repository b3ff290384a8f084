#!/usr/bin/perl

# What no client should send, and clients that go away: each gets the error of
# the registry API that fits, and nothing appears at a final name.
#
# Where registry:2 is known to answer otherwise, and wrongly, a case has
# "reference": its status.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;


my $t = RegistryTest->new;
$t->start;

my $c = $t->client;
my @workers = $t->workers;
my $oci = 'application/vnd.oci.image.manifest.v1+json';

my $nothing = 'sha256:' . sha256_hex('nothing has this digest');
my $zeros = 'sha256:' . '0' x 64;


# what is there: one image, and a blob in another repository

my ($config, $layer) = ('{"architecture":"amd64"}', 'layer ' x 1000);
my @image = map { $c->push_blob('app', $_) } $config, $layer;
my ($good, $good_digest) = $c->manifest($config, $layer);
is $c->put_manifest('app', 'v1', $good)->{status}, 201, 'an image is there';
my $elsewhere = $c->push_blob('other/repo', 'only there');

my %there = (
    'app' => { layers => \@image, tags => { v1 => $good_digest } },
    'other/repo' => { layers => [$elsewhere] },
);
$t->objects_are('and its objects', %there);


# What is unknown or has a wrong form.

my $long = 'a' x 256;
my $upper = 'sha256:' . 'A' x 64;

for (
    ['GET', "/v2/no/such/tags/list", 404, 'NAME_UNKNOWN'],
    ['GET', '/v2/no/such/manifests/v1', 404, 'MANIFEST_UNKNOWN'],
    ['GET', '/v2/app/manifests/v2', 404, 'MANIFEST_UNKNOWN'],
    ['GET', "/v2/app/manifests/$nothing", 404, 'MANIFEST_UNKNOWN'],
    ['HEAD', "/v2/app/manifests/$nothing", 404],
    ['GET', "/v2/no/such/blobs/$image[0]", 404, 'BLOB_UNKNOWN'],
    ['GET', "/v2/app/blobs/$nothing", 404, 'BLOB_UNKNOWN'],
    ['HEAD', "/v2/app/blobs/$nothing", 404],
    ['GET', "/v2/app/blobs/$elsewhere", 404, 'BLOB_UNKNOWN'],
    ['HEAD', "/v2/app/blobs/$elsewhere", 404],
    ['DELETE', "/v2/app/blobs/$nothing", 404, 'BLOB_UNKNOWN'],
    ['DELETE', "/v2/app/blobs/$elsewhere", 404, 'BLOB_UNKNOWN'],
    ['DELETE', "/v2/app/manifests/$nothing", 404, 'MANIFEST_UNKNOWN'],
    ['GET', "/v2/app/manifests/$image[0]", 404, 'MANIFEST_UNKNOWN',
        reference => 500],

    ['GET', '/v2/App/tags/list', 400, 'NAME_INVALID', reference => 404],
    ['GET', '/v2/a..b/tags/list', 400, 'NAME_INVALID', reference => 404],
    ['GET', '/v2/-a/manifests/v1', 400, 'NAME_INVALID', reference => 404],
    ['GET', '/v2/a_/manifests/v1', 400, 'NAME_INVALID', reference => 404],
    ['GET', "/v2/a%0Ab/tags/list", 400, 'NAME_INVALID', reference => 404],
    ['GET', "/v2/a%20b/tags/list", 400, 'NAME_INVALID', reference => 404],
    ['GET', "/v2/_layers/tags/list", 400, 'NAME_INVALID', reference => 404],
    ['GET', "/v2/$long/tags/list", 400, 'NAME_INVALID', reference => 500],
    ['POST', '/v2/App/blobs/uploads/', 400, 'NAME_INVALID', reference => 404],
    ['POST', "/v2/$long/blobs/uploads/", 400, 'NAME_INVALID',
        reference => 500],
    ['GET', '/v2/app/manifests/-v1', 400, 'TAG_INVALID', reference => 404],
    ['GET', '/v2/app/manifests/' . 'a' x 129, 400, 'TAG_INVALID',
        reference => 404],
    ['GET', '/v2/app/manifests/sha256:abc', 400, 'DIGEST_INVALID',
        reference => 500],
    ['GET', '/v2/app/blobs/sha256:abc', 400, 'DIGEST_INVALID'],
    ['GET', "/v2/app/blobs/$upper", 400, 'DIGEST_INVALID'],
    ['GET', '/v2/app/blobs/md5:' . '0' x 32, 400, 'DIGEST_INVALID'],
    ['GET', '/v2/app/blobs/v1', 400, 'DIGEST_INVALID', reference => 404],

    ['GET', '/v2/app', 404],
    ['GET', '/v2/app/nothing/v1', 404],
    ['POST', '/v2/app/manifests/v1', 405],
    ['PUT', "/v2/app/blobs/$image[0]", 405],
    ['DELETE', '/v2/app/tags/list', 405],

    ['GET', '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000',
        404, qr/^BLOB_UPLOAD_(UNKNOWN|INVALID)$/],
    ['PATCH', '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000',
        404, qr/^BLOB_UPLOAD_(UNKNOWN|INVALID)$/],
    ['DELETE', '/v2/app/blobs/uploads/nonsense',
        404, qr/^BLOB_UPLOAD_(UNKNOWN|INVALID)$/],
) {
    my ($method, $path, $status, $code, %o) = @$_;
    refused("$method " . substr($path, 0, 60), $status, $code,
        $c->request($method, $path), %o);
}


# Nobody is let in without the password.

for (['no password', undef], ['a wrong password', 'Basic Zm9vOmZvbzEyNA=='],
     ['nonsense for a password', 'Basic =====']) {
    my ($name, $authorization) = @$_;
    my $r = $c->request('GET', '/v2/app/tags/list',
        { headers => { Authorization => $authorization } });
    refused($name, 401, 'UNAUTHORIZED', $r, html => 1);
    like $r->{headers}{'www-authenticate'}, qr/^Basic realm=/, "$name: Basic";
}


# A digest that is not that of the bytes.

for my $length (0, 1) {
    my $framing = $length ? 'with a length' : 'chunked';
    my $bytes = "bytes $framing " . 'x' x 100_000;
    my $true = 'sha256:' . sha256_hex($bytes);

    my $r = send_body('PATCH', $c->begin_upload('app'), $bytes, $length);
    is $r->{status}, 202, "PATCH $framing";
    $r = $c->request('PUT', $c->with_digest($r->{headers}{location}, $zeros));
    refused("PATCH $framing, wrong digest", 400, 'DIGEST_INVALID', $r);

    $r = send_body('PUT', $c->with_digest($c->begin_upload('app'), $zeros),
        $bytes, $length);
    refused("PUT $framing, wrong digest", 400, 'DIGEST_INVALID', $r);

    if ($t->is_module) {
        $r = send_body('POST', "/v2/app/blobs/uploads/?digest=$zeros", $bytes,
            $length);
        refused("POST $framing, wrong digest", 400, 'DIGEST_INVALID', $r);
    }

    for ($zeros, $true) {
        is $c->request('GET', "/v2/app/blobs/$_")->{status}, 404,
            "$framing: no blob is there afterwards";
    }
}

for my $digest ('', 'sha256:abc', 'nonsense', "$zeros&digest=$nothing") {
    my $location = $c->with_digest($c->begin_upload('app'), $digest);
    refused("PUT with digest \"$digest\"", 400, 'DIGEST_INVALID',
        send_body('PUT', $location, 'bytes', 1));
}

refused('PUT without a digest', 400, 'DIGEST_INVALID',
    send_body('PUT', $c->begin_upload('app'), 'bytes', 1));


# An upload belongs to one repository, and goes on where it ended.

my $location = $c->begin_upload('app');
(my $foreign = $location) =~ s{/v2/app/}{/v2/other/repo/};
refused('an upload of another repository', 404,
    qr/^BLOB_UPLOAD_(UNKNOWN|INVALID)$/,
    send_body('PATCH', $foreign, 'bytes', 1));

my $r = $c->request('PATCH', $location, { content => 'bytes', headers => {
    'Content-Type' => 'application/octet-stream',
    'Content-Range' => '10-14' } });
refused('a chunk that leaves a gap', 416,
    qr/^(RANGE_INVALID|BLOB_UPLOAD_INVALID)$/, $r, reference => 202);

committed_nothing('bad uploads');


# Manifests.

my %descriptor = (mediaType => 'application/octet-stream', size => 1);
my %valid = %{ decode_json($good) };
my ($no_layer) = $c->manifest($config, 'this layer was not pushed');
my ($no_config) = $c->manifest('this config was not pushed', $layer);

for (
    ['empty', ''],
    ['truncated', substr $good, 0, -10],
    ['no JSON', 'manifest'],
    ['binary', join '', map { chr } 0 .. 255],
    ['an array', '[]'],
    ['an empty object', '{}', reference => 500],
    ['two documents', $good . $good],
    ['schemaVersion 3', encode_json({ %valid, schemaVersion => 3 }),
        reference => 500],
    ['no config', encode_json({ map { $_ eq 'config' ? () : ($_ => $valid{$_}) }
        keys %valid })],
    ['another mediaType', encode_json({ %valid, mediaType =>
        'application/vnd.oci.image.index.v1+json' })],
    ['layers that are no array', encode_json({ %valid, layers => 'none' })],
    ['a layer with a wrong digest', encode_json({ %valid, layers => [
        { %descriptor, digest => '../../../etc/passwd' } ] })],
    ['a deep one', '{"a":' . '[' x 200_000 . ']' x 200_000 . '}'],
) {
    my ($name, $bytes, %o) = @$_;
    refused("manifest: $name", 400, qr/^(MANIFEST_INVALID|DIGEST_INVALID)$/,
        $c->put_manifest('app', 'bad', $bytes), %o);
}

refused('manifest of an unknown type', 400, 'MANIFEST_INVALID',
    $c->put_manifest('app', 'bad', $good, 'text/plain'));

for (['missing layer', $no_layer], ['missing config', $no_config],
     ['a layer of another repository',
      ($c->manifest($config, 'only there'))[0]])
{
    my ($name, $bytes) = @$_;
    refused("manifest: $name", 400, 'MANIFEST_BLOB_UNKNOWN',
        $c->put_manifest('app', 'bad', $bytes));
}

refused('manifest: not of the digest in the path', 400, 'DIGEST_INVALID',
    $c->put_manifest('app', $nothing, $good));

my $space = ' ' x (5 << 20);
for my $length (0, 1) {
    my $framing = $length ? 'with a length' : 'chunked';
    refused("manifest: 5 MiB $framing", qr/^4(00|13)$/,
        qr/^(MANIFEST_INVALID|SIZE_INVALID)$/,
        send_body('PUT', '/v2/app/manifests/bad', $good . $space, $length,
            $oci));
}

is_deeply decode_json($c->request('GET', '/v2/app/tags/list')->{content}),
    { name => 'app', tags => ['v1'] }, 'no bad manifest got a tag';
committed_nothing('bad manifests');


# Clients that go away in the middle of a body.

my $half = 'y' x 3_000_000;
my $whole = 'sha256:' . sha256_hex($half . $half);

for my $how ('FIN', 'RST', 'half-close') {
    for (
        ['PATCH', sub { $c->begin_upload('app') }],
        ['PUT', sub { $c->with_digest($c->begin_upload('app'), $whole) }],
        $t->is_module
            ? ['POST', sub { "/v2/app/blobs/uploads/?digest=$whole" }] : (),
    ) {
        my ($method, $make) = @$_;
        my $path = $make->();
        my $type = 'Content-Type: application/octet-stream';

        leave($how, "$method $path HTTP/1.1\n$type\nContent-Length: 6000000\n",
            $half);
        leave($how, "$method $path HTTP/1.1\n$type\n"
            . "Transfer-Encoding: chunked\n",
            sprintf("%x\r\n%s\r\n5B8D80\r\nhalf", length $half, $half));
    }

    leave($how, "PUT /v2/app/manifests/bad HTTP/1.1\nContent-Type: $oci\n"
        . 'Content-Length: ' . length($good) . "\n", substr $good, 0, 100);
    leave($how, "GET /v2/app/blobs/$image[1] HTTP/1.1\n", '');

    committed_nothing("clients that went away by $how");
}

is_deeply [$t->workers], \@workers, 'no worker ended';

my $after = $c->push_blob('app', $half . $half);
is $after, $whole, 'the same bytes are accepted afterwards';
is length $c->request('GET', "/v2/app/blobs/$whole")->{content}, 6_000_000,
    'and are there';


$t->finish($t->is_module
    ? (allow => qr/user "foo": password mismatch/) : ());


# A test that $r is this error in the form of the registry API.  "reference" is
# the status that registry:2 answers instead; "html" says that nginx alone
# answers when it is a proxy.

sub refused {
    my ($name, $status, $code, $r, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    if (!$t->is_module && ($o{reference} || $o{html})) {
        is $r->{status}, $o{reference} // $status, "$name (registry:2)";
        return;
    }

    like $r->{status}, ref $status ? $status : qr/^$status$/, $name
        or diag $r->{content};

    if ($code) {
        like $c->error_code($r), ref $code ? $code : qr/^$code$/,
            "$name: the code";
        like $r->{headers}{'content-type'}, qr{^application/json\b},
            "$name: it is JSON";
    }

    is $r->{headers}{'docker-distribution-api-version'}, 'registry/2.0',
        "$name: the version" if $t->is_module;
}


sub send_body {
    my ($method, $location, $bytes, $length, $type) = @_;

    my @parts = ($bytes);

    return $c->request($method, $location, {
        headers => { 'Content-Type' => $type // 'application/octet-stream' },
        content => $length ? $bytes : sub { shift @parts },
    });
}


# Objects of uploads may be there, they expire; everything else is as it was.

sub committed_nothing {
    my ($what) = @_;

    my @names = grep { !m{^segments/|^uploads/|/_uploads/} }
        @{ $t->store->names };

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply \@names, $t->layout(%there), "$what left nothing at a final name";
}


# Sends this much of a request, goes away, and waits until nginx noticed.

sub leave {
    my ($how, $header, $body) = @_;

    my ($method, $uri) = split ' ', $header =~ s{ https?://[^/]+}{ }r;
    $uri =~ s/_state=[^&]*/_state=*/;   # as logs have it
    my $ended = sub {
        scalar grep { $_->{method} eq $method && $_->{uri} eq $uri }
            @{ $t->requests };
    };

    my $before = $ended->();
    my $socket = $c->raw($header);

    # the answer may come before all is sent
    print $socket $body;

    if ($how eq 'half-close') {
        shutdown $socket, 1;
        1 while sysread $socket, my $buffer, 65536;
    } else {
        sleep 0.1;                      # so that some of it is on its way
        setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $how eq 'RST';
    }
    close $socket;

    for (1 .. 600) {
        return if $ended->() > $before;
        sleep 0.05;
    }

    fail "nginx noticed the $how within 30 s";
}
