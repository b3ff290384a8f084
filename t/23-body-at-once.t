#!/usr/bin/perl

# A body that has come whole before it is read: over HTTP/2 it comes right
# behind the header, while the request waits for a token, the container, or
# the list of parts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(write_file);


my $t = RegistryTest->new;
my $name = 'at/once';

for my $http ('--http1.1', '--http2') {
    for my $bytes ('few bytes', 'x' x 20_000, 'y' x 65_535) {
        my $test = "$http, " . length($bytes) . ' bytes';
        my $digest = 'sha256:' . sha256_hex("$http$bytes");

        # each start is without a token, and the first without a container
        $t->start(workers => 1);
        my ($status, $location) = curl($http, 'POST', uploads());
        ($status, $location) = curl($http, 'PATCH', $location,
            "$http$bytes");
        is $status, 202, "$test: PATCH waits for a token";
        ($status) = curl($http, 'PUT', "$location&digest=$digest");
        is $status, 201, "$test: PUT";
        $t->stop;

        $t->start(workers => 1);
        my ($manifest) = $t->client->manifest("$http$bytes");
        ($status) = curl($http, 'PUT', "/v2/$name/manifests/v1", $manifest);
        is $status, 201, "$test: PUT of a manifest waits for a token";

        $digest = 'sha256:' . sha256_hex("1$http$bytes");
        ($status, $location) = curl($http, 'POST', uploads());
        ($status) = curl($http, 'PUT', "$location&digest=$digest",
            "1$http$bytes");
        is $status, 201, "$test: PUT of all";
        is $t->client->request('GET', "/v2/$name/blobs/$digest")->{content},
            "1$http$bytes", "$test: the same bytes";

        # without its state the parts are listed first
        $digest = 'sha256:' . sha256_hex("2$http$bytes");
        ($status, $location) = curl($http, 'POST', uploads());
        ($status) = curl($http, 'PATCH', $location, '2');
        is $status, 202, "$test: PATCH";
        ($location) = $location =~ /^([^?]+)/;
        ($status) = curl($http, 'PUT', "$location?digest=$digest",
            "$http$bytes");
        is $status, 201, "$test: PUT waits for the list of parts";
        $t->stop;
    }
}

$t->finish(allow => qr/^$/);


sub uploads { "/v2/$name/blobs/uploads/" }


sub curl {
    my ($http, $method, $path, $bytes) = @_;

    my $body = $t->dir . '/body';
    write_file($body, $bytes // '');
    my $type = 'application/' . ($path =~ /manifests/
        ? 'vnd.oci.image.manifest.v1+json' : 'octet-stream');

    my $out = $t->run('curl', $http, '-s', '-o', '/dev/null',
        '--cacert', $t->ca, '-u', $t->login, '-X', $method,
        defined $bytes ? ('--data-binary', "\@$body", '-H',
            "Content-Type: $type", '-H', 'Expect:') : (),
        '-w', '%{http_code} %header{location}',
        'https://' . $t->host . $path =~ s{^https?://[^/]+}{}r);

    return split ' ', $out, 2;
}
