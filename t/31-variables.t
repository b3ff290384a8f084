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
my ($ruled, $asked) = map { RegistryTest::free_port() } 1 .. 2;
my $questions = $t->dir . '/questions.log';


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
        . ' "~^pull hidden/" 1; }'

        # rules by somebody who is asked, and by what a rewrite leaves
        . "log_format questions '\$http_x_scope|\$http_x_mount';"
        . "server { listen 127.0.0.1:$asked; access_log $questions questions;"
        . ' location / { if ($http_x_scope !~ "^mine:push$") { return 401; }'
        . ' return 204; } }'
        . "server { listen 127.0.0.1:$ruled;"
        . ' set $before "$registry_repository $registry_tags'
        . ' $registry_operation $registry_mount_from $registry_reference";'
        . ' rewrite ^/v2/alias/(.*)$ /v2/secret/$1;'
        . ' rewrite ^/v2/redirected/(.*)$ /v2/$1/?x=$1;'
        . " location = /_ask { internal; proxy_pass http://127.0.0.1:$asked;"
        . ' proxy_pass_request_body off; proxy_set_header Content-Length "";'
        . ' proxy_set_header X-Scope "$registry_repository:$registry_action";'
        . ' proxy_set_header X-Mount $registry_mount_from; }'
        . $t->location('/v2/', 'if ($registry_repository ~ "^secret/")'
            . ' { return 403; }'
            . ' add_header X-Before $before always;'
            . ' add_header X-Tags $registry_tags always;'
            . ' add_header X-From $registry_mount_from always;'
            . ' add_header X-Operation $registry_operation always;')
        . $t->location('/v2/mine', 'auth_request /_ask;')
        . $t->location('/v2/theirs', 'auth_request /_ask;')
        . '}',
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


# What a rule stands on has no byte that the API does not have: a query that
# is malformed leaves the variables empty, and is refused before anybody is
# asked.

my $r = RegistryTest::Client->new(port => $ruled);
my $zeros = 'sha256:' . '0' x 64;

for my $line ('%0d%0aX-Scope:%20mine:push', '%0aX-Scope:%20mine:push', '%00',
    '%7f', 'A', '%20', '..%2fsecret%2fapp', '"', '%c3%a4')
{
    for (['POST', "/v2/theirs/blobs/uploads/?mount=$zeros&from=a$line"],
         ['POST', "/v2/theirs/blobs/uploads/?from=a$line"],
         ['POST', "/v2/theirs/blobs/uploads/?mount=$zeros$line&from=mine"],
         ['POST', "/v2/theirs/blobs/uploads/?digest=$zeros$line"],
         ['PUT', "/v2/theirs/manifests/$zeros?tag=v1&tag=-$line"])
    {
        my ($method, $path) = @$_;
        my $got = $r->request($method, $path, { content => '' });
        is($got->{status}, 400, "$method $path");
        like($r->error_code($got), qr/^(DIGEST|NAME|TAG)_INVALID$/,
            'its error');
    }

    for ("/v2/app/blobs/uploads/?from=a$line",
         "/v2/app/blobs/uploads/?mount=$zeros$line",
         "/v2/app/manifests/$zeros?tag=-$line")
    {
        my $got = $r->request(/manifests/ ? 'PUT' : 'POST', $_,
            { content => '' });
        is(join('', map { $got->{headers}{$_} // '' } qw(x-tags x-from
            x-operation x-scope)), '', "nothing in a header: $_");
    }
}

for my $page ('n=1%0a', 'last=a%0d%0ab', 'last=%7f') {
    my $got = $r->request('GET', "/v2/app/tags/list?$page");
    is("$got->{status} " . $r->error_code($got),
        '400 PAGINATION_NUMBER_INVALID', "tags by $page");
}

is($r->request('POST', '/v2/theirs/blobs/uploads/', { content => '' })
    ->{status}, 401, 'who asks for what is another\'s');
is($r->request('POST', '/v2/mine/blobs/uploads/', { content => '' })
    ->{status}, 202, 'and for his own');
# a log may be written after the answer

for (1 .. 100) {
    last if read_file($questions) =~ /^mine:/m;
    select undef, undef, undef, 0.05;
}

is(read_file($questions), "theirs:push|-\nmine:push|-\n",
    'nobody was asked about the malformed ones');

is($r->request('GET', '/v2/redirected/app%0d%0aX-Scope:%20a/tags/list')
    ->{headers}{'x-scope'}, undef, 'nor do rewritten arguments make a header');


# As $uri they are read each time: the rule is about what is served.

is($r->request('GET', '/v2/secret/app/tags/list')->{status}, 403,
    'a rule by the repository');
is($r->request('GET', '/v2/alias/app/tags/list')->{status}, 403,
    'the same by another path');
my $got = $r->request('PUT', '/v2/b/manifests/v2', { content => '' });
is_deeply([@{ $got->{headers} }{qw(x-before x-operation x-tags)}],
    ['b v2 manifest_put  v2', 'manifest_put', 'v2'], 'before and after it');

$t->finish;
