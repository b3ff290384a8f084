#!/usr/bin/perl

# The auth server refuses, or is away: nginx starts and says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use RegistryNginx;

our $away = 'http://127.0.0.1:' . RegistryNginx::free_port() . '/auth/v1.0';
our $missing = "http://$ENV{RGW_ENDPOINT}/nothing";
our $other = 'http://127.0.0.1:' . RegistryNginx::free_port();

RegistryNginx::write_file("$RegistryNginx::dir/wrong.key", 'wrong-secret',
    0600);

plan('no_plan');
run_tests();

__DATA__

=== TEST 1: auth server away, ping
--- config eval
RegistryNginx::location('',
    registry_auth_url => $main::away)
--- request
GET /v2/
--- response_body chomp
{}
--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 2: auth server away, catalog
--- config eval
RegistryNginx::location('',
    registry_auth_url => $main::away)
--- request
GET /v2/_catalog
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 3: auth server away, manifest
--- config eval
RegistryNginx::location('',
    registry_auth_url => $main::away)
--- request
GET /v2/a/manifests/v1
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 4: auth server away, mount
--- config eval
RegistryNginx::location('',
    registry_auth_url => $main::away)
--- request
POST /v2/b/blobs/uploads/?from=a&mount=sha256:0000000000000000000000000000000000000000000000000000000000000000
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 5: wrong key, ping
--- config eval
RegistryNginx::location('',
    registry_auth_key_file => "$RegistryNginx::dir/wrong.key")
--- request
GET /v2/
--- response_body chomp
{}
--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 6: wrong key, catalog
--- config eval
RegistryNginx::location('',
    registry_auth_key_file => "$RegistryNginx::dir/wrong.key")
--- request
GET /v2/_catalog
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 7: wrong key, manifest
--- config eval
RegistryNginx::location('',
    registry_auth_key_file => "$RegistryNginx::dir/wrong.key")
--- request
GET /v2/a/manifests/v1
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 8: wrong key, mount
--- config eval
RegistryNginx::location('',
    registry_auth_key_file => "$RegistryNginx::dir/wrong.key")
--- request
POST /v2/b/blobs/uploads/?from=a&mount=sha256:0000000000000000000000000000000000000000000000000000000000000000
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 9: unknown user, ping
--- config eval
RegistryNginx::location('',
    registry_auth_user => 'nobody:swift')
--- request
GET /v2/
--- response_body chomp
{}
--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 10: unknown user, catalog
--- config eval
RegistryNginx::location('',
    registry_auth_user => 'nobody:swift')
--- request
GET /v2/_catalog
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 11: auth server without that path, ping
--- config eval
RegistryNginx::location('',
    registry_auth_url => $main::missing)
--- request
GET /v2/
--- response_body chomp
{}
--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 12: auth server without that path, catalog
--- config eval
RegistryNginx::location('',
    registry_auth_url => $main::missing)
--- request
GET /v2/_catalog
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 13: storage away, ping
--- config eval
RegistryNginx::location('',
    registry_pass => $main::other)
--- request
GET /v2/
--- response_body chomp
{}
--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 14: storage away, catalog
--- config eval
RegistryNginx::location('',
    registry_pass => $main::other)
--- request
GET /v2/_catalog
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
registry:

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret

=== TEST 15: auth server of an unknown name, catalog
--- config eval
RegistryNginx::location('',
    registry_auth_url => 'http://nobody.invalid/auth/v1.0')
--- request
GET /v2/_catalog
--- error_code: 503
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAVAILABLE","message":"service unavailable".*\}\]\}\s*$
--- error_log
nobody.invalid
check registry_auth_url

--- no_error_log
[alert]
[crit]
[emerg]
wrong-secret
