#!/usr/bin/perl

# The recipes of docs/recipes.md, as they stand there: files, ports and
# addresses are replaced by those of the test, nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;

use RegistryTest;
use RegistryTest::Client;
use RegistryTest::Image qw(oci_layout read_file write_file);
use RegistryTest::Process;


my $t = RegistryTest->new;
my $d = $t->dir;
my $text = read_file("$FindBin::Bin/../docs/recipes.md");
my %seen;


# recipe('Title', 'as in the recipe' => 'of this test', ...): the parts of
# start() by its "# http", "# server", "# location"

sub recipe {
    my ($title, %replace) = @_;

    my ($section) = $text =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms
        or die "no recipe \"$title\"";
    my (%part, $at);
    $seen{$title} = 1;

    for ($section =~ /^((?: {4}.*)?)$/mg) {
        $at = $1, next if /^ {4}# (http|server|location|mirror location)$/;
        next if !defined $at || !/^ {4}/;
        $part{$at} .= substr($_, 4) . "\n";
    }

    $replace{'/etc/nginx/registry.htpasswd'} = "$d/htpasswd";

    for my $from (sort keys %replace) {
        s/\Q$from\E/$replace{$from}/g for values %part;
    }

    return (auth => 0, http => $part{http} // '',
        server => $part{server} // '', directives => $part{location} // '',
        mirror => $part{'mirror location'});
}


sub as {
    my ($user, $password) = @_;

    return RegistryTest::Client->new(port => $t->{plain_port},
        user => "$user:" . ($password // 'secret'));
}


sub status {
    my ($client, $method, $path, %headers) = @_;

    my $r = $client->request($method, $path, { headers => \%headers,
        $method =~ /^P/ ? (content => '') : () });

    return $r->{status};
}


$t->run('htpasswd', '-bB', "$d/htpasswd", $_, 'secret')
    for qw(alice bob carol);

my @none = (Authorization => undef);
my @image = ('{"os":"linux"}', 'layer');


sub push_image {
    my ($client, $name, @tags) = @_;

    $client->push_blob($name, $_) for @image;
    my ($bytes) = $client->manifest(@image);

    return map { $client->put_manifest($name, $_, $bytes)->{status} } @tags;
}


{
    $t->start(recipe('Anonymous pull, authenticated push'));

    my $c = $t->client;
    is_deeply([push_image($c, 'a/b', 'v1')], [201], 'anonymous pull: push');

    my $r = $c->request('GET', '/v2/', { headers => { @none } });
    is($r->{status}, 401, '/v2/ asks for a password');
    is($r->{headers}{'www-authenticate'}, 'Basic realm="Registry"',
        'by a challenge');
    is(status($c, 'GET', '/v2/'), 200, 'and takes the right one');
    is(status(as('alice', 'wrong'), 'GET', '/v2/'), 401, 'but no other');
    is(status($c, 'GET', '/v2/a/b/manifests/v1', @none), 200, 'a pull needs'
        . ' none');
    is(status($c, 'POST', '/v2/a/b/blobs/uploads/', @none), 401,
        'a push does');
    is(status($c, 'DELETE', '/v2/a/b/manifests/v1', @none), 401,
        'so does a delete');
    is(status($c, 'GET', '/v2/_catalog', @none), 401, 'and the catalog');

    oci_layout("$d/image", 'one', 'amd64');
    my @skopeo = ('skopeo', '--insecure-policy', 'copy', '--src-cert-dir',
        $t->certs, '--dest-cert-dir', $t->certs);
    my $ref = 'docker://' . $t->host . '/a/c:v1';
    $t->run_fails('skopeo pushes with a password only', qr/unauthorized|auth/,
        @skopeo, '--dest-no-creds', "oci:$d/image:one", $ref);
    $t->run_ok('with one it does', @skopeo, '--dest-creds', $t->login,
        "oci:$d/image:one", $ref);
    $t->run_ok('and pulls without', @skopeo, '--src-no-creds', $ref,
        "oci:$d/pulled:one");
    $t->stop;
}


{
    $t->start(recipe('Repositories by team'));

    my ($alice, $carol) = (as('alice'), as('carol'));
    my $blob = 'sha256:' . sha256_hex('layer');

    is_deeply([push_image($alice, 'red/app', 'v1')], [201],
        'teams: into the own repository');
    is(status(as('bob'), 'GET', '/v2/red/app/manifests/v1'), 200,
        'for the whole team');
    is(status($carol, 'GET', '/v2/red/app/manifests/v1'), 403,
        'not for the other');
    is(status($carol, 'POST', '/v2/redder/blobs/uploads/'), 403,
        'nor for one of a similar name');
    is(status($carol, 'POST', "/v2/blue/x/blobs/uploads/?mount=$blob"
        . '&from=red/app'), 403, 'a mount out of a foreign one');
    is(status($alice, 'POST', "/v2/red/x/blobs/uploads/?mount=$blob"
        . '&from=red/app'), 201, 'out of an own one');
    is(status($t->client, 'GET', '/v2/red/app/manifests/v1'), 403,
        'a user without a team');
    is(status($alice, 'GET', '/v2/red/app/manifests/v1', @none), 401,
        'without a user: the challenge');
    is(status(as('alice', 'wrong'), 'GET', '/v2/red/app/manifests/v1'), 401,
        'with a wrong password, too');
    is(status($carol, 'GET', '/v2/'), 200, '/v2/ is for all');
    is(status($carol, 'GET', '/v2/_catalog'), 403, 'the catalog for none');
    $t->stop;
}


{
    my $port = RegistryTest::free_port();
    my $server = RegistryTest::Process->start(name => 'token server',
        log => "$d/token.log", command => [
            $^X, "-I$FindBin::Bin/lib", '-MRegistryTest::TokenServer', '-e',
            'RegistryTest::TokenServer::run(shift)', $port]);
    $server->wait_until('listening',
        sub { RegistryTest::answers($port) });

    $t->start(recipe('Docker tokens',
        'https://auth.example.com' => "http://127.0.0.1:$port",
        '127.0.0.1:5001' => "127.0.0.1:$port"));

    my $c = $t->client;
    my $challenge = "Bearer realm=\"http://127.0.0.1:$port/token\","
        . 'service="registry.example.com"';

    for (['GET', '/v2/', ''],
         ['GET', '/v2/a/b/manifests/v1', 'repository:a/b:pull'],
         ['HEAD', '/v2/a/b/blobs/x', 'repository:a/b:pull'],
         ['POST', '/v2/a/b/blobs/uploads/', 'repository:a/b:pull,push'],
         ['DELETE', '/v2/a/b/manifests/v1', 'repository:a/b:delete'],
         ['GET', '/v2/_catalog', 'registry:catalog:*'])
    {
        my ($method, $path, $scope) = @$_;
        my $r = $c->request($method, $path, { headers => { @none },
            $method eq 'POST' ? (content => '') : () });

        # a path that is none of the API has no scope
        $scope = '' if $path =~ m{/blobs/x$};
        is($r->{status}, 401, "tokens: $method $path");
        is($r->{headers}{'www-authenticate'},
            $challenge . ($scope && qq{,scope="$scope"}), 'its challenge');
    }

    my $ref = 'docker://' . $t->host . '/t/image:v1';
    my @skopeo = ('skopeo', '--insecure-policy', 'copy', '--src-cert-dir',
        $t->certs, '--dest-cert-dir', $t->certs);
    $t->run_ok('skopeo pushes by a token', @skopeo, '--dest-creds',
        'alice:secret', "oci:$d/image:one", $ref);
    $t->run_ok('and pulls by one that anybody gets', @skopeo,
        '--src-no-creds', $ref, "oci:$d/again:one");
    $t->run_fails('which is not good for a push', qr/denied|unauthorized|auth/,
        @skopeo, '--dest-no-creds', "oci:$d/image:one", $ref);

    # clients that tell the length of a layer of some MB
    my $plain = "127.0.0.1:$t->{plain_port}";
    $t->run_ok('oras pushes by a token', qw(oras cp --from-oci-layout
        --to-plain-http --to-username alice --to-password secret),
        "$d/image:one", "$plain/t/oras:v1");
    $t->run('sh', '-c', "echo secret | crane auth login --insecure"
        . " -u alice --password-stdin $plain");
    $t->run_ok('crane pushes by a token', qw(crane push --insecure --index),
        "$d/image", "$plain/t/crane:v1");

    my $token = sub {
        my $r = $c->request('GET', "http://127.0.0.1:$port/token?"
            . join '&', map { "scope=$_" } @_);
        return (Authorization => 'Bearer '
            . decode_json($r->{content})->{token});
    };
    $c->{authorization} = 'Basic ' . encode_base64('alice:secret', '');
    my @push = $token->('repository:t/other:pull,push');
    my $layer = 'x' x 5_000_000;
    is($c->request('POST', '/v2/t/other/blobs/uploads/?digest=sha256:'
        . sha256_hex($layer), { content => $layer, headers => { @push } })
        ->{status}, 201, 'a body of 5 MB whose length is told');
    is($c->request('POST', "/v2/t/other/blobs/uploads/?mount=sha256:"
        . '0' x 64 . '&from=a%0d%0aX-Registry-Scope:%20repository:mine:pull',
        { content => '', headers => { @push } })->{status}, 400,
        'a header line in the query is refused');
    my $digest = 'sha256:' . '0' x 64;
    my $mount = "/v2/t/other/blobs/uploads/?mount=$digest&from=t/image";
    is(status($c, 'POST', $mount, @push), 401,
        'a mount needs the right to pull from there');
    is(status($c, 'POST', $mount, $token->('repository:t/other:pull,push',
        'repository:t/image:pull')), 202, 'with that it is answered');
    is($c->request('GET', '/v2/', { headers => { @push } })
        ->{headers}{'www-authenticate'}, undef, 'no challenge but at a 401');
    $t->stop;
    $server->stop;
}


{
    my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);
    $t->run(qw(openssl req -x509 -days 2 -subj), '/CN=clients', @key,
        '-keyout', "$d/tls/c.key", '-out', "$d/tls/clients.crt");

    # names of others that have what the rule looks for in them
    my %subject = (ci => '/O=example/CN=ci', dev => '/O=example/CN=dev',
        comma => '/CN=alice/O=x,CN=ci', whole => '/CN=ci,O=example',
        first => '/O=example/CN=ci/CN=alice', more => '/O=example2/CN=ci',
        capital => '/O=example/CN=CI', other => '/O=CN=ci,O=example/CN=alice',
        plus => '/O=example/CN=ci+OU=x');

    for (sort keys %subject) {
        $t->run(qw(openssl req -multivalue-rdn -subj), $subject{$_}, @key,
            '-keyout', "$d/tls/$_.key", '-out', "$d/tls/$_.csr");
        $t->run(qw(openssl x509 -req -days 2 -set_serial 7), '-in',
            "$d/tls/$_.csr", '-CA', "$d/tls/clients.crt", '-CAkey',
            "$d/tls/c.key", '-out', "$d/tls/$_.crt");
    }

    $t->start(recipe('Client certificates',
        '/etc/nginx/clients.crt' => "$d/tls/clients.crt"));

    my $curl = sub {
        my ($who, @more) = @_;
        return $t->run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}',
            '--cacert', $t->ca,
            $who ? ('--cert', "$d/tls/$who.crt", '--key', "$d/tls/$who.key")
                 : (), @more);
    };
    my $url = 'https://' . $t->host . '/v2/';
    my @post = ('-X', 'POST', "${url}a/b/blobs/uploads/");

    is($curl->('', $url), 403, 'certificates: none');
    is($curl->($_, $url), 200, "/v2/ as $_") for qw(ci dev);
    is($curl->('dev', "${url}a/b/manifests/v1"), 200, 'each may pull');
    is($curl->($_, @post), 403, "not each may push: $subject{$_}")
        for grep { $_ ne 'ci' } sort keys %subject;
    is($curl->('ci', @post), 202, 'that one may');
    $t->stop;
}


{
    $t->start(recipe('Rate limit by user'));

    my ($alice, $n) = (as('alice'), 0);
    my $r;

    for (1 .. 1000) {
        $r = $alice->request('GET', '/v2/');
        last if $r->{status} != 200;
        $n++;
    }

    cmp_ok($n, '>=', 100, 'rate: what a burst may have');
    is($r->{status}, 429, 'then it is too much');
    like($r->{headers}{'retry-after'}, qr/^\d+$/, 'when to come again');
    is($alice->error_code($r), 'TOOMANYREQUESTS', 'in registry JSON');
    is(status(as('carol'), 'GET', '/v2/'), 200, 'others are not limited');
    $t->stop;
}


{
    write_file("$d/tempurl", "a temporary key of 32 characters\n");
    chmod 0600, "$d/tempurl";
    my %with = ('/etc/nginx/registry.tempurl' => "$d/tempurl");
    my $big = 'x' x 200_000;

    $t->start(recipe('Blobs from a storage nearby', %with));
    my $blob = $t->client->push_blob('a/b', $big);
    is(status($t->client, 'GET', "/v2/a/b/blobs/$blob"), 200,
        'near: not for this address');
    $t->stop;

    $t->start(recipe('Blobs from a storage nearby', %with,
        '10.2.0.0/16' => '127.0.0.0/8'));
    my $r = $t->client->request('GET', "/v2/a/b/blobs/$blob");
    is($r->{status}, 307, 'for this one');
    like($r->{headers}{location},
        qr{^https://rgw\.site2\.example\.com/swift/v1/}, 'there');
    $t->stop;
}


{
    my %recipe = recipe('Maintenance, and a read-only mirror',
        '/etc/nginx/registry.readonly' => "$d/readonly");
    my $c;

    $t->start(%recipe);
    $c = $t->client;
    is(status($c, 'POST', '/v2/a/b/blobs/uploads/'), 202,
        'maintenance: not yet');
    write_file("$d/readonly", '');
    is(status($c, 'POST', '/v2/a/b/blobs/uploads/'), 405, 'no writes');
    is(status($c, 'GET', '/v2/a/b/manifests/v1'), 200, 'but reads');
    unlink "$d/readonly";
    is(status($c, 'POST', '/v2/a/b/blobs/uploads/'), 202, 'over');
    $t->stop;

    $t->start(auth => 0, directives => $recipe{mirror});
    is(status($c, 'POST', '/v2/a/b/blobs/uploads/'), 405, 'a mirror');
    is(status($c, 'DELETE', '/v2/a/b/manifests/v1'), 405, 'has no deletes');
    is(status($c, 'GET', '/v2/a/b/manifests/v1'), 200, 'but reads');
    $t->stop;
}


{
    $t->start(recipe('Tags that stay, with exceptions'));

    my $c = $t->client;

    for (['app', 'v1.2', 403], ['app', 'latest', 201],
         ['sandbox/app', 'v1.2', 201])
    {
        my ($name, $tag, $want) = @$_;
        is_deeply([push_image($c, $name, $tag)], [201], "tags: $name:$tag");
        $c->push_blob($name, 'another layer');
        my ($bytes) = $c->manifest('{"os":"linux"}', 'another layer');
        is($c->put_manifest($name, $tag, $bytes)->{status}, $want,
            "another one: $want");
    }

    $t->stop;
}


{
    my ($format) = read_file("$FindBin::Bin/../docs/operations.md")
        =~ /^(    log_format registry .*?;)$/ms;
    my %recipe = recipe('The log as JSON',
        '/var/log/nginx/registry.json' => "$d/registry.json");

    $t->start(%recipe, http => $format);
    my $c = $t->client;
    push_image($c, 'a/b', 'json');
    status($c, 'GET', '/v2/a/b/manifests/"quoted\\');
    status($c, 'GET', '/v2/a/b/manifests/none', 'User-Agent' => '"');
    status($c, 'GET', '/v2/a/b/manifests/json');
    $t->stop;

    is($t->run('jq', '-s', 'length', "$d/registry.json") + 0, 10,
        'log: jq reads each line');
    is($t->run('jq', '-c', 'select(.operation == "manifest_get" and'
        . ' .status == 200) | [.repository, .reference, .user, .error]',
        "$d/registry.json"), qq{["a/b","json","foo",""]\n}, 'its fields');
    is($t->run('jq', '-r', 'select(.status == 404) | .error',
        "$d/registry.json"), "MANIFEST_UNKNOWN\n", 'its error');
    is($t->run('jq', '-r', 'select(.operation == "manifest_put") |'
        . ' .storage_id | length > 5', "$d/registry.json"), "true\n",
        "RGW's transaction");
}


is_deeply([sort keys %seen], [sort $text =~ /^## (.*)/mg],
    'each recipe of the file');

$t->check_log;
done_testing();

