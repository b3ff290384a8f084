package RegistryTest::Exercise;

# What clients do with a registry, once through: whatever stands before and
# behind it and around its location, each answer must be as here.
#
#   my ($checks, @wrong) = RegistryTest::Exercise::run($client, 'repository',
#       skip => qr/names of checks that are not made/);
#
# Headers and bodies of errors are looked at, too.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use IO::Uncompress::Gunzip;
use JSON::PP;
use Time::HiRes qw(time);


# One that nginx would refuse by its own default of 1m, and one that is cut
# into many buffers.
my %SIZE = (docker => 1_500_000, pieces => 300_000, whole => 1_200_000);
my $OCI = 'application/vnd.oci.image.manifest.v1+json';
my $NOBODY = 'sha256:' . '0' x 64;

my $bytes = join '', map { pack 'H*', sha256_hex($_) } 1 .. 65536;


sub run {
    my ($client, $name, %o) = @_;

    my $self = bless { c => $client, name => $name, v2 => ($o{base} // '')
        . '/v2/', skip => $o{skip}, checks => 0, wrong => [] }, __PACKAGE__;

    for (qw(ping push_docker push_pieces push_whole manifest lists pull errors
            delete))
    {
        eval { $self->$_; 1 } or push @{ $self->{wrong} }, "$_: $@";
    }

    return ($self->{checks}, @{ $self->{wrong} });
}


# ask('name of the check', METHOD, path below /v2/ or a Location, status or
# error code, content => , headers => ): the answer

sub ask {
    my ($self, $what, $method, $path, $want, %o) = @_;

    my $url = $path =~ s{^https?://[^/]+}{}r;
    $url = "$self->{v2}$url" if $url !~ m{^/};
    $o{content} //= '' if $method =~ /^P/;
    $self->{what} = $what;
    return { headers => {}, content => '' }
        if $self->{skip} && $what =~ $self->{skip};

    my $r = $self->{c}->request($method, $url, \%o);
    $r->{content} //= '';
    my $header = $r->{headers};
    my $got = $r->{status};
    my $seen = "$got " . substr $r->{content}, 0, 300;

    if ($want =~ /^(\d+) ([A-Z]\w+)/) {
        $got .= ' ' . $self->{c}->error_code($r);
        $self->is('type of the error', $header->{'content-type'},
            'application/json; charset=utf-8');
    }

    $self->{checks}++;
    push @{ $self->{wrong} }, "$what: $seen, not $want" if $got ne $want;
    $self->is('API version', $header->{'docker-distribution-api-version'},
        'registry/2.0');
    $self->is('repeated', join(' ', grep { ref $header->{$_} }
        qw(cache-control content-type docker-content-digest etag)), '');
    $self->is('length', length $r->{content}, $header->{'content-length'})
        if $method ne 'HEAD' && defined $header->{'content-length'}
            && $r->{status} != 204;

    return $r;
}


sub is {
    my ($self, $what, $got, $want) = @_;

    $what = "$self->{what}: $what";
    return if $self->{skip} && $what =~ $self->{skip};

    $_ = !defined ? '(none)' : ref ? join ', ', @$_ : $_ for $got, $want;
    $self->{checks}++;
    push @{ $self->{wrong} }, "$what: "
        . (length $got > 300 ? length($got) . ' bytes' : $got) . ', not '
        . (length $want > 300 ? length($want) . ' bytes' : $want)
        if $got ne $want;
}


# Other bytes in each run, so that nothing is there before.

sub blob {
    my ($self, $what) = @_;

    my $content = substr "$self->{name} $what " . time . rand() . $bytes, 0,
        $SIZE{$what} // 200;
    my $digest = 'sha256:' . sha256_hex($content);
    $self->{blobs}{$what} = [$digest, $content];

    return ($content, $digest);
}


sub octets {
    my ($content, %headers) = @_;

    return (content => $content, headers => {
        'Content-Type' => 'application/octet-stream', %headers });
}


sub begin {
    my ($self) = @_;

    my $r = $self->ask('POST', 'POST', "$self->{name}/blobs/uploads/", 202);

    return $r->{headers}{location} // die "no Location\n";
}


sub ping {
    my ($self) = @_;

    $self->ask('ping', 'GET', '', 200);
}


# POST, one chunked PATCH, an empty PUT

sub push_docker {
    my ($self) = @_;

    my ($content, $digest) = $self->blob('docker');
    my @parts = unpack '(a65536)*', $content;
    my $r = $self->ask('PATCH', 'PATCH', $self->begin, 202,
        octets(sub { shift @parts }));

    $self->is('Range', $r->{headers}{range}, '0-' . ($SIZE{docker} - 1));
    $r = $self->ask('PUT', 'PUT', $self->{c}->with_digest(
        $r->{headers}{location}, $digest), 201);
    $self->is('digest', $r->{headers}{'docker-content-digest'}, $digest);
}


# in pieces, asked for in between, the last one in the PUT

sub push_pieces {
    my ($self) = @_;

    my ($content, $digest) = $self->blob('pieces');
    my @parts = unpack '(a100000)*', $content;
    my $location = $self->begin;

    for my $n (0, 1) {
        my $from = $n * 100_000;
        my $to = $from + 99_999;
        my $r = $self->ask("piece $n", 'PATCH', $location, 202,
            octets($parts[$n], 'Content-Range' => "$from-$to"));
        $r = $self->ask("status $n", 'GET', $r->{headers}{location}, 204);
        $self->is('Range', $r->{headers}{range}, "0-$to");
        $location = $r->{headers}{location};
    }

    $self->ask('piece again', 'PATCH', $location, '416 RANGE_INVALID',
        octets($parts[0], 'Content-Range' => '0-99999'));
    $self->ask('last piece', 'PUT',
        $self->{c}->with_digest($location, $digest), 201, octets($parts[2]));
}


sub push_whole {
    my ($self) = @_;

    my ($content, $digest) = $self->blob('whole');
    my $c = $self->{c};

    $self->ask('PUT of all', 'PUT', $c->with_digest($self->begin, $digest),
        201, octets($content));
    ($content, $digest) = $self->blob('config');
    $self->ask('POST of all', 'POST',
        "$self->{name}/blobs/uploads/?digest=$digest", 201, octets($content));
    $self->ask('other bytes', 'PUT', $c->with_digest($self->begin, $NOBODY),
        '400 DIGEST_INVALID', octets($_)) for 'x', 'x' x 700_000;
    $self->ask('cancel', 'DELETE', $self->begin, 204);
}


sub manifest {
    my ($self) = @_;

    my ($c, $name) = @$self{qw(c name)};
    my ($manifest, $digest) = $c->manifest(
        map { $_->[1] } @{ $self->{blobs} }{qw(config docker pieces whole)});
    my $r = $self->ask('PUT manifest', 'PUT', "$name/manifests/v1", 201,
        content => $manifest, headers => { 'Content-Type' => $OCI });

    $self->{manifest} = $digest;
    $self->is('digest', $r->{headers}{'docker-content-digest'}, $digest);

    for my $ref ('v1', $digest) {
        for my $method (qw(HEAD GET)) {
            $r = $self->ask("$method manifest", $method,
                "$name/manifests/$ref", 200);
            my $h = $r->{headers};
            $self->is('type', $h->{'content-type'}, $OCI);
            $self->is('digest', $h->{'docker-content-digest'}, $digest);
            $self->is('its length', $h->{'content-length'}, length $manifest);
        }
        $self->is('bytes', $r->{content}, $manifest);
    }

    $r = $self->ask('not modified', 'GET', "$name/manifests/v1", 304,
        headers => { 'If-None-Match' => $r->{headers}{etag} // 'no ETag' });
    $self->is('bytes', $r->{content}, '');
    $self->ask('a wrong manifest', 'PUT', "$name/manifests/bad",
        '400 MANIFEST_INVALID', content => '{"x":1}',
        headers => { 'Content-Type' => $OCI });
}


sub lists {
    my ($self) = @_;

    my $name = $self->{name};
    my $list = sub {
        my ($path) = @_;
        my $r = $self->ask($path, 'GET', $path, 200);
        return eval { decode_json($r->{content}) } // {};
    };

    $self->is('tags', $list->("$name/tags/list")->{tags}, ['v1']);
    $self->is('referrers', $list->("$name/referrers/$self->{manifest}")
        ->{manifests}, []);
    my $last = substr $name, 0, -1;
    $self->is('catalog', $list->("_catalog?n=1&last=$last")->{repositories},
        [$name]);
}


sub pull {
    my ($self) = @_;

    for my $what (qw(docker pieces whole config)) {
        my ($digest, $content) = @{ $self->{blobs}{$what} };
        my $path = "$self->{name}/blobs/$digest";
        my $n = length $content;

        for my $method (qw(HEAD GET)) {
            my $r = $self->ask("$method $what", $method, $path, 200,
                headers => { 'Accept-Encoding' => 'gzip' });
            my $h = $r->{headers};
            $self->is('type', $h->{'content-type'},
                'application/octet-stream');
            $self->is('digest', $h->{'docker-content-digest'}, $digest);
            my $etag = qq("$digest");

            # what nginx compresses is another representation
            if ($h->{'content-encoding'}) {
                $etag = "W/$etag";
                IO::Uncompress::Gunzip::gunzip(\$r->{content}, \my $plain);
                $r->{content} = $plain;
            } else {
                $self->is('its length', $h->{'content-length'}, $n);
            }

            $self->is('ETag', $h->{etag}, $etag);
            $self->is('bytes', $r->{content}, $content) if $method eq 'GET';
        }

        for my $from (0, int $n / 3) {
            my $length = $n - 2 * $from;
            my $range = "$from-" . ($from + $length - 1);
            my $r = $self->ask("range of $what $range", 'GET', $path, 206,
                headers => { Range => "bytes=$range" });
            $self->is('bytes', $r->{content}, substr $content, $from, $length);
            $self->is('Content-Range', $r->{headers}{'content-range'},
                "bytes $from-" . ($from + $length - 1) . "/$n");
        }
    }

    my ($digest, $content) = @{ $self->{blobs}{pieces} };
    my $path = "$self->{name}/blobs/$digest";
    my $r = $self->ask('the last bytes', 'GET', $path, 206,
        headers => { Range => 'bytes=-9' });
    $self->is('bytes', $r->{content}, substr $content, -9);
    $r = $self->ask('two ranges', 'GET', $path, 206,
        headers => { Range => 'bytes=0-9,1000-1009' });
    $self->is('bytes', join('', $r->{content} =~ /\r\n\r\n(.{10})\r\n--/sg),
        substr($content, 0, 10) . substr $content, 1000, 10);
    $self->ask('no such range', 'GET', $path, '416 RANGE_INVALID',
        headers => { Range => "bytes=$SIZE{pieces}-" });
    $self->ask('not modified', 'GET', $path, 304,
        headers => { 'If-None-Match' => qq("$digest") });
}


sub errors {
    my ($self) = @_;

    my $name = $self->{name};

    $self->ask('no blob', 'GET', "$name/blobs/$NOBODY", '404 BLOB_UNKNOWN');
    $self->ask('HEAD no blob', 'HEAD', "$name/blobs/$NOBODY", 404);
    $self->ask('no manifest', 'GET', "$name/manifests/nope",
        '404 MANIFEST_UNKNOWN');
    $self->ask('HEAD no manifest', 'HEAD', "$name/manifests/nope", 404);
    $self->ask('no repository', 'GET', "${name}0/tags/list",
        '404 NAME_UNKNOWN');
    $self->ask('no digest', 'GET', "$name/blobs/sha256:zz",
        '400 DIGEST_INVALID');
    $self->ask('no route', 'GET', "$name/nothing", '404 NOT_FOUND');
    $self->ask('no upload', 'PATCH', "$name/blobs/uploads/nope",
        '404 BLOB_UPLOAD_UNKNOWN', octets($bytes));
    my $r = $self->ask('no method', 'DELETE', "$name/tags/list",
        '405 UNSUPPORTED');
    $self->is('Allow', ($r->{headers}{allow} // '') =~ /GET/, 1);
}


sub delete {
    my ($self) = @_;

    my $name = $self->{name};
    my $config = $self->{blobs}{config}[0];

    $self->ask('mount', 'POST',
        "${name}1/blobs/uploads/?mount=$config&from=$name", 201);
    $self->ask('DELETE manifest', 'DELETE',
        "$name/manifests/$self->{manifest}", 202);
    $self->ask('deleted', 'GET', "$name/manifests/v1",
        '404 MANIFEST_UNKNOWN');
    $self->ask('DELETE blob', 'DELETE', "$name/blobs/$config", 202);
    $self->ask('deleted blob', 'HEAD', "$name/blobs/$config", 404);
    $self->ask('the mounted one', 'GET', "${name}1/blobs/$config", 200);
}


1;
