#!/usr/bin/perl

# A body that somebody has read before the registry does: "mirror" here, as a
# firewall or a script would.  It is taken from memory or the temporary file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;
use RegistryTest::Client;
use RegistryTest::Http2;


my $PART = 1 << 20;
my $OCI = 'application/vnd.oci.image.manifest.v1+json';

my $t = RegistryTest->new;
my $h2 = RegistryTest::free_port();
my %more = (
    memory => 'client_body_buffer_size 8m;',
    file => 'client_body_buffer_size 8k;',
    'file only' => 'client_body_in_file_only clean;',
);


for my $kept (sort keys %more) {
    $t->start(workers => 1, auth => 0,
        directives => "registry_part_size 1m; mirror /copy; $more{$kept}",
        server => 'client_max_body_size 0;
            location = /copy { internal; return 204; }');
    takes($kept);
    $t->stop;
}


# over HTTP/2

$t->start(workers => 1, auth => 0, http =>
    "server { listen 127.0.0.1:$h2 http2; client_max_body_size 0;
        location = /copy { internal; return 204; }\n"
    . $t->location('/v2/', "mirror /copy; registry_part_size 1m;") . '}');

for my $size (0, 100, 100_000, $PART, 2 * $PART + 5) {
    for my $told (1, 0) {
        my $test = "HTTP/2, $size bytes, length " . ($told ? '' : 'not ')
            . 'told';
        my $bytes = substr "$told$size" . 'x' x $size, 0, $size;
        my $digest = 'sha256:' . sha256_hex($bytes);
        my $path = '/v2/before/blobs/uploads/?digest=';
        my %header = $told ? ('content-length' => $size) : ();

        is RegistryTest::Http2::request($h2, 'POST', $path . $digest,
            \%header, $bytes, 0.1, \''), 201, "$test: POST";
        is $t->client->request('GET', "/v2/before/blobs/$digest")->{content},
            $bytes, "$test: the same bytes";
        is RegistryTest::Http2::request($h2, 'POST', $path . 'sha256:'
            . sha256_hex("not $bytes"), \%header, $bytes, 0.1, \''), 400,
            "$test: a wrong digest";
    }
}

$t->finish;


sub takes {
    my ($kept) = @_;

    my $c = $t->client;
    my %type = ('Content-Type' => 'application/octet-stream');

    for my $size (0, 100, 16_384, 100_000, $PART, 2 * $PART + 5) {
        my $test = "$kept, $size bytes";
        my $bytes = substr "$kept $size" . 'x' x $size, 0, $size;
        my $digest = 'sha256:' . sha256_hex($bytes);

        for my $method ('PUT', 'PATCH', 'chunked PATCH', 'chunked PUT') {
            my $begun = $c->begin_upload('before');
            my @chunks = map { substr $bytes, $_ * 5000, 5000 }
                0 .. (length($bytes) - 1) / 5000;
            my $closing = $method =~ /PUT/;
            my $r = $c->request($method =~ /(\w+)$/,
                $closing ? $c->with_digest($begun, $digest) : $begun, {
                    headers => \%type,
                    content => $method =~ /chunked/ && $size
                        ? sub { shift @chunks } : $bytes });
            is $r->{status}, $closing ? 201 : 202, "$test: $method"
                or diag $r->{content};

            $r = $c->request('PUT',
                $c->with_digest($r->{headers}{location}, $digest))
                if !$closing;
            is $r->{status}, 201, "$test: $method, closed";
            is $c->request('GET', "/v2/before/blobs/$digest")->{content},
                $bytes, "$test: $method, the same bytes";
        }

        my $wrong = 'sha256:' . sha256_hex("not $bytes");
        my $r = $c->request('PUT',
            $c->with_digest($c->begin_upload('before'), $wrong),
            { headers => \%type, content => $bytes });
        is $r->{status}, 400, "$test: a wrong digest";
        is $c->request('GET', "/v2/before/blobs/$wrong")->{status}, 404,
            "$test: nothing is there";
    }

    for my $size (1, 200_000) {
        $c->push_blob('before', '{}');
        $c->push_blob('before', 'layer');
        my ($manifest) = RegistryTest::Client->manifest('{}', 'layer');
        $manifest =~ s/\}\s*$/,"annotations":{"a":"@{[ 'x' x $size ]}"}}/;
        my $r = $c->request('PUT', '/v2/before/manifests/v1', {
            headers => { 'Content-Type' => $OCI }, content => $manifest });
        is $r->{status}, 201, "$kept, manifest of $size bytes and some more"
            or diag $r->{content};
        is $c->request('GET', '/v2/before/manifests/v1')->{content},
            $manifest, "$kept, manifest of $size: the same bytes";
    }
}
