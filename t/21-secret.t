#!/usr/bin/perl

# What signs the state of an upload: one place's Location is nothing at another
# one, and none tells whether a guess of the storage's key is right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256 sha256 sha256_hex);
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


plan skip_all => 'states of its own' if ($ENV{REGISTRY_UNDER_TEST} // '')
    eq 'docker-registry';

my $SECRET = sha256_hex(rand);
my $SIGNED = 'satisfy any; registry_upload_authorize 1h;';
my $name = 'team/app';

my $t = RegistryTest->new;
my $file = $t->dir . '/upload.secret';
my $guess = 'Summer2026!';
my $fake = RegistryTest::free_port();

write_file($file, "$SECRET\n");
chmod 0600, $file;

# as in a Secret of Kubernetes: root's, and the workers' group may read it
if ($> == 0) {
    chown 0, scalar getgrnam('www-data'), $file;
    chmod 0440, $file;
}

write_file($t->dir . '/guess.key', $guess);
chmod 0600, $t->dir . '/guess.key';


# an auth server that takes any key, and a storage that is empty
my $empty = <<"END";
    server {
        listen 127.0.0.1:$fake;
        location = /auth/v1.0 {
            add_header X-Auth-Token AUTH_any;
            add_header X-Storage-Url http://127.0.0.1:$fake/swift/v1;
            return 204;
        }
        location ~ ^/swift/v1/[^/]+\$ {
            if (\$arg_format) { return 200 '[]'; }
            return 204;
        }
        location / {
            default_type application/json;
            return 404 '{"Code":"NoSuchKey"}';
        }
    }
END


sub begin {
    my ($path) = @_;

    return $t->client->request('POST', "$path$name/blobs/uploads/")
        ->{headers}{location};
}


# What a Location opens there without a password: 401 is nothing.

sub opens {
    my ($path, $location, $by) = @_;

    $location =~ s{^.*?/\Q$name\E/}{$path$name/} or die $location;

    return ($by // $t)->client->request('GET', $location,
        { headers => { Authorization => undef } })->{status};
}


sub raw { decode_base64url($_[0] =~ s/.*_state=//r) }


sub signed_by {
    my ($location, $secret) = @_;

    my $raw = raw($location);
    my ($id) = $location =~ m{uploads/([^?]+)};
    my $by_id = substr($raw, 0, 4) eq substr sha256($secret), 0, 4;
    my $by_mac = substr($raw, 4, 32)
        eq hmac_sha256("$name\n$id\n" . substr($raw, 36), $secret);

    return $by_id && $by_mac ? 'yes' : $by_id || $by_mac ? 'half' : 'no';
}


# The same state, signed by another secret.

sub sign {
    my ($location, $secret) = @_;

    my ($id) = $location =~ m{uploads/([^?]+)};
    my $payload = substr raw($location), 36;
    my $state = encode_base64url(substr(sha256($secret), 0, 4)
        . hmac_sha256("$name\n$id\n$payload", $secret) . $payload);

    return $location =~ s/_state=.*/_state=$state/r;
}


# As the module names accounts and places: fields behind their lengths.

sub fields { join '', map { length($_) . ":$_," } @_ }

sub former { hmac_sha256("registry upload state $_[1]", $_[0]) }

sub secret { hmac_sha256("registry state of $_[1]", $_[0]) }


my $account = fields(1, $ENV{RGW_AUTH_URL}, $ENV{RGW_USER});
my $place = $account . fields('http', 'rgw', $t->container);


# one secret for all: each place has its own all the same

$t->start(directives => "$SIGNED registry_secret_file $file;",
    http => $empty, server => join '', map {
        my ($path, @changed) = @$_;
        $t->location("$path", "auth_basic x;"
            . "auth_basic_user_file @{[ $t->dir ]}/htpasswd; $SIGNED"
            . "registry_secret_file $file;", @changed)
    } ['/same/v2/'],
      ['/host/v2/', registry_pass => "http://$ENV{RGW_ENDPOINT}"],
      ['/url/v2/', registry_auth_url =>
          $ENV{RGW_AUTH_URL} =~ s/127\.0\.0\.1/localhost/r],
      ['/user/v2/', registry_auth_user => 'nobody:swift'],
      ['/keystone/v2/', registry_auth_version => 3,
          registry_host => 'rgw.example.com',
          registry_auth_domain => 'd', registry_auth_project => 'p'],
      ['/container/v2/', registry_container => 'another'],
      ['/prefix/v2/', registry_prefix => 'p']);

my $location = begin('/v2/');
is opens('/v2/', $location), 204, 'its own place';
is opens('/same/v2/', $location), 204, 'another location of this place';
is opens("/$_/v2/", $location), 401, "another $_"
    for qw(host url user keystone container prefix);
is signed_by($location, secret($SECRET, $place)), 'yes', 'by the place';

# "container[/prefix]" was all the place that a state of before was signed for
my $before = sign($location, former($SECRET, $t->container));
is opens('/v2/', $before), 401, 'of before, where two could be meant';
my $p = begin('/prefix/v2/');
is opens('/prefix/v2/', sign($p, former($SECRET, $t->container . '/p'))),
    204, 'of before, where one is';
$t->stop;

$t->start(directives => "$SIGNED registry_secret_file $file;");
is opens('/v2/', $before), 204, 'of before, where one place is';
is opens('/v2/', $location), 204, 'of now';
$t->stop;
$t->check_log;


# no secret: the storage's key, if nobody has thought of it, and slowly

my $node = RegistryTest->new(container => $t->container);

$t->start(directives => $SIGNED);
$node->start(directives => $SIGNED);

my $slow = pack 'H*', $t->run('openssl', 'kdf', '-keylen', 32, '-kdfopt',
    "pass:$ENV{RGW_SECRET_KEY}", '-kdfopt', 'hexsalt:' . unpack('H*', $account),
    '-kdfopt', 'n:16384', '-kdfopt', 'r:8', '-kdfopt', 'p:1', 'SCRYPT')
    =~ s/[:\s]//gr;

$location = begin('/v2/');
is signed_by($location, secret($slow, $place)), 'yes', 'by scrypt of the key';
is signed_by($location, $_), 'no', 'not by the key itself'
    for former($ENV{RGW_SECRET_KEY}, $t->container),
        secret($ENV{RGW_SECRET_KEY}, $place);
is opens('/v2/', $location, $node), 204, 'other nodes know it';
is opens('/v2/', sign($location, former($ENV{RGW_SECRET_KEY}, $t->container))),
    401, 'what was signed by the key itself is not taken';
unlike read_file($t->dir . '/nginx.out'), qr/\[warn\]/, 'no warning';

$t->stop;
$t->start(directives => $SIGNED);
is opens('/v2/', $location), 204, 'nor does a restart change it';
$t->stop;
$node->stop;


# a key that can be guessed signs nothing

my %weak = (directives => $SIGNED, http => $empty, server =>
    $t->location('/weak/v2/', "auth_basic x;"
        . "auth_basic_user_file @{[ $t->dir ]}/htpasswd; $SIGNED",
        registry_pass => "http://127.0.0.1:$fake",
        registry_auth_url => "http://127.0.0.1:$fake/auth/v1.0",
        registry_auth_user => 'a:b',
        registry_auth_key_file => $t->dir . '/guess.key'));
$t->start(%weak);

$place = fields(1, "http://127.0.0.1:$fake/auth/v1.0", 'a:b');
$slow = pack 'H*', $t->run('openssl', 'kdf', '-keylen', 32, '-kdfopt',
    "pass:$guess", '-kdfopt', 'hexsalt:' . unpack('H*', $place), '-kdfopt',
    'n:16384', '-kdfopt', 'r:8', '-kdfopt', 'p:1', 'SCRYPT') =~ s/[:\s]//gr;
$place .= fields('http', "127.0.0.1:$fake", $t->container);

$location = begin('/weak/v2/');
is signed_by($location, $_), 'no', 'no oracle for a key that can be guessed'
    for former($guess, $t->container), secret($guess, $place),
        secret($slow, $place);
isnt opens('/weak/v2/', $location), 401, 'a random secret';
like read_file($t->dir . '/nginx.out'),
    qr/guess\.key" is shorter than 32 characters.*"registry_secret_file"/,
    'and the start says so';

$t->reload;
isnt opens('/weak/v2/', $location), 401, 'which a reload keeps';
$t->stop;
$t->start(%weak);
is opens('/weak/v2/', $location), 401, 'and a start makes anew';

# the upload goes on all the same, by password
$location =~ s{^.*?/weak/}{/weak/};
is $t->client->request('GET', $location)->{status}, 404,
    'an upload without parts and state';
like read_file($t->error_log), qr/_state was signed by another secret/,
    'which is told';

$t->finish;
