#!/usr/bin/perl

# The machine fails: its disks are full or read-only, descriptors or shared
# memory run out, its clock jumps, nobody reads its logs, the storage hangs,
# clients take their time.  Requests succeed or are answered by an error that
# is one, no other bytes are ever sent, and when it is over all goes on without
# a restart.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $MIB = 1 << 20;
my $crit = qr/failed\ \((?:28:\ No\ space|30:\ Read-only|24:\ Too\ many)
    |has\ written\ only/x;

my $t = RegistryTest->new(storage => 'ceph');
my $c;

my $blob = join '', map { sha256_hex($_) } 1 .. 80_000;         # 5 MB
my $digest = 'sha256:' . sha256_hex($blob);

for my $test (\&full_disk, \&descriptors, \&shared_memory, \&logs, \&clock,
    \&storage_hangs, \&slow_clients)
{
    $test->();
    $t->stop;
}

$t->finish(crit => $crit);


# ---- disks

sub full_disk {
    my $disk = tmpfs('blobs', '1m');
    my $temp = tmpfs('temp', '256k');

    $t->start(auth => 0,
        http => "registry_cache_path $disk/cache levels=1:2 keys_zone=b:1m;",
        directives => 'registry_blob_cache b; registry_blob_cache_slice 256k;'
            . 'registry_part_size 1m;');
    $c = $t->client;

    fill("$temp/fill");

    is push_blob('full', $blob), 201, 'temporary files: no room, pushed';
    is pull($_), 'same', "a cache that is smaller than the blob: pull $_"
        for 1 .. 3;

    fill("$disk/fill");
    is pull($_), 'same', "no room in the cache at all: pull $_" for 1 .. 3;

    # who waits for another's slice is not kept waiting by what cannot come
    my $began = time;
    my $sums = $t->run('sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do'
        . " curl -s http://$c->{address}/v2/full/blobs/$digest | sha256sum &"
        . ' done; wait');
    is(scalar(() = $sums =~ /^@{[ substr $digest, 7 ]}/mg), 10, 'ten at once');
    cmp_ok time - $began, '<', 60, 'in time';
    is $t->run('sh', '-c', "curl -s --limit-rate 2M http://$c->{address}"
        . "/v2/full/blobs/$digest | sha256sum | cut -c 1-64"),
        substr($digest, 7) . "\n", 'one that reads slowly';

    my $manifest = ($c->manifest($blob))[0];
    is $c->put_manifest('full', 'v1', $manifest)->{status}, 201,
        'a manifest is pushed';
    is $c->request('GET', '/v2/full/manifests/v1')->{content}, $manifest,
        'and pulled';

    unlink "$disk/fill";
    $t->run(qw(mount -o), 'remount,ro', $disk);
    is pull($_), 'same', "a disk that is read-only: pull $_" for 1 .. 3;

    $t->run(qw(mount -o), 'remount,rw,size=64m', $disk);
    is pull($_), 'same', "room again: pull $_" for 1 .. 2;
    my $cached = $t->run('sh', '-c', "find $disk/cache -type f | wc -l");
    cmp_ok $cached, '>=', 20, 'and it is kept, without a restart';
}


sub tmpfs {
    my ($name, $size) = @_;

    my $dir = "$t->{dir}/$name";
    mkdir $dir;
    $t->run(qw(mount -t tmpfs -o), "size=$size,mode=755", 'registry-test',
        $dir);

    return $dir;
}


sub fill {
    my ($file) = @_;

    open my $fh, '>', $file or die "$file: $!";
    1 while syswrite $fh, 'x' x 4096;
    close $fh;
}


# ---- descriptors

sub descriptors {
    my $disk = "$t->{dir}/few";
    my $limit = 100;            # a pull has all 20 slices of the blob open
    my @config = (auth => 0, workers => 1,
        main => "worker_rlimit_nofile $limit;",
        http => "registry_cache_path $disk levels=1:2 keys_zone=few:1m;",
        directives => 'registry_cache off; registry_blob_cache few;'
            . 'registry_blob_cache_slice 256k;');

    $t->start(@config);
    $c = $t->client;

    my @layers = map { "layer $_ of many" } 1 .. 12;
    my ($manifest) = $c->manifest('{}', @layers);
    $c->push_blob('few', $_) for '{}', @layers;
    is pull(), 'same', 'a blob is kept on disk';

    # a worker that keeps no connections to the storage but one
    $t->stop;
    $t->start(@config);
    my ($worker) = $t->workers;
    is $c->request('GET', '/v2/full/tags/list')->{status}, 200, 'all is well';

    # What is left is taken by clients that ask for nothing.  There are more of
    # them than descriptors: those that wait take what is closed meanwhile.
    # What a worker is born with may have numbers above the limit.
    my $free = sub { $limit - grep { m{/(\d+)$} && $1 < $limit }
        glob "/proc/$worker/fd/*" };
    my @idle = map { IO::Socket::INET->new(PeerAddr => $c->{address}) }
        1 .. $limit;
    my $end = time + 60;
    sleep 0.1 while $free->() && time < $end;
    is $free->(), 0, 'no descriptor is left';

    my $r = $c->put_manifest('few', 'v1', $manifest);
    is $r->{status}, 503, 'no descriptors for calls of the storage: 503';
    is $c->error_code($r), 'UNAVAILABLE', 'and JSON';

    my $got = pull();
    like $got, qr/^(same|50[03], |broken)/, "nor for a file: $got";

    close $_ for @idle;
    is $t->client->request('GET', '/v2/')->{status}, 200,
        'clients left: others are accepted';

    is pull(), 'same', 'pulled';
    is $c->put_manifest('few', 'v1', $manifest)->{status}, 201, 'and pushed';
    ok scalar(grep { $_ eq $worker } $t->workers), 'by the same worker';
}


# ---- shared memory

sub shared_memory {
    my $disk = "$t->{dir}/names";

    $t->start(auth => 0, http => "registry_cache_path $disk levels=1:2"
        . ' keys_zone=names:32k;', directives => 'registry_cache zone=small:1m;'
        . 'registry_blob_cache names; registry_blob_cache_slice 256k;');
    $c = $t->client;

    my ($config, $layer) = ('{}', 'l' x 40_000_000);
    $c->push_blob('zones', $_) for $config, $layer;
    my ($manifest) = $c->manifest($config, $layer);
    my %wrong;

    for my $n (1 .. 120) {
        my $bytes = $manifest . ' ' x (20_000 + $n);
        my $r = $c->put_manifest('zones', "v$n", $bytes);
        $wrong{"PUT $r->{status}"}++ if $r->{status} != 201;
        $r = $c->request('GET', "/v2/zones/manifests/v$n");
        $wrong{"GET $r->{status}"}++ if $r->{content} ne $bytes;
    }

    is_deeply \%wrong, {}, 'a cache of manifests that is full';

    for (1 .. 3) {
        my $r = $c->request('GET', '/v2/zones/blobs/sha256:'
            . sha256_hex($layer));
        is $r->{content} eq $layer, 1, "more slices than names: pull $_";
    }
}


# ---- logs

sub logs {
    my $path = "$t->{dir}/syslog";
    our $deaf = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path)
        or die "$path: $!";
    chmod 0666, $path;

    $t->start(auth => 0, workers => 1, http =>
        "error_log syslog:server=unix:$path debug;"
        . "access_log syslog:server=unix:$path;");
    $c = $t->client;

    my %status;
    $status{ $c->request('GET', '/v2/full/tags/list')->{status} }++
        for 1 .. 100;
    is_deeply \%status, { 200 => 100 }, 'logs that nobody reads: answers';
}


# ---- the clock

sub clock {
    my ($lib) = glob '/usr/lib/*/faketime/libfaketime.so.1';
    ok $lib, 'libfaketime is there' or return;

    my $file = "$t->{dir}/clock";
    my $sane = RegistryTest->new(container => $t->container);
    my $set = sub { write_file("$file.new", $_[0]); rename "$file.new", $file };

    $sane->start(auth => 0);
    $set->('+0');

    {
        # a program looks at its clock at each call, and leaves the monotonic
        # one alone, as the kernel does
        local @ENV{qw(LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE
            FAKETIME_DONT_FAKE_MONOTONIC)} = ($lib, $file, 1, 1);
        local $ENV{ASAN_OPTIONS} = "$ENV{ASAN_OPTIONS}:verify_asan_link_order=0"
            if $ENV{ASAN_OPTIONS};      # it wants to be the first library
        $t->start(auth => 0, main => join '', map { "env $_;" } grep {
            /^FAKETIME/ } keys %ENV,
            server => 'location = /metrics { registry_status prometheus; }');
    }

    $c = $t->client;
    my $other = $sane->client;
    my @nodes = ($c, $other);

    $c->push_blob('clock', '{}');
    my $tokens = tokens();
    my $location = $c->begin_upload('clock');
    my ($sent, $n) = ('', 0);

    for my $step ('+0', '+3600', '-3600', '+300', '-86400', '+86400',
        '@2038-01-19 03:14:00', '@2040-01-01 00:00:00', '+0')
    {
        $set->($step);
        my $date = $c->request('GET', '/v2/')->{headers}{date};
        my $name = "the clock jumps to $step, $date";

        # through both nodes by turns; when registry_upload_expires has passed,
        # another one is begun
        my $bytes = "$step " x 1000;
        my $r = $nodes[ $n++ % 2 ]->request('PATCH',
            ($step =~ /\@/ ? $c->begin_upload('clock') : $location)
                =~ s{^https?://[^/]+}{}r, { content => $bytes,
            headers => { 'Content-Type' => 'application/octet-stream' } });
        is $r->{status}, 202, "$name: an upload goes on";
        $location = $r->{headers}{location}, $sent .= $bytes
            if $step !~ /\@/;

        # a tag that the other node moves is seen a second later
        for my $tag (1, 2) {
            my ($manifest) = $c->manifest('{}');
            $manifest .= ' ' x ($n * 10 + $tag);
            $other->put_manifest('clock', 'v1', $manifest);
            sleep 1.3 if $tag == 2;
            next if $tag == 1 && $c->request('GET', '/v2/clock/manifests/v1');
            is $c->request('GET', '/v2/clock/manifests/v1')->{content},
                $manifest, "$name: nothing old is believed";
        }
    }

    my $r = $c->request('PUT', $c->with_digest(
        $location =~ s{^https?://[^/]+}{}r, 'sha256:' . sha256_hex($sent)));
    is $r->{status}, 201, 'the upload ends well';
    is $c->request('GET', '/v2/clock/blobs/sha256:' . sha256_hex($sent))
        ->{content}, $sent, 'its bytes';
    is tokens(), $tokens, 'no token was lost by it';

    $sane->stop;
    $sane->check_log;
}


sub tokens {
    return ($c->request('GET', '/metrics')->{content}
        =~ /^registry_token_renewals_total\S* (\d+)/m)[0];
}


# ---- the storage hangs: its disks do not answer, and do all of it later

sub storage_hangs {
    my $pid = osd();

    $t->start(auth => 0, directives => 'registry_read_timeout 2s;'
        . 'registry_send_timeout 2s; registry_cache off;');
    $c = $t->client;

    $c->push_blob('hangs', '{}');
    my @manifest = map { ($c->manifest('{}'))[0] . ' ' x $_ } 0 .. 2;
    is $c->put_manifest('hangs', 'v1', $manifest[0])->{status}, 201,
        'pushed before';
    my $location = $c->begin_upload('hangs');

    kill 'STOP', $pid;

    for (['PUT of a manifest', sub {
            $c->put_manifest('hangs', 'v1', $manifest[1]) }],
        ['PATCH', sub { $c->request('PATCH', $location, { content => 'x' x 9999,
            headers => { 'Content-Type' => 'application/octet-stream' } }) }],
        ['GET', sub { $c->request('GET', '/v2/hangs/manifests/v1') }],
        ['HEAD', sub { $c->request('HEAD', '/v2/hangs/manifests/v1') }],
        ['DELETE', sub { $c->request('DELETE', '/v2/hangs/blobs/sha256:'
            . sha256_hex('{}')) }])
    {
        my ($name, $do) = @$_;
        my $since = time;
        my $r = eval { $do->() } // { status => $@ };
        is $r->{status}, 503, "the storage hangs: $name: 503";
        cmp_ok time - $since, '<', 50, "$name: not by the default, 60 s";
    }

    kill 'CONT', $pid;
    sleep 3;                            # what was asked for then is done now

    my $r = $c->request('GET', '/v2/hangs/manifests/v1');
    ok scalar(grep { $_ eq $r->{content} } @manifest[0, 1]),
        'afterwards: the tag is the old or the new one';
    $c->push_blob('hangs', '{}');
    is $c->put_manifest('hangs', 'v1', $manifest[2])->{status}, 201,
        'pushed again';
    is $c->request('GET', '/v2/hangs/manifests/v1')->{content}, $manifest[2],
        'and pulled';
}


# ---- clients that take their time

sub slow_clients {
    $t->start(auth => 0, workers => 1, server => 'client_header_timeout 5s;'
        . 'client_body_timeout 5s; send_timeout 5s; keepalive_timeout 1s;');
    $c = $t->client;
    $c->push_blob('slow', '{}');

    my ($worker) = $t->workers;
    my $open = sub { scalar(() = glob "/proc/$worker/fd/*") };
    my $before = $open->();
    my @slow;

    for my $upload (map { $c->begin_upload('slow') } 1 .. 40) {
        push @slow, my $header = IO::Socket::INET->new(
            PeerAddr => $c->{address});
        $header->syswrite("GET /v2/ HTTP/1.1\r\nX-");
        push @slow, my $body = $c->raw("PATCH $upload HTTP/1.1\n"
            . "Content-Length: 1000000\n");
        $body->syswrite('x');
        push @slow, my $reader = IO::Socket::INET->new(
            PeerAddr => $c->{address});
        setsockopt $reader, SOL_SOCKET, SO_RCVBUF, 4096;
        $reader->syswrite("GET /v2/full/blobs/$digest HTTP/1.1\r\n"
            . "Host: x\r\n\r\n");
    }

    my $end = time + 60;
    sleep 0.05 while $open->() <= $before + 100 && time < $end;
    cmp_ok $open->(), '>', $before + 100, '120 slow clients';
    is pull(), 'same', 'others pull';
    is push_blob('slow', 'quick'), 201, 'and push';

    sleep 0.2 while $open->() > $before + 34 && time < $end;
    cmp_ok $open->(), '<=', $before + 34,
        'they are gone, connections to the storage may be kept';
}


sub osd {
    return 0 + read_file($ENV{CEPH_CONF} =~ s{[^/]+$}{osd.pid}r);
}


# ---- what clients do

sub push_blob {
    my ($name, $bytes) = @_;

    my $location = $c->begin_upload($name);
    my @pieces = $bytes =~ /(.{1,60000})/sg;
    my $r = $c->request('PATCH', $location, { content => sub { shift @pieces },
        headers => { 'Content-Type' => 'application/octet-stream' } });
    return $r->{status} if $r->{status} != 202;

    return $c->request('PUT', $c->with_digest($r->{headers}{location},
        'sha256:' . sha256_hex($bytes)))->{status};
}


# "same", or what came instead

sub pull {
    my $r = eval { $c->request('GET', "/v2/full/blobs/$digest") }
        // return "broken: $@";

    return $r->{content} eq $blob ? 'same'
        : "$r->{status}, " . length($r->{content}) . ' bytes';
}
