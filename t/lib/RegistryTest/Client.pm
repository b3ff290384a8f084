package RegistryTest::Client;

# A small client of the registry API over plain HTTP, for what the real
# clients never send or never show.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64);


our $ACCEPT = join ', ',
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.oci.image.index.v1+json';


# RegistryTest::Client->new(port => PORT, user => "name:password",
#     timeout => seconds, before => what is called before each request)

sub new {
    my ($class, %o) = @_;

    return bless {
        address => "127.0.0.1:$o{port}",
        authorization => $o{user}
            ? 'Basic ' . encode_base64($o{user}, '') : undef,
        http => HTTP::Tiny->new(timeout => $o{timeout} // 300,
            max_redirect => 0,
            # a worker that ends may close what is just written to
            keep_alive => !$ENV{REGISTRY_TEST_RELOAD},
            no_proxy => ['127.0.0.1'], agent => 'registry-test'),
        before => $o{before} // sub {},
    }, $class;
}


# request(METHOD, PATH or Location, {headers => {}, content => bytes or sub})
# returns {status, headers (lower case names), content, ...}

sub request {
    my ($self, $method, $path, $options) = @_;

    my $o = { %{ $options // {} } };
    my $url = $path =~ m{^https?://} ? $path : "http://$self->{address}$path";

    $o->{headers} = {
        Authorization => $self->{authorization},
        $method eq 'GET' || $method eq 'HEAD' ? (Accept => $ACCEPT) : (),
        %{ $o->{headers} // {} },
    };
    delete @{ $o->{headers} }{
        grep { !defined $o->{headers}{$_} } keys %{ $o->{headers} } };

    $self->{before}->();
    my $r = $self->{http}->request($method, $url, $o);

    die "$method $path: $r->{content}" if $r->{status} == 599;

    return $r;
}


# The code of the first error of a registry's JSON answer, or what came instead.

sub error_code {
    my ($self, $r) = @_;

    my $json = eval { decode_json($r->{content}) };
    return eval { $json->{errors}[0]{code} } // "no error JSON: $r->{content}";
}


sub begin_upload {
    my ($self, $name) = @_;

    my $r = $self->request('POST', "/v2/$name/blobs/uploads/");
    die "POST: $r->{status} $r->{content}" if $r->{status} != 202;

    return $r->{headers}{location};
}


sub with_digest {
    my ($self, $location, $digest) = @_;

    return $location . ($location =~ /\?/ ? '&' : '?') . "digest=$digest";
}


# As docker does: POST, one chunked PATCH, an empty PUT.  Returns the digest.

sub push_blob {
    my ($self, $name, $bytes) = @_;

    my $digest = 'sha256:' . sha256_hex($bytes);
    my $location = $self->begin_upload($name);
    my @parts = ($bytes);

    my $r = $self->request('PATCH', $location, {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => sub { shift @parts },
    });
    die "PATCH: $r->{status} $r->{content}" if $r->{status} != 202;

    $r = $self->request('PUT',
        $self->with_digest($r->{headers}{location}, $digest));
    die "PUT: $r->{status} $r->{content}" if $r->{status} != 201;

    return $digest;
}


# An image manifest of these blobs: ($bytes, $digest).

sub manifest {
    my ($self, $config, @layers) = @_;

    my $descriptor = sub {
        my ($type, $bytes) = @_;
        return { mediaType => $type, size => length $bytes,
                 digest => 'sha256:' . sha256_hex($bytes) };
    };

    my $bytes = JSON::PP->new->canonical->encode({
        schemaVersion => 2,
        mediaType => 'application/vnd.oci.image.manifest.v1+json',
        config => $descriptor->(
            'application/vnd.oci.image.config.v1+json', $config),
        layers => [ map { $descriptor->(
            'application/vnd.oci.image.layer.v1.tar+gzip', $_) } @layers ],
    });

    return ($bytes, 'sha256:' . sha256_hex($bytes));
}


sub put_manifest {
    my ($self, $name, $reference, $bytes, $type) = @_;

    return $self->request('PUT', "/v2/$name/manifests/$reference", {
        headers => { 'Content-Type' => $type
                     // 'application/vnd.oci.image.manifest.v1+json' },
        content => $bytes,
    });
}


# A connection on which the test writes what it likes; $header has the request
# line and whatever is to follow it but Host and Authorization.

sub raw {
    my ($self, $header) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => $self->{address})
        or die "cannot connect to $self->{address}: $!";
    $socket->autoflush(1);

    $header =~ s/\n/\r\n/g;
    $header =~ s{^(\S+ )https?://[^/]+}{$1};

    print $socket $header,
        "Host: $self->{address}\r\n",
        "Authorization: $self->{authorization}\r\n\r\n";

    return $socket;
}


# Sends these bytes and reads until the server closes: {status, headers, content}; "headers" has all values of a name, joined by ", "; undef when no
# answer came.

sub exchange {
    my ($self, $bytes, $address) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => $address // $self->{address}, Timeout => 30)
        or die "cannot connect to $self->{address}: $!";
    $socket->autoflush(1);

    local $SIG{PIPE} = 'IGNORE';
    print $socket $bytes;

    local $/;

    return parse(scalar <$socket>);
}


sub parse {
    my ($answer) = @_;

    my ($head, $content) = split /\r\n\r\n/, $answer // '', 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d{3}) } or return undef;
    my %headers;

    for ($head =~ /\r\n(.*?)(?=\r\n|$)/sg) {
        my ($name, $value) = split /: /, $_, 2;
        push @{ $headers{lc $name} }, $value;
    }

    return { status => $status, content => $content,
             headers => { map { $_ => join ', ', @{ $headers{$_} } }
                          keys %headers } };
}


1;
