#!/usr/bin/perl

# Layers of 6 and 20 GiB, which no single PUT of RGW takes: in one PATCH, as
# docker does, in one PUT, as containerd does, and in many PATCHes.  What is
# pulled is the same, bit for bit; the worker's memory does not grow with it.
#
# Environment: REGISTRY_BIG, sizes in GiB, "6 20".
#
# Runs on a Ceph of its own that compresses; the data is one sparse file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(time);

use RegistryTest;
use RegistryTest::Image qw(read_file sha256_file);
use RegistryTest::Process;


my $GIB = 1 << 30;
my $ROOM = 10;                          # GiB on the disk; seen: 5.3
my $LIMIT = 24 << 10;                   # kB of a worker's memory

my $tmp = $ENV{TMPDIR} // '/tmp';
my $free = (split ' ', `df --output=avail -B1 '$tmp' | tail -n 1`)[0];
BAIL_OUT("$tmp has " . int($free / $GIB) . " GiB free, $ROOM are needed; set"
    . ' TMPDIR to a folder with more') if $free < $ROOM * $GIB;

# not that of the other tests: it would keep the size that it once had
delete @ENV{grep { /^(RGW|CEPH)_/ } keys %ENV};
$ENV{CEPH_OSD_SIZE} = '200G';
$ENV{CEPH_EXTRA} = "bluestore compression mode = force\n"
    . "bluestore compression algorithm = lz4\n"
    . "bluestore compression min blob size = 262144\n"
    . "bluestore compression max blob size = 262144";

my $t = RegistryTest->new;
$t->start(workers => 1);

my $c = $t->client;
my ($worker) = $t->workers;
$c->push_blob('app', 'x' x 1_000_000);

for my $gib (split ' ', $ENV{REGISTRY_BIG} // '6 20') {
    my $file = layer($gib);
    my $digest = 'sha256:' . sha256_file($file);

    push_and_pull("$gib GiB in one PATCH", $file, $digest, sub {
        my ($location) = @_;
        return send_body('PATCH', $location, '-T', $file,
            '-H', 'Transfer-Encoding: chunked');
    });

    push_and_pull("$gib GiB in one PUT", $file, $digest, sub {
        my ($location) = @_;
        send_body('PUT', $c->with_digest($location, $digest), '-T', $file);
        return undef;
    });

    push_and_pull("$gib GiB in PATCHes of 512 MiB", $file, $digest, sub {
        my ($location) = @_;
        for (0 .. 2 * $gib - 1) {
            my $part = $t->dir . '/part';
            $t->run('dd', "if=$file", "of=$part", 'bs=1M', 'count=512',
                'skip=' . 512 * $_, 'conv=sparse', 'status=none');
            $t->run('truncate', '-s', 512 << 20, $part);
            $location = send_body('PATCH', $location, '-T', $part);
            unlink $part;
        }
        return $location;
    });

    unlink $file;
}

note 'the OSD took ' . (split ' ', $t->run('du', '-sh', $t->dir . '/ceph'))[0];
$t->finish;


# A hole with 8 bytes of its own in each MiB, at another place in each.

sub layer {
    my ($gib) = @_;

    my $file = $t->dir . "/layer$gib";
    open my $fh, '>', $file or die $!;
    truncate $fh, $gib * $GIB or die $!;

    for (0 .. 1024 * $gib - 1) {
        sysseek $fh, ($_ << 20) + $_ * 4093 % (1 << 20) - 8 * ($_ % 2), 0;
        syswrite $fh, pack 'Q>', $_ + 1;
    }

    truncate $fh, $gib * $GIB or die $!;
    close $fh or die $!;

    return $file;
}


sub push_and_pull {
    my ($test, $file, $digest, $send) = @_;

    (my $name = lc $test) =~ s/[^a-z0-9]+/-/g;

    write_clear_refs();
    my %before = memory();
    my @begun = (time, cpu());
    my $location = $send->($c->begin_upload($name));
    my @sent = (time, cpu());
    send_body('PUT', $c->with_digest($location, $digest), '--data-binary', '')
        if $location;
    my $closed = time;

    my $client = RegistryTest::Process->start(name => 'curl',
        log => $t->dir . '/curl.log', command => ['sh', '-c',
            'curl -sf -u "$1" "$2" | cmp - "$0"', $file, $t->login,
            url("/v2/$name/blobs/$digest")]);
    is $client->wait, 0, "$test: the same bytes";
    my $pulled = time;
    my %after = memory();

    my $gb = (-s $file) / 1e9;
    note sprintf '%s: %.0f s, %.2f s of CPU per GB; closing PUT %.2f s;'
        . ' pull %.0f s; memory +%d kB', $test, $sent[0] - $begun[0],
        ($sent[1] - $begun[1]) / $gb, $closed - $sent[0],
        $pulled - $closed, $after{VmHWM} - $before{VmRSS};
    cmp_ok $after{VmHWM} - $before{VmRSS}, '<', $LIMIT, "$test: memory";

    # RGW frees it by and by; what the file of the OSD took stays
    $c->request('DELETE', "/v2/$name/blobs/$digest");
}


# Location; not by command(), which has a limit of five minutes

sub send_body {
    my ($method, $location, @body) = @_;

    my $out = $t->dir . '/curl.out';
    my $client = RegistryTest::Process->start(name => 'curl', out => $out,
        log => $t->dir . '/curl.log', command => ['curl', '-s', '-X', $method,
            '-u', $t->login, '-H', 'Content-Type: application/octet-stream',
            '-H', 'Expect:', '-o', '/dev/null',
            '-w', '%{http_code} %header{location}', @body, url($location)]);
    $client->wait;

    my ($status, $next) = split ' ', read_file($out), 2;
    unlink $out;
    is $status, $method eq 'PUT' ? 201 : 202, $method
        if $method eq 'PUT' || $status != 202;

    return $next;
}


sub url {
    my ($path) = @_;

    return "http://127.0.0.1:$t->{plain_port}"
        . $path =~ s{^https?://[^/]+}{}r;
}


sub memory {
    return read_file("/proc/$worker/status") =~ /^(VmHWM|VmRSS):\s+(\d+) kB$/mg;
}


sub cpu {
    my @stat = split ' ', read_file("/proc/$worker/stat");

    return ($stat[13] + $stat[14]) / 100;
}


sub write_clear_refs {
    open my $fh, '>', "/proc/$worker/clear_refs" or die $!;
    print $fh "5\n";
    close $fh or die $!;
}
