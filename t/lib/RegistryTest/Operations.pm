package RegistryTest::Operations;

# Every operation of the API, for tests that let something go wrong in the
# middle of each: what it needs, the request, what a right answer is, and what
# must hold whatever came of it.
#
#   my $o = RegistryTest::Operations->new(port => PORT, direct => PORT);
#   for my $name ($o->names) {
#       my $x = $o->prepare($name);
#       my $r = $o->act($x);                # status 0: no whole answer
#       $o->good($x, $r);                   # is it what was asked for?
#       $o->broken($x, $o->good($x, $r));   # what does not hold afterwards
#       $o->again($x);                      # the client tries again
#   }
#
# "port" is where things go wrong, "direct" a registry on the same container
# where nothing does.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Time::HiRes qw(sleep time);

use RegistryTest::Client;
use RegistryTest::Content;


my $MIB = 1 << 20;              # registry_part_size of the test
my $OCI = 'application/vnd.oci.image.manifest.v1+json';
my $OCTETS = { 'Content-Type' => 'application/octet-stream' };
my $count = 0;


sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, id => "$$-" . int rand 1e9 }, $class;

    $self->{c} = RegistryTest::Client->new(timeout => 20,
        port => $o{port}, user => $o{user});
    $self->{d} = RegistryTest::Client->new(timeout => 60,
        port => $o{direct}, user => $o{user});

    return $self;
}


# ---- what operations need


# An image with a tag of its own, everything of it fresh.

sub image {
    my ($self, $x, %more) = @_;

    my $d = $self->{d};
    my ($config, $layer) = (bytes(200), bytes(3000));

    $self->store_blob($x->{name}, $_) for $config, $layer;
    @$x{qw(manifest digest)} = $d->manifest($config, $layer);

    if (%more) {
        my $m = decode_json($x->{manifest});
        $x->{manifest} = JSON::PP->new->canonical->encode({ %$m, %more });
        $x->{digest} = digest($x->{manifest});
    }
}


sub store_blob {
    my ($self, $name, $bytes) = @_;

    my $r = $self->{d}->request('POST', "/v2/$name/blobs/uploads/?digest="
        . digest($bytes), { headers => $OCTETS, content => $bytes });
    die "POST: $r->{status} $r->{content}" if $r->{status} != 201;
}


sub store_manifest {
    my ($self, $x, @references) = @_;

    for (@references ? @references : 'v1') {
        my $r = $self->{d}->put_manifest($x->{name}, $_, $x->{manifest});
        die "PUT of a manifest: $r->{status} $r->{content}"
            if $r->{status} != 201;
    }
}


sub begin {
    my ($self, $x) = @_;

    $x->{location} = path($self->{d}->begin_upload($x->{name}));
}


# PATCH by the registry where nothing goes wrong

sub patch {
    my ($self, $x, $bytes) = @_;

    my $r = $self->{d}->request('PATCH', $x->{location},
        { headers => $OCTETS, content => $bytes });
    die "PATCH: $r->{status} $r->{content}" if $r->{status} != 202;

    $x->{location} = path($r->{headers}{location});
}


# What a client does that lost its answer: it asks where the upload is, sends
# the rest, closes it; the blob may be there already.

sub resume {
    my ($self, $x) = @_;

    my $c = $self->{c};
    my $bytes = $x->{bytes};
    my $head = ask($c, 'HEAD', "/v2/$x->{name}/blobs/" . digest($bytes));

    return $head if $head->{status} == 200;

    my $r = ask($c, 'GET', $x->{location});

    if ($r->{status} == 404 || $r->{status} == 416) {
        $r = ask($c, 'POST', "/v2/$x->{name}/blobs/uploads/");
        return $r if $r->{status} != 202;
        $r->{headers}{range} = '0-0';
    }

    return $r if $r->{status} !~ /^20[24]$/;

    my ($end) = $r->{headers}{range} =~ /^0-(\d+)$/;
    my $offset = $end ? $end + 1 : 0;

    return { %$r, status => 0, error => "Range 0-$end is beyond what was sent" }
        if $offset > length $bytes;

    if ($offset < length $bytes) {
        $r = ask($c, 'PATCH', path($r->{headers}{location}),
            { headers => $OCTETS, content => substr $bytes, $offset });
        return $r if $r->{status} != 202;
    }

    return ask($c, 'PUT',
        $c->with_digest(path($r->{headers}{location}), digest($bytes)));
}


# ---- the operations
#
#   needs    what is there before; may be shared by all runs ("shared")
#   act      the request
#   good     is this answer right?
#   holds    what does not hold afterwards, as texts; $done: it was answered
#            as done
#   again    what the client does next; "act" without it
#   streams  a body may break off
#   trusts   a lie of the storage cannot be told from the truth
#   cached   with the caches

my @operations;

sub operation {
    my ($name, %o) = @_;

    push @operations, { name => $name, %o };
}


sub get {
    my ($path, %headers) = @_;

    return sub {
        my ($self, $x) = @_;
        return ask($self->{c}, $headers{method} // 'GET',
            ref $path ? $path->($x) : "/v2/$x->{name}/$path",
            { headers => { map { $_ => $headers{$_} }
                           grep { $_ ne 'method' } keys %headers } });
    };
}


# repositories

operation 'ping',
    shared => 1, trusts => 1,
    act => get(sub { '/v2/' }),
    good => sub { $_[2]{status} == 200 };

operation 'catalog',
    shared => 1, trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x);
        $x->{last} = $x->{name} =~ s/.$//r;
    },
    act => get(sub { "/v2/_catalog?n=1&last=$_[0]{last}" }),
    good => sub { $_[2]{content} =~ m{"\Q$_[1]{name}\E"} };

operation 'tags',
    shared => 1, trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x, 'a', 'b-c', 'b');
    },
    act => get('tags/list'),
    good => sub { $_[2]{content} =~ /\["a","b","b-c"\]/ };

operation 'tags, page',
    shared => 1, trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x, 'a', 'b-c', 'b');
    },
    act => get('tags/list?n=1&last=a'),
    good => sub { $_[2]{content} =~ /\["b"\]/ };

operation 'referrers',
    shared => 1, trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $x->{subject} = digest(bytes(10));
        $self->image($x, subject => { mediaType => $OCI, size => 10,
            digest => $x->{subject} });
        $self->store_manifest($x, $x->{digest});
    },
    act => get(sub { "/v2/$_[0]{name}/referrers/$_[0]{subject}" }),
    good => sub { $_[2]{content} =~ /\Q$_[1]{digest}\E/ };


# manifests

my %an_image = (
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x);
    },
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 200 && $r->{content} eq $x->{manifest}
            && $r->{headers}{'docker-content-digest'} eq $x->{digest};
    },
);

operation 'GET manifest, tag',
    shared => 1, %an_image,
    act => get('manifests/v1');

operation 'GET manifest, digest',
    shared => 1, %an_image,
    act => get(sub { "/v2/$_[0]{name}/manifests/$_[0]{digest}" });

operation 'GET manifest, cached',
    cached => 1, %an_image,
    act => get('manifests/v1');

operation 'HEAD manifest',
    shared => 1, %an_image,
    act => get('manifests/v1', method => 'HEAD'),
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 200
            && $r->{headers}{'docker-content-digest'} eq $x->{digest}
            && $r->{headers}{'content-length'} == length $x->{manifest};
    };

sub put_manifest {
    my ($reference) = @_;

    return sub {
        my ($self, $x) = @_;
        return ask($self->{c}, 'PUT',
            "/v2/$x->{name}/manifests/" . $reference->($x),
            { headers => { 'Content-Type' => $OCI },
              content => $x->{manifest} });
    };
}

my %a_push = (
    good => sub { $_[2]{status} == 201 },
    seen => [ 'manifest', 'v1' ],
    holds => sub {
        my ($self, $x, $done) = @_;
        my $d = $self->{d};
        my $tag = $x->{by_digest} ? $x->{digest} : 'v1';
        return (manifest_is($d, $x->{name}, $tag, $done, $x->{manifest}),
            manifest_is($d, $x->{name}, $x->{digest}, $done, $x->{manifest}),

            # history is written before: registry:2 and we list it
            $done ? tags_resolve($d, $x->{name}) : '');
    },
);

operation 'PUT manifest, tag',
    %a_push,
    needs => sub { $_[0]->image($_[1]) },
    act => put_manifest(sub { 'v1' });

operation 'PUT manifest, tag moves',
    %a_push,
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x);
        @$x{qw(old old_digest)} = @$x{qw(manifest digest)};
        $self->image($x);
    },
    act => put_manifest(sub { 'v1' }),
    holds => sub {
        my ($self, $x, $done) = @_;
        my $d = $self->{d};
        return (manifest_is($d, $x->{name}, 'v1', 1, $x->{manifest},
                    $done ? () : $x->{old}),
            manifest_is($d, $x->{name}, $x->{digest}, $done, $x->{manifest}),
            manifest_is($d, $x->{name}, $x->{old_digest}, 1, $x->{old}),
            tags_are($d, $x->{name}, 'v1'));
    };

operation 'PUT manifest, digest',
    %a_push,
    needs => sub { $_[0]->image($_[1]); $_[1]{by_digest} = 1 },
    seen => [ 'manifest', undef ],
    act => put_manifest(sub { $_[0]{digest} });

operation 'PUT manifest, subject',
    %a_push,
    needs => sub {
        my ($self, $x) = @_;
        $x->{subject} = digest(bytes(10));
        $self->image($x, subject => { mediaType => $OCI, size => 10,
            digest => $x->{subject} });
    },
    act => put_manifest(sub { 'v1' }),
    holds => sub {
        my ($self, $x, $done) = @_;
        my $r = ask($self->{d}, 'GET',
            "/v2/$x->{name}/referrers/$x->{subject}");
        return (manifest_is($self->{d}, $x->{name}, 'v1', $done,
                $x->{manifest}),
            $r->{status} != 200 ? "referrers: $r->{status}" : '',
            $done && $r->{content} !~ /\Q$x->{digest}\E/
                ? 'it is not among the referrers' : '');
    };

operation 'PUT manifest, tag=',
    %a_push,
    needs => sub { $_[0]->image($_[1]) },
    act => put_manifest(sub { "$_[0]{digest}?tag=v1&tag=v2" }),
    holds => sub {
        my ($self, $x, $done) = @_;
        return map { manifest_is($self->{d}, $x->{name}, $_, $done,
            $x->{manifest}) } 'v1', 'v2';
    };

operation 'DELETE manifest, tag',
    trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x, 'v1', 'v2');
    },
    act => get('manifests/v1', method => 'DELETE'),
    good => sub { $_[2]{status} == 202 },
    again_good => sub { $_[2]{status} =~ /^(202|404)$/ },
    holds => sub {
        my ($self, $x, $done) = @_;
        my $d = $self->{d};
        return ($done ? no_manifest($d, $x->{name}, 'v1')
                : manifest_is($d, $x->{name}, 'v1', 0, $x->{manifest}),
            manifest_is($d, $x->{name}, 'v2', 1, $x->{manifest}),
            tags_resolve($d, $x->{name}));
    };

operation 'DELETE manifest, digest',
    trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $self->image($x);
        $self->store_manifest($x, 'v1', 'v2');
        @$x{qw(gone gone_digest)} = @$x{qw(manifest digest)};
        $self->image($x);
        $self->store_manifest($x, 'other');
    },
    act => get(sub { "/v2/$_[0]{name}/manifests/$_[0]{gone_digest}" },
        method => 'DELETE'),
    good => sub { $_[2]{status} == 202 },
    again_good => sub { $_[2]{status} =~ /^(202|404)$/ },
    holds => sub {
        my ($self, $x, $done) = @_;
        my $d = $self->{d};
        return (tags_resolve($d, $x->{name}),
            manifest_is($d, $x->{name}, 'other', 1, $x->{manifest}),
            $done ? (map { no_manifest($d, $x->{name}, $_) }
                'v1', 'v2', $x->{gone_digest})
                : (map { manifest_is($d, $x->{name}, $_, 0, $x->{gone}) }
                'v1', 'v2', $x->{gone_digest}));
    };


# blobs

sub a_blob {
    my ($size) = @_;

    return (
        needs => sub {
            my ($self, $x) = @_;
            $x->{bytes} = bytes($size);
            if ($size <= $MIB) {
                $self->store_blob($x->{name}, $x->{bytes});
                return;
            }
            $self->begin($x);
            $self->patch($x, $x->{bytes});
            my $r = $self->{d}->request('PUT', $self->{d}->with_digest(
                $x->{location}, digest($x->{bytes})));
            die "PUT: $r->{status} $r->{content}" if $r->{status} != 201;
        },
        good => sub {
            my ($self, $x, $r) = @_;
            return $r->{status} == 200 && $r->{content} eq $x->{bytes};
        },
    );
}

my $of_blob = sub { "/v2/$_[0]{name}/blobs/" . digest($_[0]{bytes}) };

operation 'GET blob, small',
    shared => 1, streams => 1, a_blob(1000),
    act => get($of_blob);

operation 'GET blob',
    shared => 1, streams => 1, unverified => 1, a_blob(300_000),
    act => get($of_blob);

operation 'GET blob, large object',
    shared => 1, streams => 1, unverified => 1, a_blob(1_500_000),
    act => get($of_blob);

operation 'GET blob, range',
    shared => 1, streams => 1, a_blob(300_000),
    act => get($of_blob, Range => 'bytes=1000-200000'),
    unverified => 1,
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 206
            && $r->{content} eq substr $x->{bytes}, 1000, 199_001;
    };

operation 'GET blob, ranges',
    shared => 1, streams => 1, a_blob(300_000),
    act => get($of_blob, Range => 'bytes=10-19,1000-200000'),
    unverified => 1,
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 206
            && index($r->{content}, substr $x->{bytes}, 10, 10) > 0
            && index($r->{content}, substr $x->{bytes}, 1000, 199_001) > 0
            && $r->{content} =~ /--\r\n$/;
    };

operation 'GET blob, on disk',
    cached => 1, streams => 1, unverified => 1, a_blob(300_000),
    act => get($of_blob);

operation 'HEAD blob',
    shared => 1, trusts => 1, a_blob(1000),
    act => get($of_blob, method => 'HEAD'),
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 200
            && $r->{headers}{'content-length'} == length $x->{bytes};
    };

operation 'HEAD blob, large object',
    shared => 1, trusts => 1, a_blob(1_500_000),
    act => get($of_blob, method => 'HEAD'),
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 200
            && $r->{headers}{'content-length'} == length $x->{bytes};
    };

operation 'DELETE blob',
    trusts => 1,
    a_blob(1000),
    act => get($of_blob, method => 'DELETE'),
    good => sub { $_[2]{status} == 202 },
    again_good => sub { $_[2]{status} =~ /^(202|404)$/ },
    holds => sub {
        my ($self, $x, $done) = @_;
        my $r = ask($self->{d}, 'HEAD', $of_blob->($x));
        return $done && $r->{status} != 404 ? "it is still $r->{status}"
            : blob_is($self->{d}, $x->{name}, $x->{bytes});
    };


# uploads

my %an_upload = (
    good => sub { $_[2]{status} == 201 },
    seen => [ 'blob' ],
    holds => sub {
        my ($self, $x, $done) = @_;
        return blob_is($self->{d}, $x->{name}, $x->{bytes}, $done);
    },
    again => \&resume,
    again_good => sub { $_[2]{status} =~ /^20[01]$/ },
);

operation 'mount',
    %an_upload, trusts => 1,
    needs => sub {
        my ($self, $x) = @_;
        $x->{bytes} = bytes(1000);
        $self->store_blob("$x->{name}/from", $x->{bytes});
    },
    act => sub {
        my ($self, $x) = @_;
        return ask($self->{c}, 'POST', "/v2/$x->{name}/blobs/uploads/?mount="
            . digest($x->{bytes}) . "&from=$x->{name}/from");
    },
    again => undef, again_good => undef;

operation 'POST upload',
    act => get('blobs/uploads/', method => 'POST'),
    good => sub { $_[2]{status} == 202 };

operation 'POST upload, whole',
    %an_upload,
    needs => sub { $_[1]{bytes} = bytes(5000) },
    act => sub {
        my ($self, $x) = @_;
        return ask($self->{c}, 'POST', "/v2/$x->{name}/blobs/uploads/?digest="
            . digest($x->{bytes}),
            { headers => $OCTETS, content => $x->{bytes} });
    },
    again => undef, again_good => undef;

my %a_patch = (
    %an_upload,
    good => sub {
        my ($self, $x, $r) = @_;
        return $r->{status} == 202
            && $r->{headers}{range} eq '0-' . (length($x->{bytes}) - 1);
    },
    holds => sub {
        my ($self, $x, $done) = @_;
        return blob_is($self->{d}, $x->{name}, $x->{bytes});
    },
);

sub send_rest {
    my ($method, $how) = @_;

    return sub {
        my ($self, $x) = @_;
        my @parts = substr $x->{bytes}, $x->{sent} // 0;
        return ask($self->{c}, $method,
            $method eq 'PUT' ? $self->{c}->with_digest($x->{location},
                digest($x->{bytes})) : $x->{location},
            { headers => $OCTETS,
              content => $how ? sub { shift @parts } : $parts[0] });
    };
}

sub begun {
    my ($size, $sent) = @_;

    return sub {
        my ($self, $x) = @_;
        $x->{bytes} = bytes($size);
        $x->{sent} = $sent // 0;
        $self->begin($x);
        $self->patch($x, substr $x->{bytes}, 0, $sent) if $sent;
    };
}

operation 'PATCH upload',
    %a_patch, needs => begun(20_000), act => send_rest('PATCH', 'chunked');

operation 'PATCH upload, second',
    %a_patch, needs => begun(20_000, 5000), act => send_rest('PATCH');

operation 'PATCH upload, parts',
    %a_patch, needs => begun(2 * $MIB + 5),
    act => send_rest('PATCH', 'chunked');

operation 'PUT upload, one part',
    %an_upload, needs => begun(20_000, 20_000), act => send_rest('PUT');

operation 'PUT upload, parts',
    %an_upload, needs => begun(2 * $MIB + 5, 2 * $MIB + 5),
    act => send_rest('PUT');

operation 'PUT upload, two PATCHes',
    %an_upload,
    needs => sub {
        my ($self, $x) = @_;
        begun(20_000, 5000)->($self, $x);
        $self->patch($x, substr $x->{bytes}, 5000);
        $x->{sent} = 20_000;
    },
    act => send_rest('PUT');

operation 'PUT upload, with body',
    %an_upload, needs => begun(20_000), act => send_rest('PUT');

operation 'PUT upload, with chunks',
    %an_upload, needs => begun(2 * $MIB + 5),
    act => send_rest('PUT', 'chunked');

operation 'PUT upload, with the rest',
    %an_upload, needs => begun(20_000, 5000), act => send_rest('PUT');

operation 'PUT upload, state lost',
    %an_upload,
    needs => sub {
        my ($self, $x) = @_;
        begun(20_000, 20_000)->($self, $x);
        $x->{location} =~ s/\?.*//;
    },
    act => send_rest('PUT');

operation 'GET upload',
    %an_upload, needs => begun(20_000, 20_000),
    act => get(sub { $_[0]{location} }),
    good => sub { $_[2]{status} == 204
        && $_[2]{headers}{range} eq '0-19999' },
    holds => sub { '' };

operation 'DELETE upload',
    trusts => 1,
    needs => begun(20_000, 20_000),
    act => get(sub { $_[0]{location} }, method => 'DELETE'),
    good => sub { $_[2]{status} == 204 },
    again_good => sub { $_[2]{status} =~ /^(204|404)$/ },
    holds => sub {
        my ($self, $x, $done) = @_;
        my $r = ask($self->{d}, 'GET', $x->{location});
        return $done && $r->{status} != 404 ? "it is still $r->{status}" : '';
    };


# ---- what a test calls


my %by_name = map { $_->{name} => $_ } @operations;


sub names { map { $_->{name} } @operations }

sub cached { $by_name{$_[1]}{cached} }
sub streams { $by_name{$_[1]}{streams} }
sub trusts { $by_name{$_[1]}{trusts} }
sub unverified { $by_name{$_[1]}{unverified} }

# does this one change nothing?
sub reads { !$by_name{$_[1]}{holds} }


sub prepare {
    my ($self, $name) = @_;

    my $o = $by_name{$name} // die "no operation \"$name\"";
    my $shared = $o->{shared} && $self->{shared}{$name};

    return { %$shared } if $shared;

    my $x = { op => $o, name => "f/$self->{id}-" . ++$count . '/x' };

    # never twice for one request
    $o->{needs}->($self, $x) if $o->{needs};
    $self->{shared}{$name} = { %$x } if $o->{shared};

    return $x;
}


sub act {
    my ($self, $x) = @_;

    return $x->{op}{act}->($self, $x);
}


sub good {
    my ($self, $x, $r) = @_;

    return $r->{status} && $r->{status} < 400
        && $x->{op}{good}->($self, $x, $r) ? 1 : 0;
}


sub again {
    my ($self, $x) = @_;

    my $o = $x->{op};
    my ($r, $good);

    # a busy machine may be too slow for the test's timeouts

    for (1 .. 3) {
        $r = ($o->{again} // $o->{act})->($self, $x);
        $good = ($o->{again_good} // $o->{good})->($self, $x, $r);
        last if $good || $r->{status} != 503;
        sleep 0.3;
    }

    return $good ? '' : "again: $r->{status} "
        . ($r->{error} // $r->{content} // '');
}


sub broken {
    my ($self, $x, $done) = @_;

    return if !$x->{op}{holds};
    return grep { $_ } $x->{op}{holds}->($self, $x, $done);
}


# What another registry on the same container sees of what was pushed.

sub broken_for {
    my ($self, $x, $c) = @_;

    my ($what, $reference) = @{ $x->{op}{seen} // return };

    return grep { $_ } $what eq 'blob'
        ? blob_is($c, $x->{name}, $x->{bytes}, 1)
        : manifest_is($c, $x->{name}, $reference // $x->{digest}, 1,
            $x->{manifest});
}


1;
