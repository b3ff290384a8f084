#!/usr/bin/perl

# What nginx says of a wrong configuration: each directive is named, the key
# never.  Those of the storage's account are in 10-config-account.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use RegistryNginx;

my $dir = $RegistryNginx::dir;

RegistryNginx::write_file("$dir/other.key", "$ENV{RGW_SECRET_KEY}\n", 0400);
RegistryNginx::write_file("$dir/short.secret", 'x' x 40 . "\n" . 'y' x 31,
    0600);
RegistryNginx::write_file("$dir/blank.secret", 'x' x 40 . "\n\n" . 'x' x 40,
    0600);
RegistryNginx::write_file("$dir/short.tempurl", 'z' x 31 . "\n", 0600);
RegistryNginx::write_file("$dir/open.secret", 'open-secret' x 4, 0644);
RegistryNginx::write_file("$dir/nine.secret",
    join('', map { "$_" x 32 . "\n" } 1 .. 9), 0600);
RegistryNginx::write_file("$dir/eight.secret",
    join('', map { "$_" x 32 . "\r\n" } 1 .. 8), 0600);

plan('no_plan');
run_tests();

__DATA__

=== TEST 1: registry_pass with neither http nor https
--- config eval
RegistryNginx::location('', registry_pass => 'swift://rgw')
--- must_die
--- error_log
[emerg]
"registry_pass" wants "http://" or "https://"
not "swift://rgw"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 152: registry_redirect_key_file of 31 characters
--- config eval
RegistryNginx::location('', registry_redirect => 'http://127.0.0.1/swift/v1',
    registry_redirect_key_file => "$RegistryNginx::dir/short.tempurl")
--- must_die
--- error_log
[emerg]
is shorter than 32 characters: whoever finds the key writes
"openssl rand -hex 32" makes one
--- no_error_log
zzz
-secret
[alert]
[crit]

=== TEST 153: a name that RGW refuses
--- config eval
RegistryNginx::location('', registry_container => 'ab')
--- request
GET /none
--- error_code: 404
--- error_log
[warn]
"registry_container" "ab": RGW takes no name that is shorter than 3 bytes or begins with "."
--- no_error_log
-secret
[alert]
[crit]

=== TEST 150: registry_host with a path
--- config eval
RegistryNginx::location('', registry_host => 'rgw.example.com/swift')
--- must_die
--- error_log
[emerg]
"registry_host" is what the storage is told as Host, for example "rgw.example.com", not "rgw.example.com/swift"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 151: Keystone, and a block whose name is none of a host
--- config eval
RegistryNginx::location('', registry_pass => 'http://rgw',
    registry_auth_url => 'http://127.0.0.1:1/v3',
    registry_auth_domain => 'Default', registry_auth_project => 'demo')
--- request
GET /none
--- error_code: 404
--- error_log
[warn]
which is told "Host: rgw": set "registry_host"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 2: registry_pass without a scheme
--- config eval
RegistryNginx::location('', registry_pass => 'rgw')
--- must_die
--- error_log
[emerg]
"registry_pass" wants "http://"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 3: registry_pass with a path
--- config eval
RegistryNginx::location('', registry_pass => 'http://rgw/swift/v1')
--- must_die
--- error_log
[emerg]
"registry_pass" takes no path, but "/swift/v1"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 4: registry_pass twice
--- config eval
RegistryNginx::location('', registry_pass => "http://rgw;\nregistry_pass http://rgw")
--- must_die
--- error_log
[emerg]
"registry_pass" directive is duplicate
--- no_error_log
-secret
[alert]
[crit]

=== TEST 8: no registry_container
--- config eval
RegistryNginx::location('', registry_container => undef)
--- must_die
--- error_log
[emerg]
"registry_pass" needs "registry_container" too
--- no_error_log
-secret
[alert]
[crit]

=== TEST 17: registry_container with a slash
--- config eval
RegistryNginx::location('', registry_container => 'a/b')
--- must_die
--- error_log
[emerg]
"registry_container" is a container's name
not "a/b"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 18: registry_container too long
--- config eval
RegistryNginx::location('', registry_container => 'a' x 256)
--- must_die
--- error_log
[emerg]
"registry_container" is a container's name of at most 255 bytes
--- no_error_log
-secret
[alert]
[crit]

=== TEST 19: registry_upload_expires below 60
--- config eval
RegistryNginx::location('', registry_upload_expires => '59s')
--- must_die
--- error_log
[emerg]
"registry_upload_expires" must be 60 seconds or more
--- no_error_log
-secret
[alert]
[crit]

=== TEST 20: registry_upload_expires that is no time
--- config eval
RegistryNginx::location('', registry_upload_expires => 'soon')
--- must_die
--- error_log
[emerg]
"registry_upload_expires" directive invalid value
--- no_error_log
-secret
[alert]
[crit]

=== TEST 21: registry_delete neither on nor off
--- config eval
RegistryNginx::location('', registry_delete => 'yes')
--- must_die
--- error_log
[emerg]
"registry_delete" must be "on", "off" or a variable, not "yes"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 80: registry_sparse of an unknown kind
--- config eval
RegistryNginx::location('', registry_sparse => 'on')
--- must_die
--- error_log
[emerg]
invalid value "on"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 81: registry_sparse twice
--- config eval
RegistryNginx::location('registry_sparse off;', registry_sparse => 'all')
--- must_die
--- error_log
[emerg]
"registry_sparse" directive is duplicate
--- no_error_log
-secret
[alert]
[crit]

=== TEST 22: registry_max_manifest_size that is no size
--- config eval
RegistryNginx::location('', registry_max_manifest_size => 'big')
--- must_die
--- error_log
[emerg]
"registry_max_manifest_size" directive invalid value
--- no_error_log
-secret
[alert]
[crit]

=== TEST 23: registry_connect_timeout that is no time
--- config eval
RegistryNginx::location('', registry_connect_timeout => 'soon')
--- must_die
--- error_log
[emerg]
"registry_connect_timeout" directive invalid value
--- no_error_log
-secret
[alert]
[crit]

=== TEST 24: registry_send_timeout that is no time
--- config eval
RegistryNginx::location('', registry_send_timeout => 'soon')
--- must_die
--- error_log
[emerg]
"registry_send_timeout" directive invalid value
--- no_error_log
-secret
[alert]
[crit]

=== TEST 25: registry_read_timeout that is no time
--- config eval
RegistryNginx::location('', registry_read_timeout => 'soon')
--- must_die
--- error_log
[emerg]
"registry_read_timeout" directive invalid value
--- no_error_log
-secret
[alert]
[crit]

=== TEST 26: alias beside registry_pass
--- config eval
RegistryNginx::location('', alias => '/srv')
--- must_die
--- error_log
[emerg]
"alias" has no meaning beside "registry_pass"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 27: all directives, the key with a newline, client_max_body_size
--- config eval
RegistryNginx::location('client_max_body_size 5m;',
    registry_auth_key_file => "$RegistryNginx::dir/other.key",
    registry_delete => 'on', registry_anonymous_mount => 'on',
    registry_max_manifest_size => '1m',
    registry_part_size => '1m', registry_upload_expires => '60s',
    registry_upload_authorize => '1h', satisfy => 'any',
    registry_secret_file => "$RegistryNginx::dir/eight.secret",
    registry_connect_timeout => '5s',
    registry_send_timeout => '5s', registry_read_timeout => '500ms')
--- request
GET /v2/_catalog
--- response_body
{"repositories":[]}

=== TEST 28: directives of the server level are inherited
--- config eval
my $all = RegistryNginx::directives(registry_pass => undef);
"$all location /v2/ { registry_pass http://rgw; }"
--- request
GET /v2/_catalog
--- response_body
{"repositories":[]}

=== TEST 29: an address instead of an upstream, with a slash
--- config eval
RegistryNginx::location('', registry_pass => "http://$ENV{RGW_ENDPOINT}/")
--- request
GET /v2/_catalog
--- response_body
{"repositories":[]}

=== TEST 32: registry_part_size below 1m
--- config eval
RegistryNginx::location('', registry_part_size => '1023k')
--- must_die
--- error_log
[emerg]
"registry_part_size" must be 1m to 5g
--- no_error_log
-secret
[alert]
[crit]

=== TEST 33: registry_part_size above 5g
--- config eval
RegistryNginx::location('', registry_part_size => '6g')
--- must_die
--- error_log
[emerg]
"registry_part_size" must be 1m to 5g
--- no_error_log
-secret
[alert]
[crit]


=== TEST 40: registry_cache that is neither off nor a zone
--- config eval
RegistryNginx::location('', registry_cache => 'on')
--- must_die
--- error_log
[emerg]
"registry_cache" wants "off" or "zone=NAME:SIZE"
not "on"
--- no_error_log
[alert]


=== TEST 41: registry_cache with too small a zone
--- config eval
RegistryNginx::location('', registry_cache => 'zone=a:64k')
--- must_die
--- error_log
[emerg]
"registry_cache" zone "a" has to have 1m or more, not "64k"
--- no_error_log
[alert]


=== TEST 42: registry_read_only that is neither on, off nor a variable
--- config eval
RegistryNginx::location('', registry_read_only => 'yes')
--- must_die
--- error_log
[emerg]
"registry_read_only" must be "on", "off" or a variable, not "yes"
--- no_error_log
[alert]


=== TEST 43: registry_ssl_trusted_certificate that is not there
--- config eval
RegistryNginx::location('', registry_pass => 'https://rgw',
    registry_ssl_trusted_certificate => '/nonexistent/ca.pem')
--- must_die
--- error_log
[emerg]
/nonexistent/ca.pem
--- no_error_log
[alert]

=== TEST 44: registry_secret_file that is not there
--- config eval
RegistryNginx::location('', registry_secret_file => "$RegistryNginx::dir/none.secret")
--- must_die
--- error_log
[emerg]
"registry_secret_file" "
/none.secret" cannot be opened
--- no_error_log
-secret
[alert]
[crit]

=== TEST 45: registry_secret_file that others can read
--- config eval
RegistryNginx::location('', registry_secret_file => "$RegistryNginx::dir/open.secret")
--- must_die
--- error_log
[emerg]
"registry_secret_file" "
/open.secret" is open to others than its owner
--- no_error_log
-secret
[alert]
[crit]

=== TEST 46: registry_secret_file with a short secret
--- config eval
RegistryNginx::location('', registry_secret_file => "$RegistryNginx::dir/short.secret")
--- must_die
--- error_log
[emerg]
/short.secret": line 2 is shorter than 32 characters
--- no_error_log
-secret
[alert]
[crit]

=== TEST 47: registry_secret_file with an empty line
--- config eval
RegistryNginx::location('', registry_secret_file => "$RegistryNginx::dir/blank.secret")
--- must_die
--- error_log
[emerg]
/blank.secret": line 2 is shorter than 32 characters
--- no_error_log
-secret
[alert]
[crit]

=== TEST 48: registry_secret_file with nine secrets
--- config eval
RegistryNginx::location('', registry_secret_file => "$RegistryNginx::dir/nine.secret")
--- must_die
--- error_log
[emerg]
/nine.secret": line 9 is the ninth
--- no_error_log
-secret
[alert]
[crit]

=== TEST 49: registry_upload_authorize that is no time
--- config eval
RegistryNginx::location('', registry_upload_authorize => 'on')
--- must_die
--- error_log
[emerg]
"registry_upload_authorize" wants "off" or a time as "1h", not "on"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 50: registry_upload_authorize of no time
--- config eval
RegistryNginx::location('', registry_upload_authorize => '0')
--- must_die
--- error_log
[emerg]
"registry_upload_authorize" wants "off" or a time as "1h", not "0"
--- no_error_log
-secret
[alert]
[crit]

=== TEST 51: registry_upload_authorize twice
--- config eval
RegistryNginx::location('', registry_upload_authorize => "1h;\nregistry_upload_authorize off")
--- must_die
--- error_log
[emerg]
"registry_upload_authorize" directive is duplicate
--- no_error_log
-secret
[alert]
[crit]


=== TEST 60: registry_status of no format
--- config
location /metrics { registry_status xml; }
--- must_die
--- error_log
[emerg]
"registry_status" is "prometheus", "json" or "health", not "xml"
--- no_error_log
[alert]


=== TEST 61: registry_blob_cache of no zone
--- config eval
RegistryNginx::location('', registry_blob_cache => 'nowhere')
--- must_die
--- error_log
[emerg]
"registry_blob_cache" zone "nowhere" is made by no "registry_cache_path"
--- no_error_log
[alert]


=== TEST 62: registry_blob_cache_slice that is too small
--- http_config eval
"registry_cache_path $RegistryNginx::dir/blobs keys_zone=blobs:1m;"
--- config eval
RegistryNginx::location('', registry_blob_cache => 'blobs',
    registry_blob_cache_slice => '1k')
--- must_die
--- error_log
[emerg]
"registry_blob_cache_slice" must be 256k or more
--- no_error_log
[alert]


=== TEST 63: registry_redirect that is no URL
--- config eval
RegistryNginx::location('', registry_redirect => 'on')
--- must_die
--- error_log
[emerg]
"registry_redirect" is "off" or the URL of the storage
not "on"
--- no_error_log
[alert]


=== TEST 64: registry_redirect without a key
--- config eval
RegistryNginx::location('', registry_redirect => 'https://rgw.example.com/swift/v1')
--- must_die
--- error_log
[emerg]
"registry_redirect" needs "registry_redirect_key_file"
--- no_error_log
[alert]
=== TEST 79: registry_prefix too long
--- config eval
RegistryNginx::location('', registry_prefix => 'x' x 256)
--- must_die
--- error_log
[emerg]
"registry_prefix" is longer than 255 bytes
--- no_error_log
-secret
[alert]
[crit]

=== TEST 80: registry_prefix twice
--- config eval
RegistryNginx::location('', registry_prefix => "a;\nregistry_prefix b")
--- must_die
--- error_log
[emerg]
"registry_prefix" directive is duplicate
--- no_error_log
-secret
[alert]
[crit]

=== TEST 82: registry_health with a wrong interval
--- config eval
RegistryNginx::location('registry_health interval=99ms;')
--- must_die
--- error_log
[emerg]
"registry_health" wants an interval of 100ms or more, not "99ms"
--- no_error_log
-secret
[alert]
[crit]


=== TEST 83: registry_health with a wrong threshold
--- config eval
RegistryNginx::location('registry_health threshold=0;')
--- must_die
--- error_log
[emerg]
"registry_health" wants a threshold of 1 or more, not "0"
--- no_error_log
-secret
[alert]
[crit]


=== TEST 84: registry_health with a word that is none
--- config eval
RegistryNginx::location('registry_health on;')
--- must_die
--- error_log
[emerg]
"registry_health" wants "off", or "interval=TIME"
--- no_error_log
-secret
[alert]
[crit]


=== TEST 85: registry_single_node that is neither on nor off
--- config eval
RegistryNginx::location('registry_single_node yes;')
--- must_die
--- error_log
[emerg]
invalid value "yes" in "registry_single_node" directive
--- no_error_log
-secret
[alert]
[crit]


=== TEST 86: registry_verify that is neither on, off nor a variable
--- config eval
RegistryNginx::location('', registry_verify => 'yes')
--- must_die
--- error_log
[emerg]
"registry_verify" must be "on", "off" or a variable, not "yes"
--- no_error_log
[alert]
