#!/usr/bin/perl

# A storage and an auth server that answer as no good one does: each answer is
# an error of the registry, in time, nothing of it goes to the client, and the
# worker neither ends nor grows.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Client;
use RegistryTest::Hostile;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $port = RegistryTest::free_port();
my $evil = RegistryTest::free_port();

my ($config, $layer) = ('{}', 'layer');
my ($manifest, $digest) = RegistryTest::Client->manifest($config, $layer);
my $link = "sha256:$1" if $digest =~ /:(.*)/;

*good = \&RegistryTest::Hostile::ok;


# Replies to the read of a tag's link.

my %reply = (
    'no-status' => "hello there\r\n\r\n",
    'http-0.9' => 'just bytes',
    'http-2' => "HTTP/2 200\r\n\r\n",
    'status-99' => "HTTP/1.1 99 Short\r\nContent-Length: 0\r\n\r\n",
    'status-2000' => "HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
    'status-999' => good($link, '', '999 Odd'),
    'length-negative' => "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    'length-plus' => "HTTP/1.1 200 OK\r\nContent-Length: +71\r\n\r\n$link",
    'length-huge' =>
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    'length-large' =>
        "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n$link",
    'length-twice' => good($link, "Content-Length: 71\r\n"),
    'length-chunked' => good("47\r\n$link\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n"),
    'coding-gzip' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    'coding-list' =>
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    'chunk-huge' => chunked("FFFFFFFFFFFFFFFFF\r\n$link"),
    'chunk-negative' => chunked("-1\r\n$link"),
    'chunk-word' => chunked("word\r\n$link"),
    'chunk-no-end' => sub { print { $_[0] } chunked("47\r\n$link") },
    'chunks-endless' => sub {
        my ($socket) = @_;
        print $socket chunked('');
        for (1 .. 20_000) {
            print $socket "400\r\n" . 'x' x 1024 . "\r\n" or return;
        }
    },
    'continue-storm' => sub {
        my ($socket) = @_;
        for (1 .. 20_000) {
            print $socket "HTTP/1.1 100 Continue\r\n\r\n" or return;
        }
        print $socket good($link);
    },
    'header-64k' => good($link, 'X: ' . 'x' x 65536 . "\r\n"),
    'header-10000' => good($link, join '', map { "X-$_: 1\r\n" } 1 .. 10_000),
    'header-endless' => sub {
        my ($socket) = @_;
        print $socket "HTTP/1.1 200 OK\r\n";
        for (1 .. 20_000) {
            print $socket 'X: ' . 'x' x 1024 . "\r\n" or return;
        }
    },
    'header-nul' => good($link, "X-Y: a\0b\r\n"),
    'header-space' => good($link, "X-Y : a\r\n"),
    'header-fold' => good($link, "X-Y: a\r\n b\r\n"),
    'etag-control' => good($link, "ETag: \"a\x1b[31mb\"\r\n"),
    'trans-id-control' => good('', "X-Trans-Id: tx\x1b]0;evil\x07\r\n",
        '500 Broken'),
    'trans-id-c1' => good('', "X-Trans-Id: tx\x9b31m\xc2\x9b31m\r\n",
        '500 Broken'),
    'range-control' => good($link, "Content-Range: \x08\x08\r\n"),
    'body-short' => sub {
        print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Length: 71\r\n\r\nsha256:";
    },
    'body-long' => good('x' x 10_000_000),
    'two-replies' => good($link) . good($link),
    'silence' => sub { sleep 10 },
    'dribble' => sub {
        my ($socket) = @_;
        for (split //, "HTTP/1.1 200 OK\r\nX: " . 'x' x 100) {
            print $socket $_ or return;
            select undef, undef, undef, 0.3;
        }
    },
    'link-foreign' => good('../../../etc/passwd'),
    'link-control' => good("sha256:\r\nX: y"),
    'link-nul' => good("$link\0"),
    'link-nothing' => good(''),
    'redirect' => good('', "Location: http://127.0.0.1:$evil/\r\n",
        '302 Found'),
    'early-hints' => "HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" . good($link),
    'headers' => good($link, evil_headers()),
);

# those that are understood, and what the client gets

my %fine = ('early-hints' => 200, headers => 200);


# Listings: what is no tag of the repository is none of the answer.

my %listing = (
    'list-no-json' => [good('<html>'), 503],
    'list-object' => [good('{}'), 503],
    'list-null' => [good('null'), 503],
    'list-numbers' => [good('[1, 2]'), 503],
    'list-wrong-types' => [good('[{"name":1,"bytes":"x"}]'), 503],
    'list-deep' => [good('[' x 100_000), 503],
    'list-size' => [good(encode_json([{ name =>
        'files/docker/registry/v2/repositories/list-size/_manifests/tags/a/x',
        hash => 'x', bytes => 9223372036854775807 }])), 503],
    'list-negative' => [good('[{"name":"x","bytes":-5}]'), 503],
    'list-utf8' => [good("[{\"subdir\":\"\xc0\xaf\xff/\"}]"), 503],
    'list-huge-name' =>
        [good(encode_json([{ subdir => 'x' x 2_000_000 }])), 503],
    'list-foreign' => [good(encode_json([
        { subdir => 'files/docker/registry/v2/repositories/other/_manifests/'
            . 'tags/stolen/' } ])), 503],
    'list-unfit' => [good(encode_json([{ subdir =>
        'files/docker/registry/v2/repositories/list-unfit/_manifests/tags/'
        . "bad\r\nSet-Cookie: a=b/" }])), qr/^(200|404|503)$/],
    'list-again' => [good(encode_json([map { { subdir =>
        'files/docker/registry/v2/repositories/list-again/_manifests/tags/'
        . "$_/" } } 'b', 'a', 'b', 'a' ])), 503],
);


# Answers of the auth server, and what the log says.

my %auth = (
    'a-refused' => [good('', '', '401 No'), qr/401/],
    'a-redirect' => [good('', "Location: http://127.0.0.1:$evil/\r\n",
        '302 Found'), qr/302/],
    'a-no-token' => [good('', url()), qr/no X-Auth-Token/],
    'a-no-url' => [good('', "X-Auth-Token: t\r\n"), qr/no X-Storage-Url/],
    'a-file' => [good('', token() . "X-Storage-Url: file:///etc/passwd\r\n"),
        qr/not http or https/],
    'a-user' => [good('', token()
        . "X-Storage-Url: http://u:p\@127.0.0.1:$evil/v1\r\n"),
        qr/names a user/],
    'a-dots' => [good('', token()
        . "X-Storage-Url: http://127.0.0.1/a/../b\r\n"), qr/dot segment/],
    'a-blank' => [good('', token()
        . "X-Storage-Url: http://127.0.0.1/a b\r\n"), qr/unsafe characters/],
    'a-line' => [good('', url() . "X-Auth-Token: a\rX-Evil: b\r\n"),
        qr/control characters/],
    'a-control' => [good('', url() . "X-Auth-Token: a\x1bb\r\n"),
        qr/control characters/],
    'a-long-token' => [good('', url() . 'X-Auth-Token: ' . 'x' x 5000
        . "\r\n"), qr/X-Auth-Token/],
    'a-header' => [sub {
        my ($socket) = @_;
        print $socket "HTTP/1.1 200 OK\r\n";
        for (1 .. 100_000) {
            print $socket 'X: ' . 'x' x 1000 . "\r\n" or return;
        }
    }, qr/more than 64 KB/],
    'a-body' => [sub {
        my ($socket) = @_;
        print $socket "HTTP/1.1 200 OK\r\n" . token() . url() . "\r\n";
        for (1 .. 100_000) {
            print $socket 'x' x 1000 or return;
        }
    }, qr/a body that is too long/],
    'a-garbage' => ["garbage\r\n\r\n", qr/status 0/],
);


my $size = 300_000;
my $path = 'files/docker/registry/v2/repositories';
my @children = (
    RegistryTest::Hostile::start($port, \&storage),
    RegistryTest::Hostile::start($evil, sub {
        open my $fh, '>>', $t->dir . '/evil';
        print $fh "@_\n";
        return good('evil', token() . url());
    }),
);

my %fake = (
    registry_pass => "http://127.0.0.1:$port",
    registry_auth_url => "http://127.0.0.1:$port/auth/good",
    registry_read_timeout => '2s',
    registry_send_timeout => '2s',
);

$t->start(workers => 1, auth => 0, server => join '',
    $t->location('/fake/v2/', '', %fake),
    map { $t->location("/$_/v2/", '', %fake, registry_auth_user => $_,
            registry_auth_url => "http://127.0.0.1:$port/auth/$_") }
        sort keys %auth);

my $c = $t->client;
my ($worker) = $t->workers;

# a first one, for what a worker has once and for all
$c->request('GET', '/fake/v2/no-status/manifests/v1');
my $before = rss();

for (sort keys %reply) {
    my $r = get("/fake/v2/$_/manifests/v1", $_);

    if ($fine{$_}) {
        is $r->{status}, 200, "$_: understood";
        is $r->{content}, $manifest, "$_: the manifest";
        next;
    }

    my $status = /^link-/ ? qr/^(404|503)$/ : qr/^503$/;
    like $r->{status}, $status, "$_: refused" or diag $r->{content};
    ok $c->error_code($r) =~ /^(UNAVAILABLE|MANIFEST_UNKNOWN)$/,
        "$_: as the registry does";
}

for (sort keys %listing) {
    my $r = get("/fake/v2/$_/tags/list", $_);
    like $r->{status}, ref $listing{$_}[1] ? $listing{$_}[1]
        : qr/^$listing{$_}[1]$/, "$_: the status" or diag $r->{content};
}

# nobody waits for a list that does not end

my $left = IO::Socket::INET->new(PeerAddr => $c->{address})
    or die "cannot connect: $!";
print $left "GET /fake/v2/list-left/tags/list?n=2 HTTP/1.1\r\nHost: x\r\n\r\n";
sleep 1;
close $left;

my @ended;

for (1 .. 100) {
    @ended = grep { $_->{uri} =~ /list-left/ } @{ $t->requests };
    last if @ended;
    sleep 0.1;
}

is @ended && $ended[0]{status}, 499, 'list-left: ends with its client';

# replies that are passed on, as they come: when they tell the size themselves,
# and when it is known

for my $name ('blob-long', 'blob-chunked', 'blob-status', 'blob-range') {
    my $path = "/fake/v2/$name/blobs/sha256:" . blob($name);
    my $refused = sub {
        my $r = eval { get($path, $name) };
        return !$r || $r->{status} != 200;
    };

    ok $refused->(), "$name: refused" if $name ne 'blob-long';
    is $c->request('HEAD', $path)->{status}, 200, "$name: its size";
    ok $refused->(), "$name: then refused";
}

my $r = get('/fake/v2/blob-size/blobs/sha256:' . blob('blob-size'),
    'blob-size');
is $r->{status}, 503, 'a blob as large as none can be';

$r = get('/fake/v2/blob-headers/blobs/sha256:' . blob('blob-headers'),
    'blob-headers');
is $r->{status}, 200, 'a blob whose header is full of others';

$r = get('/fake/v2/referrers-huge/referrers/sha256:' . 'a' x 64,
    'referrers-huge');
is $r->{status}, 200, 'referrers as large as can be: left out';
like $r->{content}, qr/"manifests":\[\]/, '... and not read';

for my $name (sort keys %auth) {
    my $r = get("/$name/v2/app/tags/list", $name);
    is $r->{status}, 503, "$name: refused";
    my @said = grep { m{/auth/$name"} } split /\n/, read_file($t->error_log);
    like "@said[0 .. ($#said > 2 ? 2 : $#said)]", $auth{$name}[1],
        "$name: and told why";
}

ok !-e $t->dir . '/evil', 'nobody else was asked';
is_deeply [$t->workers], [$worker], 'no worker ended';
cmp_ok rss() - $before, '<', 16384, 'nor grew by 16 MB';
unlike read_file($t->error_log), qr/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,
    'no control character in the log';

kill "TERM", @children;
$t->finish(allow => qr/./);


sub get {
    my ($uri, $name) = @_;

    my $since = time;
    my $r = $c->request('GET', $uri);

    cmp_ok time - $since, '<', 50, "$name: in time";
    ok !(grep { /^(set-cookie|x-accel|x-evil|refresh|content-encoding|location)/
        } keys %{ $r->{headers} }), "$name: nothing of its header";
    unlike $r->{content} // '', qr/evil/, "$name: nor of what it says";

    return $r;
}


sub storage {
    my ($method, $uri) = @_;

    if ($uri =~ m{^/auth/(.*)}) {
        return $1 eq 'good' ? good('', token() . url(), '204 No Content')
            : $auth{$1}[0];
    }

    my ($name) = $uri =~ m{repositories(?:/|%2F)([a-z0-9.-]+)}i;

    if ($uri =~ /_subjects/ && $uri =~ /[?&]format=/) {
        my ($prefix) = $uri =~ /[?&]prefix=([^&]*)/;
        $prefix =~ s/%(..)/chr hex $1/ge;
        return good($uri =~ /[?&]marker=/ ? '[]' : encode_json([map { {
            name => "${prefix}sha256/" . $_ x 64, hash => 'x',
            bytes => 1 << 50, content_type => 'x', last_modified => '' } } 'b', 'c', 'd']));
    }

    # what is read of one does not end
    return sub {
        my ($socket) = @_;
        print $socket chunked('');
        for (1 .. 100) {
            print $socket "100000\r\n" . 'x' x 0x100000 . "\r\n" or return;
        }
    } if $uri =~ m{/_subjects/};

    # names that are no tags, in their order
    if ($uri =~ m{format=.*list-left}) {
        my ($n) = $uri =~ /marker=.*%21(\d+)/;
        return good(encode_json([map { { subdir =>
            sprintf '%s/list-left/_manifests/tags/a!%012d/', $path,
            ($n // 0) + $_ } } 1 .. 4 ]));
    }

    if ($uri =~ m{[?&](prefix|format)=}) {
        return $listing{$name // ''} ? $listing{$name}[0] : good('[]');
    }

    return $reply{$name} if $name && $uri =~ m{/tags/v1/current/link};
    return good('', '', '204 No Content') if $uri !~ m{$path|/blobs/};

    if ($uri =~ m{/blobs/sha256/../([0-9a-f]{64})/data}) {
        return good($manifest, evil_headers())
            if "sha256:$1" eq $digest && $method eq 'GET';
        return head(length $manifest) if "sha256:$1" eq $digest;
        return data($method, $1);
    }

    # links
    return good("sha256:$1")
        if $uri =~ m{/_(?:layers|manifests/revisions)/sha256/(\w+)/link};
    return good('', '', '404 Not Found');
}


# Blobs, too large to be looked at before they are passed on: the size is right
# when it is asked for, the reply is another.

sub blob { return sha256_hex($_[0]) }


sub data {
    my ($method, $hex) = @_;

    return head($size) if $method eq 'HEAD';

    my %data = (
        'blob-long' => good('x' x ($size + 10)),
        'blob-chunked' => chunked(sprintf("%x\r\n", $size) . 'x' x $size
            . "\r\n0\r\n\r\n"),
        'blob-size' => head(9223372036854775807),
        'blob-status' => good('x' x $size, '', '203 Other'),
        'blob-range' => good('x' x $size, "Content-Range: bytes 0-9/99\r\n",
            '206 Partial'),
        'blob-headers' => good('x' x $size, evil_headers()),
    );

    my ($name) = grep { blob($_) eq $hex } keys %data;

    return $name ? $data{$name} : good('', '', '404 Not Found');
}


sub head {
    return "HTTP/1.1 200 OK\r\nContent-Length: $_[0]\r\n\r\n";
}


sub chunked {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n$_[0]";
}


sub evil_headers {
    return "X-Accel-Redirect: /evil\r\nX-Accel-Limit-Rate: 1\r\n"
        . "X-Accel-Buffering: no\r\nX-Accel-Expires: 9\r\nX-Evil: evil\r\n"
        . "Set-Cookie: evil=1\r\nRefresh: 0; url=http://evil/\r\n"
        . "Location: http://127.0.0.1:$evil/\r\nContent-Encoding: gzip\r\n"
        . "Content-Type: text/html\r\n";
}


sub token { "X-Auth-Token: token\r\n" }
sub url { "X-Storage-Url: http://127.0.0.1:$evil/swift/v1\r\n" }


# 0 under the sanitizers, which keep what is freed

sub rss {
    return 0 if $ENV{ASAN_OPTIONS} || $ENV{MEMCHECK};
    return (read_file("/proc/$worker/status") =~ /^VmRSS:\s+(\d+)/m)[0];
}
