package RegistryTest::Store;

# One container in RGW, seen from outside of the registry: the objects in the
# data pool by rados, and the same by the Swift API.

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;


# RegistryTest::Store->new(container => NAME, run => sub (@command) { $stdout })

sub new {
    my ($class, %o) = @_;

    return bless {
        %o,
        pool => $ENV{RGW_DATA_POOL} // 'default.rgw.buckets.data',
        http => HTTP::Tiny->new(timeout => 60, no_proxy => ['127.0.0.1']),
    }, $class;
}


# Names of all objects of the container in the pool, sorted.  RGW puts the
# container's marker before a name and keeps the rest of a big object in
# "shadow" objects, which are no objects for anyone else.  Without the
# configuration of the cluster there is only RGW to ask.

sub names {
    my ($self) = @_;

    return [ sort map { $_->{name} } @{ $self->list } ] if !$ENV{CEPH_CONF};

    my $marker = $self->_marker // return [];

    my $list = $self->{run}->('rados', '-c', $ENV{CEPH_CONF},
        '-p', $self->{pool}, 'ls');

    return [
        sort
        grep { !/^_(shadow|multipart)_/ }
        map { /^\Q$marker\E_(.*)/s ? $1 : () } split /\n/, $list
    ];
}


# undef as long as nothing made the container

sub _marker {
    my ($self) = @_;

    return $self->{marker} if $self->{marker};
    return undef if $self->swift('HEAD', '')->{status} == 404;

    my $stats = $self->{run}->('radosgw-admin', '-c', $ENV{CEPH_CONF},
        'bucket', 'stats', "--bucket=$self->{container}");

    return $self->{marker} = decode_json($stats)->{marker};
}


# The same by the API, as [{name, bytes, ...}].

sub list {
    my ($self, $prefix) = @_;

    my ($marker, @all) = ('');

    for ( ;; ) {
        my $args = $self->{http}->www_form_urlencode({
            format => 'json', limit => 10000, marker => $marker,
            prefix => $prefix // '',
        });

        my $r = $self->swift('GET', "?$args");

        return \@all if $r->{status} == 404;
        die "listing: $r->{status} $r->{content}" if !$r->{success};

        my $page = decode_json($r->{content} || '[]');
        return \@all if !@$page;

        push @all, @$page;
        $marker = $page->[-1]{name};
    }
}


# swift('GET', '/files/...', {headers, content}) -> HTTP::Tiny's response

sub swift {
    my ($self, $method, $object, $options) = @_;

    my $try = sub {
        my ($url, $token) = @{ $self->{token} //= $self->_token };
        my $o = { %{ $options // {} } };
        $o->{headers} = { %{ $o->{headers} // {} }, 'X-Auth-Token' => $token };
        return $self->{http}->request($method,
            "$url/$self->{container}$object", $o);
    };

    my $r = $try->();

    if ($r->{status} == 401) {
        delete $self->{token};
        $r = $try->();
    }

    return $r;
}


sub _token {
    my ($self) = @_;

    my $r = $self->{http}->get($ENV{RGW_AUTH_URL}, { headers => {
        'X-Auth-User' => $ENV{RGW_USER},
        'X-Auth-Key' => $ENV{RGW_SECRET_KEY},
    } });

    die "no token from $ENV{RGW_AUTH_URL}: $r->{status} $r->{content}"
        if !$r->{success};

    return [ @{ $r->{headers} }{'x-storage-url', 'x-auth-token'} ];
}


# Where all containers are: http://.../swift/v1, or Swift's .../v1/AUTH_demo.

sub url { ($_[0]{token} //= $_[0]->_token)->[0] }


# The container with all that is in it.

sub remove {
    my ($self) = @_;

    my @names = map { $_->{name} } @{ $self->list };

    while (my @some = splice @names, 0, 500) {
        my $body = join '', map { "/$self->{container}/$_\n" } @some;
        my ($url, $token) = @{ $self->{token} };
        $self->{http}->post("$url/?bulk-delete", {
            headers => { 'X-Auth-Token' => $token,
                         'Content-Type' => 'text/plain' },
            content => $body,
        });
    }

    return $self->swift('DELETE', '')->{status};
}


1;
