#!/usr/bin/perl

# Tokens of Keystone v3, of OpenStack Swift's TempAuth, and storage URLs with
# the account in them; what is wrong is said in the log, and no secret is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);
use RegistryTest::Keystone;
use RegistryTest::Rgw;


my $t = RegistryTest->new;
my $keystone = RegistryTest::Keystone->new($t);
my ($url) = $keystone->url;
(my $root = $url) =~ s{/v3}{};


# what each location has, and what the log says of it; nothing: it works

my %bad = (
    refused => qr/refused user "refused" with status 401, check registry_auth/,
    several => qr/status 300, check registry_auth_url \(Keystone's ends/,
    moved => qr/user "moved" with status 302/,
    broken => qr/user "broken" with status 500/,
    garbage => qr/user "garbage" no token: status 201 and invalid JSON/,
    huge => qr/user "huge" no token: status 201 and a body that is too long/,
    slow => qr/user "slow" no token: status 0 and ".*timed out/,
    nothing => qr/user "nothing" .*a catalog without a service of type "object/,
    unscoped => qr/user "unscoped" .*no catalog, as of a token without/,
    bare => qr/user "bare" .*no X-Subject-Token/,
    expired => qr/user "expired" .*a token that is expired already/,
);

my @demo = (registry_auth_url => $url, registry_auth_user => 'demo',
            registry_auth_domain => 'Default',
            registry_auth_project => 'demo');

my %good = (
    demo => [@demo],
    slash => [@demo, registry_auth_url => "$url/auth/tokens/"],
    ids => [@demo, registry_auth_user => 'id=u1',
            registry_auth_domain => undef,
            registry_auth_project => 'id=p1'],
    internal => [@demo, registry_auth_interface => 'internal',
                 registry_auth_region => 'two'],
    trust => [@demo, registry_auth_project => undef,
              registry_auth_trust => 't1'],
    credential => [registry_auth_url => $url, registry_auth_user => undef,
                   registry_auth_application_credential => 'id=c1'],
    named => [@demo, registry_auth_project => undef,
              registry_auth_application_credential => 'c2'],
    stale => [@demo, registry_auth_user => 'stale'],
    short => [@demo, registry_auth_user => 'short'],
);

# a region that has no such endpoint, and a URL without /v3
my %wrong = (
    region => [[@demo, registry_auth_region => 'three'],
        qr/no endpoint of "object-store" in the region/],
    interface => [[@demo, registry_auth_region => 'two',
                   registry_auth_interface => 'admin'],
        qr/no endpoint of "object-store" in the region/],
    root => [[@demo, registry_auth_url => $root, registry_auth_version => 3],
        qr{"\Q$root\E" answered user "demo" with status 300}],
    path => [[@demo, registry_auth_url => "$root/x/v3"],
        qr{"\Q$root\E/x/v3" answered user "demo" with status 404}],
    (map { $_ => [[@demo, registry_auth_user => $_], $bad{$_}] } keys %bad),
);

$t->start(server => join '',
    (map { $t->location("/$_/v2/", '', @{ $good{$_} }) } sort keys %good),
    (map { $t->location("/$_/v2/", '', @{ $wrong{$_}[0] }) }
        sort keys %wrong));

my $c = $t->client;

for my $name (sort keys %good) {
    is(push_and_pull("/$name"), 'same', "$name: push and pull");
}

my %asked = map { $_->{name} => $_->{auth} }
    map { { name => name($_->{auth}), auth => $_->{auth} } } $keystone->asked;
my $secret = $ENV{RGW_SECRET_KEY};

is_deeply($asked{demo}, {
    identity => { methods => ['password'], password => { user => {
        name => 'demo', domain => { name => 'Default' },
        password => $secret } } },
    scope => { project => { name => 'demo',
                            domain => { name => 'Default' } } } },
    'by names');
is_deeply($asked{u1}, {
    identity => { methods => ['password'], password => { user => {
        id => 'u1', password => $secret } } },
    scope => { project => { id => 'p1' } } }, 'by ids');
is_deeply($asked{c1}, {
    identity => { methods => ['application_credential'],
        application_credential => { id => 'c1', secret => $secret } } },
    'an application credential');
is_deeply($asked{c2}, {
    identity => { methods => ['application_credential'],
        application_credential => { name => 'c2', secret => $secret,
            user => { name => 'demo', domain => { name => 'Default' } } } } },
    'an application credential by its name');
is_deeply($asked{t1}{scope}, { 'OS-TRUST:trust' => { id => 't1' } },
    'a trust');

for my $name (sort keys %wrong) {
    my $r = $c->request('GET', "/$name/v2/a/manifests/x");
    is($r->{status}, 503, "$name: 503") or diag $r->{content};
}

# a token that ends soon is renewed
my $count = sub { scalar grep { name($_->{auth}) eq 'short' }
    $keystone->asked };
my $before = $count->();
select undef, undef, undef, 0.2 for 1 .. 60 * ($count->() <= $before);
is(push_and_pull('/short'), 'same', 'short: goes on');

# the slow one has had its 10 seconds
my $log;
for (1 .. 100) {
    $log = read_file($t->error_log);
    last if $log =~ $bad{slow};
    select undef, undef, undef, 0.2;
}

like($log, $wrong{$_}[1], "$_: said") for sort keys %wrong;

$t->stop;


# OpenStack Swift's own TempAuth: the account is in the URL

my $port = RegistryTest::free_port();

$t->start(http => <<"END", server => $t->location('/t/v2/', '',
    server {
        listen 127.0.0.1:$port;
        client_max_body_size 0;
        location /v1/AUTH_test/ {
            proxy_pass http://rgw/swift/v1/;
            proxy_request_buffering off;
        }
    }
END
    registry_auth_url => $keystone->tempauth,
    registry_auth_user => 'test:tester',
    registry_pass => "http://127.0.0.1:$port"));

is(push_and_pull('/t'), 'same', 'TempAuth of Swift, /v1/AUTH_test');
$t->stop;


# RGW with the account in its URLs, and a blob of parts

my $rgw = RegistryTest::Rgw->new($t, 'rgw swift account in url' => 'true');

$t->start(rgw => $rgw->address, directives => 'registry_part_size 1m;');
is(push_and_pull('', 3_000_000), 'same', 'RGW: /swift/v1/AUTH_demo');
$t->stop;

my $account = RegistryTest::Keystone->new($t, storage => '/swift/v1/AUTH_demo');

$t->start(rgw => $rgw->address, server => $t->location('/k/v2/', '', @demo,
    registry_auth_url => $account->url));
is(push_and_pull('/k'), 'same', 'the same by Keystone');

$t->finish(allow => qr/registry: auth server| no token to be had/);


# who was named in a request

sub name {
    my ($auth) = @_;

    my $i = $auth->{identity};
    my $user = $i->{password} && $i->{password}{user};
    my $credential = $i->{application_credential};

    my $trust = $auth->{scope} && $auth->{scope}{'OS-TRUST:trust'};

    return $trust->{id}
        // $credential->{id} // $credential->{name}
        // $user->{name} // $user->{id};
}


sub push_and_pull {
    my ($path, $size) = @_;

    my $bytes = 'x' x ($size // 1000) . rand;
    my $digest = 'sha256:' . sha256_hex($bytes);
    my $r = $c->request('POST', "$path/v2/a/blobs/uploads/");
    return "POST $r->{status}" if $r->{status} != 202;
    $r = $c->request('PUT',
        $c->with_digest($r->{headers}{location}, $digest), {
            headers => { 'Content-Type' => 'application/octet-stream' },
            content => $bytes });
    return "PUT $r->{status} $r->{content}" if $r->{status} != 201;
    $r = $c->request('GET', "$path/v2/a/blobs/$digest");

    return $r->{content} eq $bytes ? 'same' : "GET $r->{status}";
}
