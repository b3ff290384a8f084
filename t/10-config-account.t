#!/usr/bin/perl

# What nginx says of a wrong account of the storage: the auth server, the user,
# the key, Keystone's scope.  The key is never told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use RegistryNginx;

my $dir = $RegistryNginx::dir;

RegistryNginx::write_file("$dir/open.key", 'open-secret', 0644);
RegistryNginx::write_file("$dir/empty.key", '', 0600);
RegistryNginx::write_file("$dir/newline.key", "\n", 0600);
RegistryNginx::write_file("$dir/large.key", 'large-secret' x 400, 0600);
RegistryNginx::write_file("$dir/other.key", 'other-secret' x 4, 0600);
mkdir "$dir/folder", 0700;


# a key that a group may read, and what nginx is to run as

sub of_group {
    my ($group, $mode) = @_;

    my $name = RegistryNginx::write_file("$dir/$group-$mode.group.key",
        'group-secret' x 4, 0600);
    my $gid = $group =~ /^\d/ ? $group : getgrnam $group;
    chown $<, $gid, $name or die "chown: $!";
    chmod $mode, $name;

    return RegistryNginx::location('', registry_auth_key_file => $name);
}


# two locations of one user; names and values of the second one

sub two {
    my (%changed) = @_;

    my %d = (registry_auth_url => 'https://127.0.0.1:1/auth/v1.0');

    return RegistryNginx::location('', %d)
        . "location /two/v2/ {\n"
        . RegistryNginx::directives(%d, %changed) . '}';
}


plan('no_plan');
run_tests();

__DATA__

=== TEST 5: no registry_auth_url
--- config eval
RegistryNginx::location('', registry_auth_url => undef)
--- must_die
--- error_log
[emerg]
"registry_pass" needs "registry_auth_url" too
--- no_error_log
-secret
[alert]
[crit]

=== TEST 6: no registry_auth_user
--- config eval
RegistryNginx::location('', registry_auth_user => undef)
--- must_die
--- error_log
[emerg]
"registry_pass" needs "registry_auth_user" too
--- no_error_log
-secret
[alert]
[crit]

=== TEST 7: no registry_auth_key_file
--- config eval
RegistryNginx::location('', registry_auth_key_file => undef)
--- must_die
--- error_log
[emerg]
"registry_pass" needs "registry_auth_key_file" too
--- no_error_log
-secret
[alert]
[crit]

=== TEST 9: registry_auth_url without a scheme
--- config eval
RegistryNginx::location('', registry_auth_url => '127.0.0.1/auth')
--- must_die
--- error_log
[emerg]
"registry_auth_url" must begin with "http://" or "https://", not "127.0.0.1/auth"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 10: registry_auth_url of another scheme
--- config eval
RegistryNginx::location('', registry_auth_url => 'ftp://127.0.0.1/auth')
--- must_die
--- error_log
[emerg]
"registry_auth_url" must begin with
--- no_error_log
-secret
[alert]
[crit]

=== TEST 11: registry_auth_key_file that is not there
--- config eval
RegistryNginx::location('', registry_auth_key_file => "$RegistryNginx::dir/none")
--- must_die
--- error_log
[emerg]
"registry_auth_key_file" "
/none" cannot be opened
--- no_error_log
-secret
[alert]
[crit]

=== TEST 12: registry_auth_key_file that all can read
--- config eval
RegistryNginx::location('', registry_auth_key_file => "$RegistryNginx::dir/open.key")
--- must_die
--- error_log
[emerg]
/open.key" is open to others than its owner
--- no_error_log
-secret
[alert]
[crit]

=== TEST 13: registry_auth_key_file that is empty
--- config eval
RegistryNginx::location('', registry_auth_key_file => "$RegistryNginx::dir/empty.key")
--- must_die
--- error_log
[emerg]
/empty.key" is empty
--- no_error_log
-secret
[alert]
[crit]

=== TEST 14: registry_auth_key_file with only a newline
--- config eval
RegistryNginx::location('', registry_auth_key_file => "$RegistryNginx::dir/newline.key")
--- must_die
--- error_log
[emerg]
/newline.key" is empty
--- no_error_log
-secret
[alert]
[crit]

=== TEST 15: registry_auth_key_file that is a folder
--- config eval
RegistryNginx::location('', registry_auth_key_file => "$RegistryNginx::dir/folder")
--- must_die
--- error_log
[emerg]
/folder" is not a regular file
--- no_error_log
-secret
[alert]
[crit]

=== TEST 16: registry_auth_key_file too large
--- config eval
RegistryNginx::location('', registry_auth_key_file => "$RegistryNginx::dir/large.key")
--- must_die
--- error_log
[emerg]
/large.key" is no key: over 4096 bytes
--- no_error_log
-secret
[alert]
[crit]

=== TEST 70: Keystone without a domain
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_user => 'demo', registry_auth_project => 'p')
--- must_die
--- error_log
[emerg]
a user by its name needs "registry_auth_domain"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 71: Keystone without a project
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_user => 'demo', registry_auth_domain => 'd')
--- must_die
--- error_log
[emerg]
Keystone needs "registry_auth_project"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 72: Keystone without a user
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_user => undef)
--- must_die
--- error_log
[emerg]
Keystone needs "registry_auth_user" or "registry_auth_application_credential"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 73: an application credential and a project
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_application_credential => 'id=a', registry_auth_project => 'p')
--- must_die
--- error_log
[emerg]
an application credential has its project by itself
--- no_error_log
-secret
[alert]
[crit]

=== TEST 74: registry_auth_interface of no kind
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_interface => 'outer')
--- must_die
--- error_log
[emerg]
"registry_auth_interface" is none of "public", "internal" and "admin"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 75: a Keystone directive and another auth server
--- config eval
RegistryNginx::location('', registry_auth_domain => 'd')
--- must_die
--- error_log
[emerg]
"registry_auth_domain" is for Keystone
--- no_error_log
-secret
[alert]
[crit]

=== TEST 76: registry_auth_version 2
--- config eval
RegistryNginx::location('', registry_auth_version => '2')
--- must_die
--- error_log
[emerg]
invalid value "2"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 77: registry_auth_version 1 with /v3
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_version => '1', registry_auth_region => 'r')
--- must_die
--- error_log
[emerg]
"registry_auth_region" is for Keystone
--- no_error_log
-secret
[alert]
[crit]

=== TEST 78: registry_auth_project with control characters
--- config eval
RegistryNginx::location('', registry_auth_url => 'http://127.0.0.1:5000/v3', registry_auth_user => 'demo', registry_auth_domain => 'd', registry_auth_project => qq('a\tb'))
--- must_die
--- error_log
[emerg]
"registry_auth_project" has control characters
--- no_error_log
-secret
[alert]
[crit]

=== TEST 79: one user, two answers whether its auth server is verified
--- config eval
main::two(registry_ssl_verify => 'off')
--- must_die
--- error_log eval
qr/"registry_ssl_verify" differs between "registry_pass" in \S+nginx\.conf:\d+ and in \S+nginx\.conf:\d+, .* set it once for both/
--- no_error_log
-secret
[alert]
[crit]

=== TEST 80: one user, two authorities
--- config eval
main::two(registry_ssl_trusted_certificate => '/etc/ssl/certs/ca-certificates.crt')
--- must_die
--- error_log
"registry_ssl_trusted_certificate" differs between
--- no_error_log
-secret
[alert]
[crit]

=== TEST 81: one user, two keys
--- config eval
main::two(registry_auth_key_file => "$RegistryNginx::dir/other.key")
--- must_die
--- error_log
"registry_auth_key_file" differs between
--- no_error_log
-secret
[alert]
[crit]

=== TEST 82: two users may have settings of their own
--- config eval
main::two(registry_ssl_verify => 'off', registry_auth_user => 'other:user', registry_auth_key_file => "$RegistryNginx::dir/other.key")
--- request
GET /none
--- error_code: 404
--- no_error_log
-secret
[alert]
[crit]
[emerg]

=== TEST 83: key that root's group may read
--- config eval
main::of_group(0, 0440)
--- request
GET /none
--- error_code: 404
--- no_error_log
-secret
[alert]
[crit]
[emerg]

=== TEST 84: key that another group may read
--- config eval
main::of_group('games', 0440)
--- must_die
--- error_log
.group.key" is open to others than its owner
--- no_error_log
-secret
[alert]
[crit]

=== TEST 85: key that root's group may write
--- config eval
main::of_group(0, 0460)
--- must_die
--- error_log
.group.key" is open to others than its owner
--- no_error_log
-secret
[alert]
[crit]
