#!/usr/bin/perl

# Answers that need little of the storage: ping, what is wrong with a request,
# and errors of nginx's own as registry JSON.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use RegistryNginx;

# foo:foo123
RegistryNginx::write_file("$RegistryNginx::dir/users",
    "foo:{PLAIN}foo123\n");

plan('no_plan');
run_tests();

__DATA__

=== TEST 1: ping
--- request
GET /v2/
--- error_code: 200
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Content-Length: 2
--- response_body chomp
{}

=== TEST 2: ping by HEAD
--- request
HEAD /v2/
--- error_code: 200
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Content-Length: 2
--- response_body

=== TEST 3: ping by PUT
--- request
PUT /v2/
{}
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: GET, HEAD
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 4: ping by DELETE
--- request
DELETE /v2/
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: GET, HEAD
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 5: catalog by POST
--- request
POST /v2/_catalog
x
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: GET, HEAD
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 6: tags by DELETE
--- request
DELETE /v2/a/tags/list
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: GET, HEAD
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 7: blob by PUT
--- request
PUT /v2/a/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000
x
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: GET, HEAD
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 8: manifest by POST
--- request
POST /v2/a/manifests/v1
x
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: GET, HEAD, PUT
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 9: uploads by GET
--- request
GET /v2/a/blobs/uploads/
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: POST
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 10: upload by POST
--- request
POST /v2/a/blobs/uploads/01234567-89ab-4cde-8f01-23456789abcd
x
--- error_code: 405
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Allow: DELETE, GET, HEAD, PATCH, PUT
--- response_body_like chomp
^\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]+".*\}\]\}\s*$

=== TEST 11: unknown path
--- request
GET /v2/nothing
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NOT_FOUND","message":"[^"]+".*\}\]\}\s*$

=== TEST 12: unknown path below a repository
--- request
GET /v2/a/nothing/b
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NOT_FOUND","message":"[^"]+".*\}\]\}\s*$

=== TEST 13: blob without a digest
--- request
GET /v2/a/blobs/
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NOT_FOUND","message":"[^"]+".*\}\]\}\s*$

=== TEST 14: repository without a name
--- request
GET /v2/tags/list
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NOT_FOUND","message":"[^"]+".*\}\]\}\s*$

=== TEST 15: name with upper case
--- request
GET /v2/Upper/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 16: name with two dots
--- request
GET /v2/a..b/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 17: name with a dash first
--- request
GET /v2/-a/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 18: name with a dash last
--- request
GET /v2/a-/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 19: name with three underscores
--- request
GET /v2/a___b/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 20: name with a space
--- request
GET /v2/a%20b/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 21: name that is too long
--- request
GET /v2/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/tags/list
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 22: tag with a dot first
--- request
GET /v2/a/manifests/.a
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"TAG_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 23: tag with a dash first
--- request
GET /v2/a/manifests/-a
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"TAG_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 24: tag with a space
--- request
GET /v2/a/manifests/a%20b
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"TAG_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 25: tag with 129 characters
--- request
GET /v2/a/manifests/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"TAG_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 26: digest too short
--- request
GET /v2/a/blobs/sha256:0123
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"DIGEST_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 27: digest not hexadecimal
--- request
GET /v2/a/blobs/sha256:000000000000000000000000000000000000000000000000000000000000000G
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"DIGEST_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 28: digest of an unknown algorithm
--- request
GET /v2/a/blobs/md5:00000000000000000000000000000000
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"DIGEST_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 29: digest in upper case
--- request
GET /v2/a/blobs/sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"DIGEST_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 30: manifest by a bad digest
--- request
GET /v2/a/manifests/sha256:1
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"DIGEST_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 31: upload id that is none
--- request
GET /v2/a/blobs/uploads/1
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"BLOB_UPLOAD_UNKNOWN","message":"[^"]+".*\}\]\}\s*$

=== TEST 32: unknown tag
--- request
GET /v2/a/manifests/v1
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"MANIFEST_UNKNOWN","message":"[^"]+".*\}\]\}\s*$

=== TEST 33: unknown blob
--- request
GET /v2/a/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"BLOB_UNKNOWN","message":"[^"]+".*\}\]\}\s*$

=== TEST 34: unknown repository
--- request
GET /v2/a/tags/list
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"NAME_UNKNOWN","message":"[^"]+".*\}\]\}\s*$

=== TEST 35: auth_basic without a user
--- config
location /v2/ {
    auth_basic "The registry";
    auth_basic_user_file $TEST_NGINX_DIR/users;
    $TEST_NGINX_REGISTRY
}
--- request
GET /v2/
--- error_code: 401
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
WWW-Authenticate: Basic realm="The registry"
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAUTHORIZED","message":"[^"]+".*\}\]\}\s*$

=== TEST 36: auth_basic with a wrong password
--- config
location /v2/ {
    auth_basic "The registry";
    auth_basic_user_file $TEST_NGINX_DIR/users;
    $TEST_NGINX_REGISTRY
}
--- request
GET /v2/
--- more_headers
Authorization: Basic Zm9vOmZvbzEyNA==
--- error_code: 401
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
WWW-Authenticate: Basic realm="The registry"
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAUTHORIZED","message":"[^"]+".*\}\]\}\s*$

=== TEST 37: auth_basic before a body
--- config
location /v2/ {
    auth_basic "The registry";
    auth_basic_user_file $TEST_NGINX_DIR/users;
    $TEST_NGINX_REGISTRY
}
--- request
PUT /v2/a/manifests/v1
{}
--- error_code: 401
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
WWW-Authenticate: Basic realm="The registry"
--- response_body_like chomp
^\{"errors":\[\{"code":"UNAUTHORIZED","message":"[^"]+".*\}\]\}\s*$

=== TEST 38: auth_basic with the right one
--- config
location /v2/ {
    auth_basic "The registry";
    auth_basic_user_file $TEST_NGINX_DIR/users;
    $TEST_NGINX_REGISTRY
}
--- request
GET /v2/
--- more_headers
Authorization: Basic Zm9vOmZvbzEyMw==
--- error_code: 200
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!WWW-Authenticate
--- response_body chomp
{}

=== TEST 39: deny all
--- config
location /v2/ {
    deny all;
    $TEST_NGINX_REGISTRY
}
--- request
GET /v2/
--- error_code: 403
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"DENIED","message":"[^"]+".*\}\]\}\s*$

=== TEST 40: a body over client_max_body_size
--- config
location /v2/ {
    client_max_body_size 10;
    $TEST_NGINX_REGISTRY
}
--- request
PUT /v2/a/manifests/v1
xxxxxxxxxxxxxxxxxxxx
--- error_code: 413
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
--- response_body_like chomp
^\{"errors":\[\{"code":"SIZE_INVALID","message":"[^"]+".*\}\]\}\s*$

=== TEST 41: a location beside it keeps nginx's pages
--- config
location /v2/ {
    $TEST_NGINX_REGISTRY
}
--- request
GET /other
--- error_code: 404
--- response_headers
Content-Type: text/html
!Docker-Distribution-Api-Version
--- response_body_like chomp
<html>
