#!/usr/bin/perl

# Location and Link: relative, or with registry_external_url, never made of
# what a client says; with whatever stands before /v2/.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;

my $fixed = 'https://registry.example.com:5000/docker';

$t->start(auth => 0, server => join '',
    $t->location('/some/prefix/v2/', ''),
    $t->location('/fixed/v2/', '', registry_external_url => $fixed),
    $t->location('/host/v2/', '', registry_external_url => 'https://$host'),
    $t->location('/raw/v2/', '',
        registry_external_url => 'https://$http_host'),
    $t->location('/maybe/v2/', '', registry_external_url => '$arg_url'),
    $t->location('~ ^/regex/', ''),
);

my $c = $t->client;
my $evil = {
    'Host' => 'evil.example',
    'Forwarded' => 'host=evil.example;proto=gopher',
    'X-Forwarded-Host' => 'evil.example',
    'X-Forwarded-Proto' => 'gopher',
    'X-Forwarded-Port' => '666',
    'X-Forwarded-Prefix' => '/evil',
    'X-Original-URI' => '/evil/v2/',
};

my $bytes = 'a blob';
my $digest = 'sha256:' . sha256_hex($bytes);
my ($manifest, $manifest_digest) = $c->manifest($bytes);


# Each answer that has a Location, below $path, begins with $base; %$more is
# sent with each request.

sub push_below {
    my ($path, $base, $more) = @_;

    my $send = sub {
        my ($method, $uri, $content, %headers) = @_;

        $content //= '';
        %headers = (Host => 'localhost', Connection => 'close',
            'Content-Length' => length $content, %$more, %headers);

        my $r = $c->exchange("$method $uri HTTP/1.1\r\n"
            . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
            . "\r\n$content");

        return ($r->{status}, $r->{headers}{location});
    };

    my @r = $send->('POST', "$path/v2/a/b/blobs/uploads/");
    like $r[1], qr{^\Q$base\E/v2/a/b/blobs/uploads/[0-9a-f-]{36}\?_state=},
        "$path: upload begun";

    # the server in the test is none of those that a Location may name
    my $here = sub { $r[1] =~ s/^\Q$base\E/$path/r };

    @r = $send->('PATCH', $here->(), $bytes);
    is $r[0], 202, "$path: PATCH";
    like $r[1], qr{^\Q$base\E/v2/a/b/blobs/uploads/}, "$path: its Location";

    @r = $send->('GET', $here->());
    is $r[0], 204, "$path: status";
    like $r[1], qr{^\Q$base\E/v2/a/b/blobs/uploads/}, "$path: its Location";

    is_deeply [$send->('PUT', $c->with_digest($here->(), $digest))],
        [201, "$base/v2/a/b/blobs/$digest"], "$path: blob";
    is_deeply [$send->('POST', "$path/v2/c/blobs/uploads/?digest=$digest",
                   $bytes)],
        [201, "$base/v2/c/blobs/$digest"], "$path: blob in one";
    is_deeply [$send->('POST',
                   "$path/v2/d/blobs/uploads/?mount=$digest&from=c")],
        [201, "$base/v2/d/blobs/$digest"], "$path: mounted";
    is_deeply [$send->('PUT', "$path/v2/a/b/manifests/v1", $manifest,
                   'Content-Type' =>
                       'application/vnd.oci.image.manifest.v1+json')],
        [201, "$base/v2/a/b/manifests/$manifest_digest"], "$path: manifest";
    is_deeply [$send->('GET', "$path/v2/a/b/tags/list/?n=1&last=a%2F")],
        [301, "$base/v2/a/b/tags/list?n=1&last=a%2F"], "$path: redirect";

    my $r = $c->request('GET', "$path/v2/_catalog?n=1");
    like $r->{headers}{link}, qr{^<\Q$path\E/v2/_catalog\?},
        "$path: Link is relative";
}


push_below('', '', {});
push_below('', '', $evil);
push_below('/some/prefix', '/some/prefix', $evil);
push_below('/fixed', "$fixed/fixed", $evil);
push_below('/host', 'https://evil.example/host', $evil);
push_below('/raw', 'https://registry.example.org:1234/raw',
    { Host => 'registry.example.org:1234' });
push_below('/regex/x', '/regex/x', {});


# What a variable makes of it is no URL.

for (['', 'nothing'], ['gopher://a', 'another scheme'],
     ['https://a/b/', 'a slash at the end'], ['https://a%0d%0aX:y', 'escapes'],
     ['https://a"b', 'a quote'])
{
    my ($url, $name) = @$_;
    my $r = $c->request('POST', "/maybe/v2/a/blobs/uploads/?url=$url");
    is $r->{status}, 202, "$name: no error";
    like $r->{headers}{location}, qr{^/maybe/v2/a/blobs/}, "$name: relative";
}

my $r = $c->request('POST', '/maybe/v2/a/blobs/uploads/?url=http://a.b');
like $r->{headers}{location}, qr{^http://a\.b/maybe/v2/a/}, 'a good one';

my @warned = read_file($t->error_log)
    =~ /\[warn\].*"registry_external_url" became "(.*)", which is no URL/g;
is @warned, 4, 'each is logged, but nothing is no mistake';


# A prefix that is not harmless is escaped.

$r = $c->request('POST', '/regex/%22%0d%0aX:%20y/v2/a/blobs/uploads/');
is $r->{status}, 202, 'prefix with a line end';
like $r->{headers}{location}, qr{^/regex/%22%0D%0AX%3A%20y/v2/a/},
    'is escaped';
ok !exists $r->{headers}{x}, 'and makes no header';


# /v2 without the slash is nginx's redirect

is $c->request('GET', '/v2')->{status}, 301, '/v2 leads to /v2/';
is $c->request('GET', '/')->{status}, 404, '/ is not ours';
is $c->request('GET', '/')->{headers}{'docker-distribution-api-version'},
    undef, 'in no header';


# what the configuration test says

for (['registry.example.com', 'no scheme'],
     ['https://registry.example.com/', 'a slash at the end'],
     ['https://u:p@registry.example.com', 'a user'],
     ['"https://a?b=c"', 'a query'])
{
    my ($url, $name) = @$_;
    my $bad = RegistryTest->new(container => 'unused');

    eval {
        $bad->start(server =>
            $bad->location('/x/v2/', '', registry_external_url => $url));
    };
    like read_file($bad->dir . '/nginx.out') . read_file($bad->error_log),
        qr/"registry_external_url" is the URL that clients use, up to the/,
        "$name is refused";
}


$t->finish;
