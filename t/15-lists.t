#!/usr/bin/perl

# tags/list and _catalog, whole and in pages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny;

use RegistryNginx;

# Links as a push leaves them; the lists look at nothing else.

sub put_objects {
    my @objects = @_;

    my $http = HTTP::Tiny->new(timeout => 60);
    my $r = $http->get($ENV{RGW_AUTH_URL}, { headers => {
        'X-Auth-User' => $ENV{RGW_USER},
        'X-Auth-Key' => $ENV{RGW_SECRET_KEY},
    } });
    my $url = "$r->{headers}{'x-storage-url'}/$RegistryNginx::container";
    my %token = ('X-Auth-Token' => $r->{headers}{'x-auth-token'});

    for ('', map { "/files/docker/registry/v2/repositories/$_" } @objects) {
        $r = $http->put("$url$_", {
            headers => { %token },
            content => $_ ? 'sha256:' . sha256_hex('') : '',
        });
        die "PUT $_: $r->{status} $r->{content}" if !$r->{success};
    }
}

sub fill {
    my $hex = sha256_hex('');

    put_objects(
        (map { "app/_manifests/tags/$_/current/link" } qw(v1 v10 v2 Beta)),
        "app/_manifests/revisions/sha256/$hex/link",
        "app/sub/_manifests/tags/latest/current/link",
        "app/sub/_manifests/revisions/sha256/$hex/link",
        "zoo/_manifests/revisions/sha256/$hex/link",
        "zoo/_layers/sha256/$hex/link",
    );
}

# What other tools, and uploads that were left, make of a container.

sub put_foreign {
    put_objects(
        '', 'app/', 'app/_manifests/tags/', 'app/_manifests/tags/README',
        'app/_manifests/tags/v1/', 'app/_manifests/tags/v10~/x',
        'app/_manifests/tags//x', 'README', 'zoo/README',
        'left/_uploads/id/startedat', 'zoo/left/_uploads/id/startedat',
        'UPPER/_layers/x',
    );
}

plan('no_plan');
run_tests();

__DATA__

=== TEST 1: catalog of nothing
--- request
GET /v2/_catalog
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":[]}

=== TEST 2: catalog of nothing, in pages
--- request
GET /v2/_catalog?n=5
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":[]}

=== TEST 3: all tags, sorted by bytes
--- init
main::fill()
--- request
GET /v2/app/tags/list
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 4: the first page of tags
--- request
GET /v2/app/tags/list?n=2
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/app/tags/list?last=v1&n=2>; rel="next"
--- response_body
{"name":"app","tags":["Beta","v1"]}

=== TEST 5: the last page of tags
--- request
GET /v2/app/tags/list?last=v1&n=2
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["v10","v2"]}

=== TEST 6: tags behind one
--- request
GET /v2/app/tags/list?last=v10
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["v2"]}

=== TEST 7: tags behind one that is not there
--- request
GET /v2/app/tags/list?last=v
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["v1","v10","v2"]}

=== TEST 8: tags behind the last
--- request
GET /v2/app/tags/list?n=2&last=z
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":[]}

=== TEST 9: more tags asked for than are there
--- request
GET /v2/app/tags/list?n=50
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 10: no tags asked for
--- request
GET /v2/app/tags/list?n=0
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":[]}

=== TEST 11: tags of a repository below another
--- request
GET /v2/app/sub/tags/list
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app/sub","tags":["latest"]}

=== TEST 12: an unknown repository
--- request
GET /v2/none/tags/list
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"NAME_UNKNOWN"

=== TEST 13: a part of a repository's name
--- request
GET /v2/ap/tags/list
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"NAME_UNKNOWN"

=== TEST 14: n of tags twice
--- request
GET /v2/app/tags/list?n=1&n=2
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"PAGINATION_NUMBER_INVALID"

=== TEST 15: catalog
--- request
GET /v2/_catalog
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["app","app/sub","zoo"]}

=== TEST 16: the first page of the catalog
--- request
GET /v2/_catalog?n=1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/_catalog?last=app&n=1>; rel="next"
--- response_body
{"repositories":["app"]}

=== TEST 17: the second page of the catalog
--- request
GET /v2/_catalog?last=app&n=1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/_catalog?last=app%2Fsub&n=1>; rel="next"
--- response_body
{"repositories":["app/sub"]}

=== TEST 18: the last page of the catalog
--- request
GET /v2/_catalog?last=app%2Fsub&n=1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["zoo"]}

=== TEST 19: catalog behind the last
--- request
GET /v2/_catalog?last=zoo
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":[]}

=== TEST 20: a name behind one that is not there
--- request
GET /v2/_catalog?last=b&n=5
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["zoo"]}

=== TEST 21: too many of the catalog asked for
--- request
GET /v2/_catalog?n=1001
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"PAGINATION_NUMBER_INVALID"

=== TEST 22: the most of the catalog that may be asked for
--- request
GET /v2/_catalog?n=1000
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["app","app/sub","zoo"]}

=== TEST 23: nothing of the catalog asked for
--- request
GET /v2/_catalog?n=0
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":[]}

=== TEST 24: a negative n counts as none
--- request
GET /v2/_catalog?n=-1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["app","app/sub","zoo"]}

=== TEST 25: a word as n, too
--- request
GET /v2/app/tags/list?n=many
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 26: a number of more than 64 bits, too
--- request
GET /v2/app/tags/list?n=18446744073709551617
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 27: the largest n
--- request
GET /v2/app/tags/list?n=9223372036854775807
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 28: an empty n and last
--- request
GET /v2/app/tags/list?n=&last=
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 29: last with a broken escape
--- request
GET /v2/app/tags/list?last=%zz
--- error_code: 400
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"PAGINATION_NUMBER_INVALID"

=== TEST 30: last that is no tag
--- request
GET /v2/app/tags/list?n=1&last=v1%2F..%2Fx%ff
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/app/tags/list?last=v10&n=1>; rel="next"
--- response_body
{"name":"app","tags":["v10"]}

=== TEST 31: last that is no name
--- request
GET /v2/_catalog?last=app%2F%2F%E2%80%AE
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["app/sub","zoo"]}

=== TEST 32: no tags of an unknown repository asked for
--- request
GET /v2/none/tags/list?n=0
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"NAME_UNKNOWN"

=== TEST 33: tags of an unknown repository behind one
--- request
GET /v2/none/tags/list?last=a
--- error_code: 404
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body_like chomp
"code":"NAME_UNKNOWN"

=== TEST 34: tags by HEAD
--- request
HEAD /v2/app/tags/list?n=1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/app/tags/list?last=Beta&n=1>; rel="next"
--- response_body

=== TEST 35: the catalog by HEAD
--- request
HEAD /v2/_catalog?n=1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/_catalog?last=app&n=1>; rel="next"
--- response_body

=== TEST 36: what is no tag is not listed
--- init
main::put_foreign()
--- request
GET /v2/app/tags/list
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"name":"app","tags":["Beta","v1","v10","v2"]}

=== TEST 37: what is no repository is not listed
--- request
GET /v2/_catalog
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
!Link
--- response_body
{"repositories":["app","app/sub","zoo"]}

=== TEST 38: pages among what is no tag
--- request
GET /v2/app/tags/list?n=1&last=v1
--- response_headers
Docker-Distribution-Api-Version: registry/2.0
Content-Type: application/json; charset=utf-8
Link: </v2/app/tags/list?last=v10&n=1>; rel="next"
--- response_body
{"name":"app","tags":["v10"]}
