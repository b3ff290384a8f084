#!/usr/bin/perl

# What the error log at level debug must not have, after pushes, pulls and
# deletes: keys, tokens, passwords, states of uploads.  nginx's own core writes
# down the client's request and its answer at that level; no other line may have
# what is in them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


$ENV{REGISTRY_LOG_LEVEL} = 'debug';

my $t = RegistryTest->new;
my $secret = sha256_hex(rand . $$);
my $tempurl = 'temporary-' . sha256_hex(rand);

write_file($t->dir . '/secret', "$secret\n");
write_file($t->dir . '/tempurl', "$tempurl\n");
chmod 0600, map { $t->dir . "/$_" } qw(secret tempurl);

$t->start(
    http => 'map $http_x_away $away { default off;'
        . ' yes http://rgw.example.com/swift/v1; }',
    directives => 'registry_health interval=200ms threshold=2;'
        . 'satisfy any; registry_upload_authorize 1h;'
        . "registry_secret_file @{[ $t->dir ]}/secret;"
        . 'registry_redirect $away;'
        . "registry_redirect_key_file @{[ $t->dir ]}/tempurl;",
    server => 'location = /health { registry_status health; }'
        . 'location = /metrics { registry_status prometheus; }');

my $c = $t->client;
my ($config, $layer, $big) = ('{"os":"linux"}', 'layer', 'x' x 200_000);
my @states;


sub keep {
    my ($r) = @_;

    push @states, ($r->{headers}{location} // '') =~ /_state=([^&]+)/;

    return $r;
}


# one upload by steps, others as clients do

my $location = keep($c->request('POST', '/v2/a/b/blobs/uploads/'))
    ->{headers}{location};
my $r = keep($c->request('PATCH', $location, { content => 'bytes' }));
keep($c->request('GET', $r->{headers}{location}));
$c->request('PUT', $c->with_digest($r->{headers}{location},
    'sha256:' . sha256_hex('other')));
keep($c->request('PUT', $c->with_digest($r->{headers}{location},
    'sha256:' . sha256_hex('bytes')),
    { headers => { Authorization => undef } }));
$c->request('DELETE', keep($c->request('POST', '/v2/a/b/blobs/uploads/'))
    ->{headers}{location});

$c->push_blob('a/b', $_) for $config, $layer, $big;
my ($bytes, $digest) = $c->manifest($config, $layer, $big);
$c->put_manifest('a/b', 'v1', $bytes);
$c->request('GET', "/v2/a/b/$_") for 'manifests/v1', 'manifests/none',
    'tags/list', "referrers/$digest", 'blobs/sha256:' . sha256_hex($big);
my $away = $c->request('GET', '/v2/a/b/blobs/sha256:' . sha256_hex($big),
    { headers => { 'X-Away' => 'yes' } });
my ($signature) = $away->{headers}{location} =~ /temp_url_sig=(\w+)/;
$c->request('DELETE', "/v2/a/b/manifests/$digest");
$c->request('GET', $_) for '/v2/', '/v2/_catalog', '/health', '/metrics';
$t->client->request('GET', '/v2/_catalog',
    { headers => { Authorization => 'Bearer ' . $tempurl x 2 } });

$t->reload;
$c->request('GET', '/v2/a/b/tags/list');
$t->stop;


my @records = split /^(?=\d{4}\/\d\d\/\d\d )/m, read_file($t->error_log);
my $password = encode_base64($t->login, '') =~ s/=+$//r;

cmp_ok(scalar @records, '>', 1000, 'the log is at level debug');
cmp_ok(scalar @states, '>=', 4, 'states were given');
ok($signature, 'a temporary URL was given');
ok((grep { /http registry call PUT/ } @records), 'it has our own lines');


# nowhere at all

my $key = $ENV{RGW_SECRET_KEY};
my %never = (
    'the key of the storage' => qr/\Q$key\E/,
    'tokens of the storage' => qr/AUTH_rgwtk|X-Auth-(Token|Key): \S/i,
    'the secret of uploads' => qr/$secret/,
    'the password' => qr/\Q$t->{password}\E/,
);

for (sort keys %never) {
    my $pattern = $never{$_};
    is(join('', grep { $_ =~ $pattern } @records), '', "nowhere: $_");
}


# In what nginx's core writes of a request and its answer (its header and URI,
# the URI again at each step of it, the answer's header).  Our own lines begin
# with "http registry", or with "registry:" when they are for everybody.

my $core = qr{\[debug\] \d+#\d+: (?:\*\d+ )?(?!http registry|registry)};

my %known = (
    'what a client authorises itself by' => qr/\Q$password\E|$tempurl/,
    'states of uploads' =>
        do { my $any = join '|', map { quotemeta } @states; qr/$any/ },
    'signatures of temporary URLs' => qr/\Q$signature\E/,
);

for (sort keys %known) {
    my $pattern = $known{$_};
    is(join('', grep { $_ =~ $pattern && $_ !~ $core } @records), '',
        "in nginx's own lines of level debug only: $_");
}


unlike(read_file($t->dir . '/access.log'),
    qr/@{[ join '|', map { quotemeta } @states ]}|AUTH_|\Q$key\E/,
    'nor in the access log');

done_testing();
