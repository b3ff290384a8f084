#!/usr/bin/perl

# A layer of 1 GB goes through a worker without staying in its memory and
# without touching the disk, in each way that clients send it; so do 32 layers
# at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use RegistryTest;
use RegistryTest::Image qw(random_file read_file sha256_file);
use RegistryTest::Process;


my $SIZE = 1 << 30;
my $LIMIT = 8 << 10;                    # kB
my $MANY = 32;
my $MANY_LIMIT = 24 << 10;


my $t = RegistryTest->new;
$t->start(workers => 1);

my $c = $t->client;
my ($worker) = $t->workers;

# sanitizers keep freed memory: its size says nothing then
my $sanitized = read_file("/proc/$worker/maps") =~ /libasan|clang_rt|asan/
    || $t->command('grep', '-q', '__asan_init',
        $ENV{NGINX_BINARY} // '/usr/sbin/nginx')->{status} == 0;

my $file = random_file($t->dir . '/layer', $SIZE);
my $digest = 'sha256:' . sha256_file($file);

# what is allocated once: code, buffers, the token
$c->push_blob('app', 'x' x 1_000_000);
$c->request('GET', '/v2/app/blobs/' . $c->push_blob('app', 'small'));

is scalar(@{[ temp_folders() ]}), 10, 'nginx has made five temp folders';


lean('push by PATCH', sub {
    my $location = $c->begin_upload('patch');
    my $r = curl('-X', 'PATCH', '-T', $file, '-H', 'Transfer-Encoding: chunked',
        $location);
    is $r->{status}, 202, 'PATCH';
    $r = $c->request('PUT', $c->with_digest($r->{location}, $digest));
    is $r->{status}, 201, 'PUT';
});

lean('push by PUT', sub {
    my $r = curl('-T', $file, $c->with_digest($c->begin_upload('put'),
        $digest));
    is $r->{status}, 201, 'PUT of all';
});

lean('pull', sub {
    my $r = curl('-o', "$file.pulled", "/v2/patch/blobs/$digest");
    is $r->{status}, 200, 'GET';
    ok $t->command('cmp', $file, "$file.pulled")->{status} == 0,
        'the same bytes came back';
});

# a client that is much slower than the storage
lean('slow pull', sub {
    $t->command('timeout', '3', 'curl', '-s', '-o', '/dev/null',
        '--limit-rate', '10M', '-u', $t->login, url("/v2/put/blobs/$digest"));
    pass 'a slow client went away';
});

lean("$MANY pushes at once", \&push_many, $MANY_LIMIT);

$t->finish;


# over TLS, which has buffers of its own

sub push_many {
    my (@pieces, @clients);

    for my $i (0 .. $MANY - 1) {
        my $piece = "$file.$i";
        $t->run('dd', "if=$file", "of=$piece", 'bs=1M', 'count=50',
            'skip=' . 30 * $i, 'status=none');
        push @pieces, { file => $piece, name => "many/$i",
            digest => 'sha256:' . sha256_file($piece) };
    }

    for my $p (@pieces) {
        push @clients, RegistryTest::Process->start(name => 'curl',
            log => $t->dir . '/curl.log', out => "$p->{file}.out",
            command => ['curl', '-s', '--cacert', $t->ca, '-u', $t->login,
                '-H', 'Content-Type: application/octet-stream', '-X', 'PATCH',
                '-H', 'Transfer-Encoding: chunked', '-T', $p->{file},
                '--http1.1', '-w', '%{http_code} %header{location}',
                'https://' . $t->host . $c->begin_upload($p->{name})
                    =~ s{^https?://[^/]+}{}r ]);
    }

    $_->wait for @clients;

    for my $p (@pieces) {
        my ($status, $location) = split ' ', read_file("$p->{file}.out"), 2;
        my $r = $c->request('PUT', $c->with_digest($location, $p->{digest}));
        is "$status $r->{status}", '202 201', "$p->{name}: PATCH and PUT";

        my $path = "/v2/$p->{name}/blobs/$p->{digest}";
        curl('-o', "$p->{file}.pulled", $path);
        ok $t->command('cmp', $p->{file}, "$p->{file}.pulled")->{status} == 0,
            "$p->{name}: the same bytes";
        unlink $p->{file}, "$p->{file}.pulled";
    }
}


# Runs it and tests how far the worker's memory grew meanwhile, at its peak
# and afterwards, and that no temp folder was touched.

sub lean {
    my ($name, $what, $limit) = @_;

    my %temp = temp_folders();
    write_clear_refs();
    my %before = memory();
    $what->();
    my %after = memory();

    for ('VmHWM', 'VmRSS') {
        my $grown = $after{$_} - $before{VmRSS};
        note "$name: $_ grew by $grown kB";
        SKIP: {
            skip 'a sanitizer is in the binary', 1 if $sanitized;
            cmp_ok $grown, '<', $limit // $LIMIT, "$name: $_";
        }
    }

    is_deeply { temp_folders() }, \%temp, "$name: nothing in temp folders";
}


sub memory {
    return read_file("/proc/$worker/status") =~ /^(VmHWM|VmRSS):\s+(\d+) kB$/mg;
}


# the peak starts anew at what is used now

sub write_clear_refs {
    open my $fh, '>', "/proc/$worker/clear_refs" or die $!;
    print $fh "5\n";
    close $fh or die $!;
}


# A file that came and went changes the time of its folder, to the nanosecond.

sub temp_folders {
    return map { split /\t/ } split /\n/,
        $t->run('find', $t->dir . '/temp', qw(-mindepth 1 -printf),
            '%P\t%T@ %s\n');
}


sub url {
    my ($path) = @_;

    return $path =~ /^http/ ? $path : "http://127.0.0.1:$t->{plain_port}$path";
}


# {status, location}; the client's own memory is not measured, but small

sub curl {
    my $path = pop;

    my $out = $t->run('curl', '-s', '-u', $t->login,
        '-H', 'Content-Type: application/octet-stream', '-H', 'Expect:',
        '-w', '%{http_code} %header{location}', @_, url($path));
    my ($status, $location) = split ' ', $out, 2;

    return { status => $status, location => $location };
}
