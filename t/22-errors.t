#!/usr/bin/perl

# Walks the tables of docs/errors.md: each row is provoked, and its answer is
# registry JSON with this code and status, a cause that says more than the
# code, and a header that is right, for HEAD, too.  A row that nothing provokes
# fails, and so does an error of reg_errors.inc that is in no row.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Image qw(read_file);


my $t = RegistryTest->new;
my $fake = RegistryTest::free_port();
my $away = RegistryTest::free_port();
my %fake = (registry_pass => 'http://fake',
    registry_auth_url => "http://127.0.0.1:$fake/auth");
my @returned = (400, 403 .. 405, 411, 416, 421, 429, 500, 502 .. 504, 507);

$t->start(
    http => <<"END",
    limit_req_zone \$binary_remote_addr zone=often:64k rate=1r/m;
    upstream away { server 127.0.0.1:$away; }
    upstream fake { server 127.0.0.1:$fake; }

    # a storage that has the container, and nothing else in order
    server {
        listen 127.0.0.1:$fake;
        location = /auth {
            add_header X-Storage-Url http://127.0.0.1:$fake/swift/v1;
            add_header X-Auth-Token token;
            return 204;
        }
        location / { return 500; }
        location ~ /refuse\$ { return 204; }
        location ~ /refuse/ { return 401; }
        location ~ /read-only\$ { return 204; }
        location ~ /read-only/.*_manifests/tags/ { return 406; }
        location ~ /read-only/.*_layers/ { return 406; }
        location ~ /read-only/ { return 404; }
    }
END
    server => join('',
        (map { $t->location("/r$_/v2/", "return $_;") } @returned),
        $t->location('/off/v2/', '', registry_delete => 'off'),
        $t->location('/fixed/v2/', '', registry_immutable_tags => 'on'),
        $t->location('/deny/v2/', 'deny all;'),
        $t->location('/few/v2/', 'limit_except GET { deny all; }'),
        $t->location('/if/v2/', 'if ($arg_forbid) { return 403; }
            if ($arg_set) { set $dummy 1; }'),
        $t->location('/many/v2/', 'limit_except GET { allow all; }'),
        $t->location('/small/v2/', 'client_max_body_size 10;'),
        $t->location('/slow/v2/', 'client_body_timeout 1s;'),
        $t->location('/often/v2/',
            'limit_req zone=often; limit_req_status 429;'),
        $t->location('/away/v2/', '', registry_pass => 'http://away'),
        $t->location('/fake/v2/', '', %fake),
        $t->location('/refuse/v2/', '', %fake,
            registry_container => 'refuse'),
        $t->location('/read-only/v2/', '', %fake, registry_auth_user => 'b',
            registry_container => 'read-only'),
        $t->location('/manifest/v2/', '', registry_max_manifest_size => 20),
        $t->location('/page/v2/', 'error_page 403 = @page;
            error_page 404 /own.html; if ($arg_forbid) { return 403; }
            if ($arg_away) { return 404; }'),
        $t->location('/text/v2/', 'default_type text/plain;
            return 503 "back at nine";'),
        $t->location('/head/v2/', 'add_header X-Own yes always;
            if ($arg_forbid) { return 403; }'),
        'location @page { return 402 "your own"; }',
        'location = /own.html { return 200 "your own, too"; }',
        'if ($arg_maintenance) { return 503; }'),
);

my $c = $t->client;
my $user = 'Basic ' . encode_base64($t->login, '');
my $oci = 'application/vnd.oci.image.manifest.v1+json';
my $zeros = 'sha256:' . '0' x 64;
my $uuid = '01234567-89ab-4cde-8f01-23456789abcd';


# What there is: an image, an upload, and a manifest that is damaged.

my ($config, $layer) = ('{}', 'a layer');
my @blobs = map { $c->push_blob('app', $_) } $config, $layer;
my ($manifest, $digest) = $c->manifest($config, $layer);
is $c->put_manifest('app', 'v1', $manifest)->{status}, 201, 'an image';

my ($damaged, $damaged_digest) = $c->manifest($config, $config);
is $c->put_manifest('app', 'damaged', $damaged)->{status}, 201, 'another';
$t->store->swift('PUT', '/' . RegistryTest::blob_name($damaged_digest),
    { content => $damaged =~ s/2/3/r });

my $upload = $c->begin_upload('app');
my $state = $upload =~ s/(_state=.{20})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/er;


# A request as bytes.  Body, Authorization and Host are there by themselves.

sub request_of {
    my ($method, $path, $headers, $content) = @_;

    my %h = (Host => 'localhost', Connection => 'close',
        Authorization => $user, Accept => $RegistryTest::Client::ACCEPT,
        defined $content ? ('Content-Length' => length $content) : (),
        %{ $headers // {} });

    return "$method $path HTTP/1.1\r\n"
        . join('', map { defined $h{$_} ? "$_: $h{$_}\r\n" : () }
            sort keys %h)
        . "\r\n" . ($content // '');
}


sub ask { $c->exchange(request_of(@_)) }


sub manifest_put {
    my ($path, $content, $type) = @_;

    return ['PUT', $path, { 'Content-Type' => $type // $oci }, $content];
}


# The requests whose body goes to the storage as it comes.

sub feeds {
    return (['PATCH', $c->begin_upload('app')],
            ['PUT', $c->begin_upload('app') . "&digest=$zeros"],
            ['POST', "/v2/app/blobs/uploads/?digest=$zeros"]);
}


# One of them, below $prefix, with a body that goes wrong when a part of it is
# on its way to the storage.

sub chunks_in_time {
    my ($prefix, $feed, $wrong) = @_;

    return sub {
        my $socket = $c->raw("$feed->[0] $prefix$feed->[1] HTTP/1.1\n"
            . "Connection: close\nTransfer-Encoding: chunked\n");
        local $SIG{PIPE} = 'IGNORE';

        for (1 .. 3) {
            print $socket "4\r\nabcd\r\n";
            sleep 0.1;
        }
        print $socket $wrong // "0\r\n\r\n";

        local $/;
        return RegistryTest::Client::parse(scalar <$socket>);
    };
}


# "when" of a row => what provokes it: requests as [METHOD, PATH, {headers},
# content], or functions that return an answer.  The first element may be the
# text that the detail has.

my %provoke = (

    # of the registry

    'repository name that is none' => [qr/^A\/b$/,
        ['GET', '/v2/A/b/tags/list'], ['PUT', '/v2/A/b/manifests/v1'],
        ['POST', '/v2/app/blobs/uploads/?from=A%2Fb']],
    'tag that is none' => [qr/^-v1$/,
        ['GET', '/v2/app/manifests/-v1'],
        manifest_put('/v2/app/manifests/-v1', $manifest)],
    '`tag` parameters of a manifest that is pushed by a tag' => [qr/by its/,
        manifest_put('/v2/app/manifests/v1?tag=v2', $manifest)],
    'more than 100 `tag` parameters' => [qr/100/,
        manifest_put("/v2/app/manifests/sha256:" . sha256_hex($manifest) . '?'
            . join('&', map { "tag=$_" } 1 .. 101), $manifest)],
    'OCI manifest or index, for an Accept that does not name it' => [qr/Accept/,
        ['GET', '/v2/app/manifests/v1', { Accept => 'text/html' }]],
    'digest in the path that is none' => [qr/sha256:/,
        ['GET', '/v2/app/blobs/sha256:0'], ['GET', '/v2/app/blobs/v1'],
        ['GET', '/v2/app/manifests/md5:' . '0' x 32],
        ['DELETE', '/v2/app/blobs/SHA256:' . '0' x 64]],
    '`digest` is missing or malformed when an upload is closed' =>
        [qr/digest=/, ['PUT', $upload], ['PUT', "$upload&digest=sha256:0"],
        ['PUT', "$upload&digest=$zeros&digest=$zeros"]],
    '`mount`, `from` or `digest` of a new upload is malformed' =>
        [qr/(mount|digest).*malformed/,
        ['POST', "/v2/app/blobs/uploads/?mount=$zeros&mount=$zeros"],
        ['POST', '/v2/app/blobs/uploads/?mount=%zz&from=a']],
    'digest of other bytes than were uploaded' => [qr/not those of the digest/,
        ['PUT', "$upload&digest=$zeros", {}, 'bytes'],
        ['POST', "/v2/app/blobs/uploads/?digest=$zeros", {}, 'bytes'],
        sub {
            my $r = ask('PATCH', $c->begin_upload('app'), {}, 'bytes');
            return ask('PUT',
                $c->with_digest($r->{headers}{location}, $zeros), {}, '');
        }],
    'manifest whose digest is not the one in the path' => [qr/./,
        manifest_put("/v2/app/manifests/$zeros", $manifest)],
    'Content-Range and Content-Length differ' => [qr/Content-Length/,
        ['PATCH', $upload, { 'Content-Range' => '0-8' }, 'bytes']],
    'chunk that does not begin where the upload ends' => [qr/where the upload/,
        ['PATCH', $upload, { 'Content-Range' => '5-9' }, 'bytes'],
        ['PATCH', $upload, { 'Content-Range' => '9-5' }, 'bytes']],
    'range of a blob that is beyond its end' => [qr/beyond/,
        ['GET', "/v2/app/blobs/$blobs[1]", { Range => 'bytes=100-' }]],
    '`If-Match` that does not name what is there' => [qr/If-Match/,
        ['GET', "/v2/app/blobs/$blobs[1]", { 'If-Match' => '"other"' }],
        ['GET', '/v2/app/manifests/v1', { 'If-Match' => '"other"' }]],
    'tags of a repository without any' => [qr/no\/such/,
        ['GET', '/v2/no/such/tags/list']],
    'path below `/v2/` that is none of the API' => [qr{^/v2/},
        ['GET', '/v2/app'], ['GET', '/v2/app/blobs/'], ['POST', '/v2/x/y']],
    'path with a slash too many, not only read' => [qr/slash/,
        manifest_put('/v2/app/manifests/v1/', $manifest),
        ['DELETE', '/v2/app/manifests/v1/']],
    'tag or manifest that is not there' => [qr/^(v9|\Q$zeros\E)$/,
        ['GET', '/v2/app/manifests/v9'], ['GET', '/v2/no/manifests/v9'],
        ['GET', "/v2/app/manifests/$zeros"],
        ['DELETE', "/v2/app/manifests/$zeros"]],
    'manifest whose stored bytes are damaged' => [qr/push the manifest again/,
        ['GET', '/v2/app/manifests/damaged'],
        ['GET', "/v2/app/manifests/$damaged_digest"]],
    'manifest that is no JSON, or not of its media type' => [qr/../,
        manifest_put('/v2/app/manifests/v2', '{'),
        manifest_put('/v2/app/manifests/v2', ''),
        manifest_put('/v2/app/manifests/v2', '[]'),
        manifest_put('/v2/app/manifests/v2', '{"schemaVersion":2}'),
        manifest_put('/v2/app/manifests/v2', $manifest,
            'application/vnd.oci.image.index.v1+json')],
    'media type that is no manifest\'s' => [qr/Content-Type/,
        manifest_put('/v2/app/manifests/v2', $manifest, 'text/plain')],
    'manifest of schema 1' => [qr/schema ?1/i,
        manifest_put('/v2/app/manifests/v2',
            '{"schemaVersion":1,"name":"app","tag":"v2"}',
            'application/vnd.docker.distribution.manifest.v1+prettyjws')],
    'manifest over registry_max_manifest_size' => [
        qr/registry_max_manifest_size/,
        manifest_put('/manifest/v2/app/manifests/v2', $manifest)],
    'manifest that names what the repository does not have; each is one error'
        => [qr/sha256:[0-9a-f]{64}/,
        manifest_put('/v2/other/manifests/v1', $manifest)],
    'blob that is not there' => [qr/^\Q$zeros\E$/,
        ['GET', "/v2/app/blobs/$zeros"], ['DELETE', "/v2/app/blobs/$zeros"]],
    'upload that is not there' => [qr/./,
        ['GET', "/v2/app/blobs/uploads/$uuid"],
        ['DELETE', "/v2/app/blobs/uploads/$uuid"],
        ['PATCH', "/v2/app/blobs/uploads/$uuid", {}, 'bytes'],
        ['GET', '/v2/app/blobs/uploads/nonsense']],
    'state of an upload that is damaged, from elsewhere, or overtaken by'
        . ' another request' => [qr/_state/,
        ['PATCH', $state, {}, 'bytes'], ['GET', $state],
        ['GET', $upload =~ s{/app/}{/other/}r],
        ['PUT', "$state&digest=$zeros", {}, 'bytes'],
        ['GET', "$upload&_state=x"]],
    '`n` or `last` malformed or there twice' => [qr/n or last/,
        ['GET', '/v2/_catalog?n=1&n=2'], ['GET', '/v2/app/tags/list?last=%zz'],
        ['GET', '/v2/app/tags/list?n=%00']],
    '`n` of the catalog above 1000' => [qr/1000/,
        ['GET', '/v2/_catalog?n=1001']],
    'method that the path does not have' => [qr/Allow/,
        ['PUT', '/v2/', {}, ''], ['OPTIONS', '/v2/_catalog'],
        ['POST', '/v2/app/tags/list'], ['PATCH', '/v2/app/manifests/v1'],
        ['PUT', "/v2/app/blobs/$zeros", {}, ''],
        ['GET', '/v2/app/blobs/uploads/'], ['POST', $upload],
        ['PROPFIND', '/v2/app/manifests/v1'], ['FROB', '/v2/']],
    'delete while registry_delete is off' => [qr/registry_delete/,
        ['DELETE', "/off/v2/app/manifests/$digest"],
        ['DELETE', "/off/v2/app/blobs/$blobs[0]"]],
    'the tag is immutable' => [qr/registry_immutable_tags/,
        ['DELETE', '/fixed/v2/app/manifests/v1']],
    'storage does not answer, or with an error' => [qr/storage/,
        ['GET', '/away/v2/_catalog'], ['GET', "/away/v2/app/blobs/$zeros"],
        ['GET', '/fake/v2/app/tags/list'],
        manifest_put('/fake/v2/app/manifests/v1', $manifest)],
    'storage refuses the token' => [qr/storage/,
        ['GET', '/refuse/v2/app/manifests/v1'],
        ['POST', "/refuse/v2/app/blobs/uploads/?digest=$blobs[0]", {},
            $config]],
    'storage refuses to write' => [qr/storage/,
        ['POST', "/read-only/v2/app/blobs/uploads/?digest=$blobs[0]", {},
            $config]],

    # of nginx

    'request line or header malformed' => [qr/malformed/,
        ['GET', '/v2/%00'], ['GET', '/v2/%zz'],
        ['GET', '/v2/', { Host => 'a b' }],
        ['GET', '/v2/', { 'Content-Length' => 'x' }],
        sub { $c->exchange("GET /v2/ HTTP/1.1\r\n\r\n") },
        sub { $c->exchange("G\x01T /v2/ HTTP/1.1\r\n\r\n") },
        ['GET', '/r400/v2/'], ['PUT', '/r400/v2/', { 'Content-Length' => 9 }],
        (map { chunks_in_time('', $_, "no chunk\r\n") } feeds())],
    'plain HTTP on a port of HTTPS' => [qr{https://},
        sub { $c->exchange(request_of('GET', '/v2/'),
                           $t->host =~ s/localhost/127.0.0.1/r) }],
    'no user, or a wrong password' => [qr/WWW-Authenticate/,
        ['GET', '/v2/', { Authorization => undef }],
        ['GET', '/v2/app/tags/list', { Authorization => 'Basic Zm9vOg==' }],
        ['PUT', '/v2/app/manifests/v1', { Authorization => undef }, '{}']],
    '`deny` or `limit_except`' => [qr/rules/,
        ['GET', '/deny/v2/'], ['PUT', '/few/v2/app/manifests/v1', {}, '{}'],
        ['GET', '/if/v2/?forbid=1'], ['GET', '/r403/v2/']],
    '`return 404` or a path that another module refuses' => [qr/nothing/,
        ['GET', '/r404/v2/']],
    'TRACE, or `return 405`' => [qr/method/,
        ['TRACE', '/v2/'], ['GET', '/r405/v2/']],
    'body that stalls for client_body_timeout' =>
        [qr/client_body_timeout/, map {
            [$_->[0], "/slow$_->[1]", { 'Content-Length' => 9 }, 'abc']
        } feeds(), ['PUT', '/v2/app/manifests/v1']],
    '`return 411`' => [qr/Content-Length/, ['GET', '/r411/v2/']],
    'body over client_max_body_size' => [qr/client_max_body_size/,
        manifest_put('/small/v2/app/manifests/v1', $manifest),
        (map { chunks_in_time('/small', $_) } feeds()),
        ['PATCH', "/small$upload", { 'Transfer-Encoding' => 'chunked',
            'Content-Length' => undef },
            "10\r\n0123456789abcdef\r\n0\r\n\r\n"]],
    'request line over large_client_header_buffers' =>
        [qr/large_client_header_buffers/,
        ['GET', '/v2/' . 'a' x 9000 . '/tags/list']],
    '`return 416`' => [qr/range/, ['GET', '/r416/v2/']],
    'Host that is not the name that TLS was begun with' => [qr/Host/,
        ['GET', '/r421/v2/']],
    '`limit_req` or `limit_conn`, with `limit_req_status 429`' =>
        [qr/Retry-After/, ['GET', '/often/v2/'], ['GET', '/r429/v2/']],
    'header over large_client_header_buffers, of a request for a blob' =>
        [qr/large_client_header_buffers/,
        ['GET', "/v2/app/blobs/$blobs[1]", { 'X-Long' => 'a' x 40000 }]],
    'header over large_client_header_buffers, or in several lines of more than'
        . ' 32k together' =>
        [qr/large_client_header_buffers/,
        ['GET', '/v2/', { 'X-Long' => 'a' x 40000 }]],
    'fault of this server, such as too little memory' => [qr/error log/,
        ['GET', '/r500/v2/']],
    'Transfer-Encoding other than chunked' => [qr/chunked/,
        ['PUT', '/v2/app/manifests/v1', { 'Transfer-Encoding' => 'gzip' }]],
    '`return 502`, or a module\'s upstream' => [qr/behind/,
        ['GET', '/r502/v2/']],
    '`return 503`, `limit_req` without a status' => [qr/Retry-After/,
        ['GET', '/r503/v2/'], ['GET', '/v2/?maintenance=1']],
    '`return 504`, or a module\'s upstream' => [qr/behind/,
        ['GET', '/r504/v2/']],
    'unknown version of HTTP' => [qr/version/,
        sub { $c->exchange("GET /v2/ HTTP/3.0\r\nHost: a\r\n\r\n") }],
    '`return 507`' => [qr/room/, ['GET', '/r507/v2/']],
);


# The first request of "often" is within the limit.

is ask('GET', '/often/v2/')->{status}, 200, 'a first request is not too many';


# What the configuration says instead is left as it is.

my $r = ask('GET', '/page/v2/?forbid=1');
is "$r->{status} $r->{content}", '402 your own', 'error_page = @named';
is $r->{headers}{'docker-distribution-api-version'}, undef, 'is not ours';

$r = ask('GET', '/page/v2/?away=1');
is "$r->{status} $r->{content}", '404 your own, too', 'error_page /path';

$r = ask('GET', '/text/v2/');
is "$r->{status} $r->{content}", '503 back at nine', 'return with a text';
is $r->{headers}{'content-type'}, 'text/plain', 'keeps its type';

for ('/?forbid=1', '/', '/app/tags/list', '/no/tags/list') {
    $r = ask('GET', "/head/v2$_");
    is $r->{headers}{'x-own'}, 'yes', "add_header: $r->{status}";
}

for (['GET', '/other', 404], ['GET', '/%00', 400],
     ['GET', '/' . 'a' x 9000, 414], ['GET', '/?maintenance=1', 503])
{
    my ($method, $path, $status) = @$_;
    $r = ask($method, $path);
    is $r->{status}, $status, "elsewhere: $status";
    is $r->{headers}{'content-type'}, 'text/html', 'is a page of nginx';
    is $r->{headers}{'docker-distribution-api-version'}, undef, 'not ours';
}


# "if" and "limit_except" are still the registry.

is ask('GET', '/if/v2/app/tags/list?set=1')->{status}, 200, 'if';
is ask('GET', '/few/v2/app/tags/list')->{status}, 200, 'limit_except, GET';
is ask(@{ manifest_put('/many/v2/app/manifests/v2', $manifest) })->{status},
    201, 'limit_except, PUT that is allowed';


# What only a real RGW does comes last: it takes the container away.

my @last = ('storage quota exceeded', 'container that is gone');

$provoke{$last[0]} = [qr/quota/, sub {
    $t->store->swift('POST', '',
        { headers => { 'X-Container-Meta-Quota-Bytes' => 1 } });
    my $bytes = 'more than one byte';
    return ask('POST', '/v2/app/blobs/uploads/?digest=sha256:'
        . sha256_hex($bytes), {}, $bytes);
}];

$provoke{$last[1]} = [qr/does not exist/, sub {
    $t->store->remove;
    return ask('GET', '/v2/app/tags/list');
}, ['GET', '/v2/gone/manifests/v1'], ['GET', "/v2/gone/blobs/$zeros"],
    ['DELETE', '/v2/gone/manifests/v1']];


my $top = "$FindBin::Bin/..";
my @rows = map { [split / \| /] }
    grep { /^[A-Z_]+ \| \d/ }
    map { s/^\| | \|$//gr } split /\n/, read_file("$top/docs/errors.md");

cmp_ok scalar @rows, '>', 40, 'the tables are there';

my %seen;
my %is_last = map { $_ => 1 } @last;

for my $row ((grep { !$is_last{$_->[2]} } @rows),
             (grep { $is_last{$_->[2]} } @rows))
{
    my ($code, $status, $when) = @$row;
    my ($detail, @how) = @{ delete $provoke{$when} // [] };

    $seen{$code} = $seen{"$status $code"} = 1;

    ok scalar @how, "$code $status: $when" or next;

    check("$when: " . (ref $_ eq 'ARRAY' ? "$_->[0] " . substr $_->[1], 0, 50
                                         : 'by hand'),
          $code, $status, $detail, $_)
        for @how;
}

is_deeply [sort keys %provoke], [], 'there is no row but these';


# Every error that the module knows is in a table.

my $inc = read_file(
    "$top/ngx_http_registry_module/core/reg_errors.inc");
my %nginx = $inc =~ /^REG_N\((\d+), (\w+),/mg;

ok $seen{$_}, "$_ is in docs/errors.md" for $inc =~ /^REG_E\((\w+), \d+,/mg;
ok $seen{"$_ $nginx{$_}"}, "$_ $nginx{$_} is in docs/errors.md"
    for sort grep { $_ != 497 } keys %nginx;


sub check {
    my ($name, $code, $status, $detail, $how) = @_;

    my $r = ref $how eq 'CODE' ? $how->() : ask(@$how);

    is $r->{status}, $status, "$name: status" or return;

    my $h = $r->{headers};
    my $json = eval { decode_json($r->{content}) } // {};
    my $errors = $json->{errors} // [];

    is $errors->[0]{code}, $code, "$name: code";
    like $errors->[0]{message} // '', qr/../, "$name: message";
    like $errors->[0]{detail} // '', $detail, "$name: detail";

    is $h->{'content-type'}, 'application/json; charset=utf-8',
        "$name: type";
    is $h->{'content-length'}, length $r->{content}, "$name: length";
    is $h->{'docker-distribution-api-version'}, 'registry/2.0',
        "$name: version, once";

    like $h->{allow} // '', qr/^[A-Z]+(, [A-Z]+)*$/, "$name: Allow"
        if $status == 405;
    like $h->{'www-authenticate'} // '', qr/^Basic realm=/, "$name: challenge"
        if $status == 401;
    like $h->{'retry-after'} // '', qr/^\d+$/, "$name: Retry-After"
        if $status == 429 || $status == 503;
    ok !exists $h->{'retry-after'}, "$name: no Retry-After"
        if $status != 429 && $status != 503;

    return if ref $how eq 'CODE' || $how->[0] ne 'GET' || $status == 414
        || grep { /^(X-Long|Range)$/ } keys %{ $how->[2] // {} };

    $r = ask('HEAD', @$how[1 .. $#$how]);

    is $r->{status}, $status, "$name: HEAD has the status";
    is $r->{content}, '', "$name: HEAD has no body";
    is $r->{headers}{'content-length'}, $h->{'content-length'},
        "$name: HEAD has the length";
}


$t->finish;
