#!/usr/bin/perl

# Paths and methods, asked of the module and of registry:2 itself beside it:
# the status is the same, or the table of differences says why not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;

use RegistryTest;


my $new = RegistryTest->new(under_test => 'module');
my $old = RegistryTest->new(under_test => 'docker-registry',
    container => $new->container . '-2');

$new->start(auth => 0, server =>
    $new->location('/v2/secret/', 'deny all;'));
$old->start(auth => 0);

my $zeros = 'sha256:' . '0' x 64;
my $uuid = '01234567-89ab-4cde-8f01-23456789abcd';

my $blob;
my @there = qw(app a/b blobs/uploads tags/list manifests/v1 referrers v2/app);

for my $c ($new->client, $old->client) {
    my @blobs = map { $c->push_blob('app', $_) } '{}', 'layer';
    my ($manifest) = $c->manifest('{}', 'layer');
    $blob = $blobs[0];

    for my $name (@there) {
        $c->request('POST', "/v2/$name/blobs/uploads/?mount=$_&from=app")
            for @blobs;
        my $r = $c->put_manifest($name, 'v1', $manifest);
        die "$name: $r->{status} $r->{content}" if $r->{status} != 201;
    }
}


# Names that stand in all paths, and those that stand in a few.

my @all = ('app', 'tags/list', 'A');
my @few = (@there,

    # good ones, of repositories that are not there
    qw(a__b a---b a.b 0 uploads a/blobs a/manifests a/tags v2 localhost),
    'a' x 255,

    # bad ones
    qw(App/x a/B -a a- .a a. a..b a.-b a___b _a a_ _catalog a/_layers
       a%20b a%00b %C3%A4 %ff a:b host:5000/a host.com/a HOST.com/a
       a%2Fb a%252Fb a+b a~b a;b a%3Fb a%23b a%0Ab a%5Cb), 'a' x 256,
    'a' x 2000,

    # and what a path is made of
    qw(. .. ./a a/. ../a a/../app a/%2e%2e/app %2e%2e/app a/./b a//b /app
       app/ a%2F%2Fb a%2F..%2Fapp));

my @long = ('', '/', '/tags', '/tags/', '/tags/list', '/tags/list/',
    '/tags/list/x', '/manifests', '/manifests/', '/manifests/v1',
    '/manifests/v1/', '/manifests/v9', '/manifests/-v', '/manifests/.v',
    '/manifests/' . 't' x 128, '/manifests/' . 't' x 129, '/manifests/_',
    '/manifests/a%2Fb', '/manifests/a%3Ab', "/manifests/$zeros",
    '/manifests/sha256:0', '/manifests/md5:' . '0' x 32,
    '/blobs', '/blobs/', "/blobs/$zeros", "/blobs/$zeros/",
    '/blobs/sha256:0', '/blobs/sha256:' . 'A' x 64, '/blobs/v1',
    '/blobs/uploads', '/blobs/uploads/', "/blobs/uploads/$uuid",
    "/blobs/uploads/$uuid/", '/blobs/uploads/x', '/blobs/uploads/x/y',
    '/nothing/v1');

my @short = ('', '/tags/list', '/tags/list/', '/manifests/v1',
    "/blobs/$zeros", '/blobs/uploads');

my @paths = ('/v2', '/v2/', '/v2//', '/v2/_catalog', '/v2/_catalog/',
    '/v2/_catalog/x', '/v2/_catalog?n=1', '//v2/', '/./v2/', '/x/../v2/',
    '/v2/%2e', '/%76%32/', '/v2%2F');

my @asked = (
    (map { ['GET', $_] } @paths, '/V2/', '/v1/', '/v22/'),
    (map { my $name = $_; map { ['GET', "/v2/$name$_"] } @long } @all),
    (map { my $name = $_; map { ['GET', "/v2/$name$_"] } @short } @few),
    (map {
        my $method = $_;
        map { [$method, $_] } @paths[0, 1, 3, 4], map { "/v2/app$_" } @long
    } qw(HEAD PUT POST PATCH DELETE OPTIONS FROB)),
);


# Where the answers differ: theirs, ours, method, path, and why.
# Each row is needed by something that is asked.

my @differences = (
    ['404', '400', qr/.*/, qr{.}, 'a name, tag or digest that is none is told'
        . ' apart from a path that is none'],
    ['500', '400', qr/.*/, qr{/manifests/(sha256|md5|a%3A)}, 'a digest that is'
        . ' none is no fault of the server'],
    ['500', '400', qr/.*/, qr{/a{256}}, 'nor is a name that is too long'],
    ['500', '404', qr/GET/, qr{/a{255}/}, 'one of 255 is not'],
    ['500', '405', qr/GET/, qr{/a{255}/}, 'one of 255 is not'],
    ['500', '400', qr/.*/, qr{/\w+:5000/|/[A-Z]\w+\W}, 'nor is one with a'
        . ' host, which no client can push'],
    ['200', '404', qr/GET/, qr{/v2/\.\.$}, 'what is not below /v2/ is not'
        . ' ours'],
    ['405', '400', qr/.*/, qr{/manifests/(sha256|md5|a%3A)}, 'the path is read'
        . ' before the method'],
    ['200', '400', qr/OPTIONS/, qr{.}, 'the same'],
    ['200', '405', qr/OPTIONS/, qr{.}, 'CORS is for the configuration'],
    ['200', '405', qr/PUT|POST|PATCH|DELETE|FROB/, qr{^/v2/$}, 'only to be'
        . ' read'],
    ['404', '405', qr/.*/, qr{/blobs/uploads}, 'the path is there, the method'
        . ' is not'],
    ['405', '200', qr/HEAD/, qr{_catalog|tags/list}, 'HEAD is GET without a'
        . ' body'],
    ['301', '202', qr/POST/, qr{/blobs/uploads$}, 'a POST that is redirected'
        . ' becomes a GET'],
    ['301', '404', qr/.*/, qr{/$}, 'only what is read is redirected'],
    ['301', '405', qr/.*/, qr{/blobs/uploads$}, 'the method is not allowed'
        . ' there, either'],
    ['400', '202', qr/DELETE/, qr{/manifests/v1$}, 'tags can be deleted'],
    ['400', '404', qr/DELETE/, qr{/manifests/}, 'tags can be deleted'],
);


# registry:2 is slow, but it can be asked eight things at a time.

my @answers;

for my $i (0 .. 7) {
    my $child = open $answers[$i], '-|';
    die "fork: $!" if !defined $child;

    if (!$child) {
        for (grep { $_ % 8 == $i } 0 .. $#asked) {
            syswrite STDOUT, ask($old, @{ $asked[$_] })->{status} . "\n";
        }
        POSIX::_exit(0);
    }
}

my (%used, $same);
my @ours = map { ask($new, @$_) } @asked;

for my $i (0 .. $#asked) {
    my ($method, $path) = @{ $asked[$i] };
    my $us = $ours[$i];
    my $them = { status => readline($answers[$i % 8]) + 0 };

    my ($row) = grep {
        my ($theirs, $ours, $m, $p) = @{ $differences[$_] };
        $them->{status} == $theirs && $us->{status} == $ours
            && $method =~ /^$m$/ && $path =~ $p
    } 0 .. $#differences;

    $us->{status} == $them->{status} ? $same++
        : defined $row ? $used{$row}++
        : fail("$method $path: $us->{status}, but registry:2 says"
            . " $them->{status}");

    my $h = $us->{headers};

    fail("$method $path: $us->{status} is no registry JSON")
        if $path =~ m{^/v2/(?!\.\.|%2e%2e)} && $us->{status} >= 400
            && (($h->{'content-type'} // '') !~ m{^application/json}
                || ($h->{'docker-distribution-api-version'} // '')
                    ne 'registry/2.0');
}

cmp_ok $same, '>', 300, "$same answers are those of registry:2, of "
    . scalar @asked;
ok $used{$_}, "$differences[$_][0] and $differences[$_][1]: "
    . "$differences[$_][4] (" . ($used{$_} // 0) . ')'
    for 0 .. $#differences;


is $new->client->push_blob('a' x 255, '{}'), $blob,
    'a name of 255 can be pushed';


# What "location" of the configuration sees is what names the repository:
# escapes, dots and double slashes are gone before both.

for ('/v2/secret/tags/list', '/v2/open/../secret/tags/list',
     '/v2/open/%2e%2e/secret/tags/list', '/v2/open%2F..%2Fsecret/tags/list',
     '/v2//secret//tags/list', '/v2/./secret/./tags/list',
     '/v2/%73ecret/tags/list', '//v2/secret/tags/list',
     '/v2/secret%2Ftags/list', '/v2/x/../../v2/secret/tags/list',
     '/v2/secret/tags/list/', '/v2/secret/blobs/uploads',
     '/v2/secret/manifests/..%2Fmanifests%2Fv1')
{
    is ask($new, 'GET', $_)->{status}, 403, "denied: $_";
}

is ask($new, 'GET', '/v2/secretx/tags/list')->{status}, 404,
    'another name is not';

is ask($new, 'POST', "/v2/$_/blobs/uploads/?mount=$blob&from=secret")
    ->{status}, 403, "denied: upload to $_"
    for 'secret', 'x/../secret';


# The answer, where registry:2 leads to by redirects when it is read.

sub ask {
    my ($t, $method, $path) = @_;

    my $port = $t->is_module ? $t->{plain_port} : $t->{registry_port};
    my $r;

    for (1 .. 3) {
        $r = $t->client->exchange("$method $path HTTP/1.1\r\n"
            . "Host: localhost\r\nAccept: $RegistryTest::Client::ACCEPT\r\n"
            . "Connection: close\r\n\r\n", "127.0.0.1:$port")
            // { status => 0 };

        last if $r->{status} != 301 || $method !~ /GET|HEAD/;

        $path = $r->{headers}{location} =~ s{^https?://[^/]+}{}r;
    }

    return $r;
}


$_->stop for $new, $old;
$new->check_log;
done_testing();
