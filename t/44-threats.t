#!/usr/bin/perl

# What clients send who mean no good, over real nginx and RGW; and that each
# row of docs/threats.md names a test that is there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Http2 qw(connection frame block $HEADERS $RST $END_STREAM
    $END_HEADERS);
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $h2 = RegistryTest::free_port();
my $slashes = RegistryTest::free_port();

$t->start(workers => 1, http => "server { listen 127.0.0.1:$h2 http2;\n"
    . $t->location('/v2/', '') . '}'
    . "server { listen 127.0.0.1:$slashes; merge_slashes off;"
    . $t->location('/', '') . '}');

my $c = $t->client;
my ($worker) = $t->workers;
my $user = 'Basic ' . encode_base64($t->login, '');
my $host = $c->{address};


# Request smuggling: no byte of a body, nor what is hidden behind a second
# length, is ever answered as a request.

my $hidden = "GET /v2/smuggled/tags/list HTTP/1.1\r\nHost: x\r\n"
    . "Authorization: $user\r\n\r\n";
my $n = length $hidden;

for (
    ['two lengths', "Content-Length: 0\r\nContent-Length: $n\r\n", $hidden],
    ['a list of lengths', "Content-Length: 0, $n\r\n", $hidden],
    ['length with a plus', "Content-Length: +$n\r\n", $hidden],
    ['length with a minus', "Content-Length: -$n\r\n", $hidden],
    ['length of 400 digits', 'Content-Length: ' . '9' x 400 . "\r\n", $hidden],
    ['length and coding', "Content-Length: $n\r\n"
        . "Transfer-Encoding: chunked\r\n", "0\r\n\r\n$hidden"],
    ['coding and length', "Transfer-Encoding: chunked\r\n"
        . "Content-Length: 5\r\n", "0\r\n\r\n$hidden"],
    ['two codings', "Transfer-Encoding: chunked\r\n"
        . "Transfer-Encoding: identity\r\n", "0\r\n\r\n$hidden"],
    ['unknown coding', "Transfer-Encoding: xchunked\r\n",
        "0\r\n\r\n$hidden"],
    ['coding twice', "Transfer-Encoding: chunked\r\n" x 2,
        "0\r\n\r\n$hidden"],
    ['folded header', "X: y\r\n Content-Length: $n\r\n", $hidden],
    ['blank before the colon', "Content-Length : $n\r\n", $hidden],
    ['chunk size that overflows', "Transfer-Encoding: chunked\r\n",
        "FFFFFFFFFFFFFFFFFF0\r\n$hidden"],
    ['chunk size that is negative', "Transfer-Encoding: chunked\r\n",
        "-1\r\n$hidden"],
    ['chunk extension', "Transfer-Encoding: chunked\r\n",
        sprintf('%x;', $n) . 'x' x 5000 . "\r\n$hidden\r\n0\r\n\r\n"],
) {
    my ($name, $header, $body) = @$_;
    my $answer = exchange("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: $host\r\n"
        . "Authorization: $user\r\nContent-Type: text/plain\r\n$header\r\n"
        . $body);
    like $answer, qr{^HTTP/1\.1 (4\d\d|501) }, "smuggling: $name";
    is smuggled(), 0, "smuggling: $name: nothing passed";
}

# an error before the body was read, on a connection that is kept

for my $path ('/v2/App/manifests/v1', '/v2/app/manifests/-', '/v2/',
    '/v2/app/blobs/uploads/no-such', '/v2/nothing')
{
    my $answer = exchange("PUT $path HTTP/1.1\r\nHost: $host\r\n"
        . "Authorization: $user\r\nContent-Length: $n\r\n\r\n$hidden");
    like $answer, qr{^HTTP/1\.1 4\d\d }, "early error: $path";
    is smuggled(), 0, "early error: $path: the body is none of the requests";
}

# what is refused is not asked for

for (['PUT', '/v2/App/manifests/v1'], ['PUT', '/v2/app/manifests/-'],
    ['PATCH', '/v2/app/blobs/uploads/no-such'],
    ['POST', '/v2/app/blobs/uploads/?digest=sha256:zz'],
    ['DELETE', '/v2/app/manifests/v1'], ['GET', '/v2/app/manifests/v1'])
{
    my $answer = exchange("@$_ HTTP/1.1\r\nHost: $host\r\n"
        . "Authorization: $user\r\nConnection: close\r\n"
        . "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
    like $answer, qr{^HTTP/1\.1 4\d\d }, "refused without its body: @$_";
}


# Headers of the client that mean something to RGW.

my $bytes = 'not what these headers say';
my $digest = 'sha256:' . sha256_hex($bytes);
my $container = $t->container;

my $r = $c->request('PUT', $c->with_digest($c->begin_upload('app'), $digest), {
    content => $bytes,
    headers => {
        'Content-Type' => 'application/x-www-form-urlencoded',
        'X-Object-Manifest' => "$container/files",
        'X-Copy-From' => "/$container/files",
        'X-Delete-After' => 1,
        'X-Delete-At' => time + 1,
        'X-Auth-Token' => 'nonsense',
        'X-Object-Meta-Digest' => 'sha256:nonsense',
        'X-Container-Read' => '.r:*',
        'Destination' => "$container/stolen",
        'ETag' => 'nonsense',
        'If-None-Match' => '*',
        'X-HTTP-Method-Override' => 'DELETE',
        'Content-Encoding' => 'gzip',
        'Transfer-Encoding' => undef,
    } });
is $r->{status}, 201, 'headers of Swift are not the client\'s to send';

my $object = $t->store->swift('HEAD', '/' . RegistryTest::blob_name($digest));
is $object->{headers}{'content-length'}, length $bytes, 'nor do they pass';
ok !grep(/^x-(object-manifest|delete-at|object-meta-digest)$/,
    keys %{ $object->{headers} }), 'none of them is on the object';
is $c->request('GET', "/v2/app/blobs/$digest")->{content}, $bytes,
    'and the bytes are there';


# Headers that tell where we are.

for (
    { Host => 'evil.example' },
    { 'X-Forwarded-Host' => 'evil.example',
      'X-Forwarded-Proto' => 'javascript', 'X-Forwarded-Port' => 1 },
    { Forwarded => 'host=evil.example;proto=https' },
    { 'X-Original-URL' => '/v2/evil/', 'X-Rewrite-URL' => '/v2/evil/' },
) {
    my %headers = %$_;
    my $text = exchange("POST /v2/app/blobs/uploads/ HTTP/1.1\r\n"
        . ($headers{Host} ? '' : "Host: $host\r\n")
        . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
        . "Authorization: $user\r\nContent-Length: 0\r\n\r\n");
    like $text, qr{^HTTP/1\.1 202 }, join ', ', keys %headers;
    like $text, qr{^Location: /v2/app/}mi, '... Location is relative';
    unlike $text, qr{evil|javascript}, '... and has none of it';
}

like exchange("POST http://evil.example/v2/app/blobs/uploads/ HTTP/1.1\r\n"
    . "Host: $host\r\nAuthorization: $user\r\nContent-Length: 0\r\n\r\n"),
    qr{^Location: /v2/app/}mi, 'nor of an absolute request line';
like exchange("GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    qr{^HTTP/1\.1 400 }, 'two Hosts';


# A path that would be an address.

my $kept = RegistryTest::Client->new(port => $slashes);

for (['GET', '//evil.example/v2/app/tags/list/'],
    ['GET', '//evil.example/v2'], ['GET', '//v2/_catalog/'],
    ['POST', '//evil.example/v2/app/blobs/uploads/'],
    ['GET', '///evil.example/v2/_catalog?n=1'])
{
    my $r = $kept->request($_->[0], $_->[1],
        { $_->[0] eq 'POST' ? (content => '') : () });
    is $r->{status}, 404, "@$_ leads nowhere";
    is $r->{headers}{$_}, undef, "... no $_" for 'location', 'link';
}

is $kept->request('GET', '/a/v2/_catalog/')->{headers}{location},
    '/a/v2/_catalog', 'while one of one slash does';


# Browsers: bytes that are a page are never one.

my $page = '<html><script>alert(1)</script></html>';
my $page_digest = $c->push_blob('app', $page);

for ('', '?content-type=text/html', '?response-content-type=text/html') {
    $r = $c->request('GET', "/v2/app/blobs/$page_digest$_",
        { headers => { Accept => 'text/html' } });
    is $r->{content}, $page, "a blob that is HTML$_";
    is $r->{headers}{'content-type'}, 'application/octet-stream',
        "... is bytes$_";
}

my ($manifest) = $c->manifest($page, $page);
is $c->put_manifest('app', 'page', $manifest)->{status}, 201, 'a manifest';
is $c->put_manifest('app', 'page', $manifest, 'text/html')->{status}, 400,
    'that says it is HTML';
like $c->put_manifest('app', 'page',
    $manifest =~ s/vnd.oci.image.manifest.v1\+json/x\\r\\nSet-Cookie: a=b/r)
    ->{status}, qr/^400$/, 'that has a header in its mediaType';
$r = $c->request('GET', '/v2/app/manifests/page', { headers => {
    Accept => 'text/html, */*' } });
is $r->{headers}{'content-type'}, 'application/vnd.oci.image.manifest.v1+json',
    'its type is its own';


# Manifests that two parsers read as two things.

for (',"layers":[]', ',"Layers":[]', ',"LAYERS":[]', ',"manifests":[]',
    ',"mediaType":"application/vnd.oci.image.index.v1+json"',
    ',"MediaType":"application/vnd.oci.image.index.v1+json"',
    ',"config":null', ',"schemaVersion":1')
{
    is $c->put_manifest('app', 'two', $manifest =~ s/\}$/$_}/r)->{status}, 400,
        "a manifest with$_";
}


$r = $c->request('GET', '/v2/%3Cscript%3E/tags/list');
is $r->{headers}{'content-type'} =~ s/;.*//r, 'application/json',
    'an error is JSON';


# Line ends and control characters, in all that can be sent.

for my $what ("a%0d%0aSet-Cookie:%20x=y", 'a%00b', 'a%1b[31m', 'a%7f',
    'a%0ab', '..%2f..%2fetc', '%2e%2e/%2e%2e', '.%00.')
{
    for my $path ("/v2/$what/tags/list", "/v2/app/manifests/$what",
        "/v2/app/blobs/$what", "/v2/app/blobs/uploads/$what",
        "/v2/app/tags/list?last=$what&n=1", "/v2/_catalog?last=$what&n=1",
        "/v2/app/blobs/uploads/?mount=$what&from=$what",
        "/v2/app/referrers/$what")
    {
        my $method = $path =~ /mount/ ? 'POST' : 'GET';
        my $text = exchange("$method $path HTTP/1.1\r\nHost: $host\r\n"
            . "Authorization: $user\r\nContent-Length: 0\r\n"
            . "Connection: close\r\n\r\n");
        my ($head) = split /\r\n\r\n/, $text;
        if ($text !~ m{^HTTP/1\.1 (20[02]|4\d\d) } || $head =~ /^Set-Cookie/mi
            || $text =~ /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/)
        {
            fail "$path: $text";
        }
    }
}
pass 'names and references with control characters come back nowhere';

like exchange("GET /v2/\x1b[31m/tags/list HTTP/1.1\r\nHost: $host\r\n"
    . "User-Agent: a\x1b]0;x\x07\r\nAuthorization: $user\r\n\r\n"),
    qr{^HTTP/1\.1 400 }, 'raw ones';


# An upload's Location after it ended.

my $location = $c->begin_upload('app');
is $c->request('DELETE', $location)->{status}, 204, 'an upload is cancelled';
is $c->request($_, $location, { content => 'x' })->{status}, 404,
    "replay by $_ after it" for 'PATCH', 'GET', 'DELETE';
is $c->request('PUT', $c->with_digest($location, $digest),
    { content => $bytes })->{status}, 404, 'replay by PUT after it';

my $first = $c->begin_upload('app');
$r = $c->request('PATCH', $first, { content => 'one' });
$location = $r->{headers}{location};
my $one = 'sha256:' . sha256_hex('one');
is $c->request('PUT', $c->with_digest($location, $one))->{status}, 201,
    'an upload is closed';
like $c->request('PUT', $c->with_digest($location, $one))->{status},
    qr/^(201|404)$/, 'again';
isnt $c->request('PUT', $c->with_digest($location, 'sha256:' . '0' x 64))
    ->{status}, 201, 'replay with another digest';
$c->request('PUT', $c->with_digest($location, $page_digest));
is $c->request('GET', "/v2/app/blobs/$page_digest")->{content}, $page,
    'replay with the digest of another blob changes nothing';
is $c->request('GET', "/v2/app/blobs/$one")->{content}, 'one',
    'what was pushed is as it was';

for ($first =~ s/_state=[^&]*//r . '_state=' . 'A' x 6000,
    $first . '%00', $first =~ s/_state=./_state=%2b/r,
    $first =~ s{/v2/app/}{/v2/app/app/}r, $first =~ s/.{20}$//r)
{
    like $c->request('PATCH', $_, { content => 'x' })->{status},
        qr/^(404|414)$/, 'a state that is not ours: ' . substr $_, -40;
}


# HTTP/2: streams that are reset at once, and pulls that nobody reads.

my $before = rss();
my $open = descriptors();

for my $round (1 .. 5) {
    my $s = connection($h2);
    for (my $id = 1; $id < 4000; $id += 2) {
        last if !print $s headers($id, 'GET', '/v2/app/tags/list'),
            frame($RST, 0, $id, pack 'N', 8);
    }
    $s->flush;
    close $s;
}

sleep 1;
my $growth = rss() - $before;
cmp_ok $growth, '<', 65536, "10000 streams that are reset cost $growth KB";

my $blob = $c->push_blob('app', 'z' x 8_000_000);
$before = rss();
my @stalled = map {
    my $s = connection($h2);
    print $s map { headers(2 * $_ + 1, 'GET', "/v2/app/blobs/$blob") } 0 .. 9;
    $s;
} 1 .. 5;

my $bomb = connection($h2);
print $bomb frame($HEADERS, $END_HEADERS, 1, block('GET', '/v2/',
    authorization => $user, map { ("x-$_" => 'y' x 20) } 1 .. 300));

sleep 2;
is $c->request('GET', '/v2/app/tags/list')->{status}, 200,
    'others are answered meanwhile';
$growth = rss() - $before;
cmp_ok $growth, '<', 65536, "50 pulls that stand still cost $growth KB";
close $_ for @stalled, $bomb;

my $left;
for (1 .. 100) {
    $left = descriptors() - $open;
    last if $left <= 8;
    sleep 0.1;
}
cmp_ok $left, '<=', 8, 'no connection is left of them';
is_deeply [$t->workers], [$worker], 'no worker ended';


# Keys and what is logged.

# what nginx itself says of a request that is none has it as it came
my $log = join "\n", grep { !/\[info\].* client sent invalid / }
    split /\n/, read_file($t->error_log) . read_file($t->dir . '/access.log');
is join("\n", grep { /[\x00-\x1f\x7f]/ } split /\n/, $log), '',
    'no control character in a log';
unlike $log, qr/_state=[^*& ]/, 'no state either';

my $acl = $t->store->swift('HEAD', '')->{headers};
ok !grep(/^x-container-(read|write)$/, keys %$acl),
    'the container is nobody else\'s';


# The table, and what the page of who trusts whom names of it.

my $rows = 0;
my (%threats, @trusts);

for (split /\n/, read_file("$FindBin::Bin/../docs/threats.md")) {
    push @trusts, $1 =~ /S-\w+/g if /\| ((?:S-\w+ )+)\|$/ && !/^\| S-/;

    my ($id, undef, undef, $tests) = /^\| (S-\S+) \| (.*) \| (.*) \| (.*) \|$/
        or next;
    $rows++;
    $threats{$id}++;
    my @tests = $tests =~ /`([^`]+)`/g;
    my @missing = grep {
        my ($file, $text) = split /: /, $_, 2;
        my $source = eval { read_file("$FindBin::Bin/../$file") };
        !defined $source || defined $text && index($source, $text) < 0;
    } @tests;
    ok @tests && !@missing, "threat $id has its test"
        or diag "not there: @missing";
}
cmp_ok $rows, '>', 40, 'threats in the table';
is_deeply [grep { $threats{$_} > 1 } sort keys %threats], [],
    'no two of one number';
cmp_ok scalar @trusts, '>', 20, 'who trusts whom names threats';
is_deeply [grep { !$threats{$_} } @trusts], [], 'which are there';

$t->finish(allow => qr/./);


# All that comes within a second of silence, or until the end.

sub exchange {
    my ($text) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => $host)
        or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    print $socket $text;
    $socket->flush;

    my $answer = '';
    for ( ;; ) {
        vec(my $in = '', fileno $socket, 1) = 1;
        select $in, undef, undef, length $answer ? 0.15 : 5 or last;
        sysread $socket, $answer, 65536, length $answer or last;
    }

    return $answer;
}


sub smuggled {
    return scalar grep { $_->{uri} =~ /smuggled/ } @{ $t->requests };
}


sub headers {
    my ($id, $method, $path) = @_;

    return frame($HEADERS, $END_HEADERS | $END_STREAM, $id,
        block($method, $path, authorization => $user));
}


# 0 under the sanitizers, which keep what is freed

sub rss {
    return 0 if $ENV{ASAN_OPTIONS} || $ENV{MEMCHECK};
    return (read_file("/proc/$worker/status") =~ /^VmRSS:\s+(\d+)/m)[0];
}


sub descriptors {
    my @fds = glob "/proc/$worker/fd/*";

    return scalar @fds;
}
