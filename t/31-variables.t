#!/usr/bin/perl

# Variables in the access phase and in the log, and what is ruled by them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my ($config, $layer) = ('{"os":"linux"}', 'layer');
my $blob = 'sha256:' . sha256_hex($layer);

my @names = qw(operation action repository reference mount_from digest
    upload error storage_calls cache);
my $log = $t->dir . '/variables.log';


# What the log says of one request: {operation => ..., status => ...}

my $n = 0;

sub line {
    my ($method, $path, $options) = @_;

    my $id = 'request-' . ++$n;
    $t->client->request($method, $path,
        { %{ $options // {} }, headers => { 'X-Test' => $id } });

    for (1 .. 500) {
        my ($found) = grep { / \Q$id\E$/ } split /\n/, read_file($log);
        my %line;

        if (defined $found) {
            @line{@names, 'storage_time', 'storage_id', 'status'} =
                split / /, $found;
            return \%line;
        }

        select undef, undef, undef, 0.01;
    }

    die "$method $path is not in the log";
}


sub is_line {
    my ($request, %want) = @_;

    my $line = line(@$request);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply({ map { $_ => $line->{$_} } keys %want }, \%want,
        "$request->[0] $request->[1]");

    return $line;
}


$t->start(
    http => 'log_format variables "'
        . join(' ', map { "\$registry_$_" } @names, 'storage_time',
               'storage_id')
        . ' $status $http_x_test";'
        . 'map $registry_repository $closed { default 0; frozen/app on; }'
        . 'map $registry_repository $can_delete { default on; keep/app off;'
        . ' odd/app maybe; }'
        . 'map "$registry_action $registry_repository $registry_mount_from"'
        . ' $denied { default 0; "~^push secret/" 1; "~ secret/app$" 1;'
        . ' "~^pull hidden/" 1; }',
    delete => '$can_delete',
    directives => "access_log $log variables; registry_read_only \$closed;"
        . 'if ($denied) { return 403; }');

my $c = $t->client;
$c->push_blob('a/b', $_) for $config, $layer;
my ($bytes, $digest) = $c->manifest($config, $layer);
$c->put_manifest('a/b', 'v1', $bytes);


is_line(['GET', '/v2/'], operation => 'ping_get', action => '-',
    repository => '-', status => 200, error => '-', cache => '-');
is_line(['GET', '/v2/_catalog'], operation => 'catalog_get',
    action => 'catalog', repository => '-');
is_line(['GET', '/v2/a/b/tags/list'], operation => 'tags_get',
    action => 'pull', repository => 'a/b');

my $cold = is_line(['GET', '/v2/a/b/manifests/v1'],
    operation => 'manifest_get', action => 'pull', repository => 'a/b',
    reference => 'v1', digest => $digest, status => 200, cache => 'MISS',
    storage_calls => 2);
like($cold->{storage_time}, qr/^\d+\.\d{3}$/, 'time of the storage');
like($cold->{storage_id}, qr/^tx[0-9a-f-]+/, 'its transaction');

is_line(['HEAD', '/v2/a/b/manifests/v1'], operation => 'manifest_head',
    cache => 'HIT', storage_calls => 0, storage_time => '-');
is_line(['GET', "/v2/a/b/manifests/$digest"], reference => $digest,
    digest => $digest);
is_line(['GET', '/v2/a/b/manifests/none'], status => 404,
    error => 'MANIFEST_UNKNOWN', digest => '-');
is_line(['GET', "/v2/a/b/blobs/$blob"], operation => 'blob_get',
    action => 'pull', digest => $blob, status => 200);
is_line(['GET', '/v2/a/b/nothing'], operation => '-', action => '-',
    status => 404, error => 'NOT_FOUND');

my $begun = is_line(['POST', '/v2/a/b/blobs/uploads/'],
    operation => 'upload_post', action => 'push', status => 202);
like($begun->{upload}, qr/^[0-9a-f-]{36}$/, 'the new upload');
my $location = $c->begin_upload('a/b');
my ($id) = $location =~ m{uploads/([0-9a-f-]{36})};
is_line(['PATCH', $location, { content => 'some' }],
    operation => 'upload_patch', action => 'push', upload => $id,
    status => 202);
is_line(['DELETE', $location], operation => 'upload_delete',
    action => 'push', upload => $id);
is_line(['POST', "/v2/c/d/blobs/uploads/?mount=$blob&from=a%2Fb"],
    operation => 'blob_mount', action => 'push', mount_from => 'a/b',
    repository => 'c/d', status => 201, digest => $blob);
is_line(['POST', "/v2/c/d/blobs/uploads/?mount=$blob&from=a&from=b"],
    mount_from => '-', status => 400);
is_line(['OPTIONS', '/v2/a/b/manifests/v1'], operation => 'manifest_other',
    action => 'push', status => 405, error => 'UNSUPPORTED');


# rules

is_line(['POST', '/v2/secret/app/blobs/uploads/'], status => 403,
    error => 'DENIED', repository => 'secret/app');
is_line(['POST', "/v2/c/d/blobs/uploads/?mount=$blob&from=secret/app"],
    status => 403);
is_line(['GET', '/v2/hidden/app/manifests/v1'], status => 403);
is_line(['GET', '/v2/hidden//app/manifests/v1'], status => 403,
    repository => 'hidden/app');
is_line(['GET', '/v2/%68idden/app/manifests/v1'], status => 403,
    repository => 'hidden/app');

is_line(['POST', '/v2/frozen/app/blobs/uploads/'], status => 405,
    error => 'UNSUPPORTED');
is_line(['GET', '/v2/frozen/app/manifests/v1'], status => 404);
is($c->request('PUT', '/v2/frozen/app/manifests/v1')->{headers}{allow},
    'GET, HEAD', 'Allow of a read-only repository');

for my $name ('keep/app', 'odd/app', 'free/app') {
    $c->push_blob($name, $_) for $config, $layer;
    $c->put_manifest($name, 'v1', $bytes);
}

is_line(['DELETE', '/v2/keep/app/manifests/v1'], status => 405);
is_line(['DELETE', '/v2/odd/app/manifests/v1'], status => 405);
like(read_file($t->error_log),
    qr/"registry_delete" is "maybe", which is neither on nor off/,
    'a strange value is told');
is_line(['DELETE', '/v2/free/app/manifests/v1'], status => 202,
    action => 'delete');

$t->finish;
