#!/usr/bin/perl

# The storage fails: each operation is run once to count the requests that RGW
# gets of it, then again for each of them and each fault.  The client must get
# a right answer or an error that is one, what was acknowledged must be there,
# nothing half-done may be seen, and the client's next try must succeed.
#
# A few faults of each request, so that all have their turn; FAULTS=all takes
# all of them ("make test-faults"), FAULTS="OPERATION:FAULT" one (regular
# expressions); FAULTS_SEED shifts which few, FAULTS_CALLS prints the requests.
# The table that is printed at the end is in docs/faults.md.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Faults;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Operations;


my $LANES = 10;
my $FEW = 3;                    # faults of each request
my $LONGEST = 5;                # seconds of an answer

# faults => how often: once, where nginx may try again, and for ever

my @faults = (
    (map { [$_, 1], [$_, 99] } qw(refuse reset close torn lost stall
        lost-stall 401 503)),
    (map { [$_, 1] } qw(bucket early late 403 404 408 413 416 422 429 500 502
        504 507 done-500 done-503 cut-status cut-head cut-body cut-last
        reset-body stall-head stall-body chunked chunked-cut unlength
        unlength-cut longer padded shorter more length-negative length-huge
        length-twice flipped empty etag-wrong etag-none garbage old status-99
        status-2000 huge many nul colon gzip twice continues storm hostile
        drip slow total)),
);

my $harmless = qr/^(drip|slow|continues|hostile)$/;
my $lies = qr/^(404|flipped|empty|etag-\w+|416|total|padded|shorter|longer)$/;

my $broken = qr/^(reset|close|torn|lost|stall|cut|late)/;


# of its own: what the suites beside send to a shared one makes it too slow for
# the short time-outs that are wanted here
my $t = RegistryTest->new(storage => 'ceph');
my $other = RegistryTest->new(container => $t->container,
    under_test => 'docker-registry');

my @lanes = map { {
    faults => RegistryTest::Faults->new($t),
    port => RegistryTest::free_port(),
    cached => RegistryTest::free_port(),
} } 1 .. $LANES;

my $times = join ' ', map { "registry_${_}_timeout 800ms;" }
    qw(connect send read);

$t->start(auth => 0, workers => 2,
    http => join('', "registry_cache_path $t->{dir}/blobs keys_zone=blobs:1m;",
        map { lane($_) } @lanes),
    directives => 'registry_part_size 1m; registry_cache off;'
        . ($ENV{ASAN_OPTIONS} ? 'registry_single_node on;' : ''));
$other->start;

my @cases = cases();
my @children = map { start_lane($_) } 0 .. $#lanes;
waitpid $_, 0 for @children;

report();
$t->finish(allow => qr/./,
    crit => qr/upstream sent|\(104: |contains invalid header/);


sub lane {
    my ($lane) = @_;

    my $name = "lane$lane->{port}";
    my ($path) = $ENV{RGW_AUTH_URL} =~ m{^\w+://[^/]+(.*)};
    my $address = $lane->{faults}->address;
    my $text = "upstream $name { server $address; keepalive 4; }\n";

    for (['port', 'registry_cache off;'],
         ['cached', 'registry_cache_valid 100ms; registry_blob_cache blobs;'
                    . 'registry_blob_cache_slice 256k;'])
    {
        my ($port, $cache) = @$_;
        $text .= "server { listen 127.0.0.1:$lane->{$port};\n"
            . $t->location('/v2/', "$cache $times registry_part_size 1m;",
                registry_pass => "http://$name",
                registry_auth_url => "http://$address$path") . "}\n";
    }

    return $text;
}


# Has the token and the container been found?  The faults are for later ones.

sub warm {
    my ($lane) = @_;

    $lane->{faults}->plan;
    my $c = RegistryTest::Client->new(port => $lane->{port});
    for (1 .. 400) {
        return if $c->request('GET', '/v2/_catalog?n=1')->{status} == 200;
        sleep 0.05;
    }

    die 'the storage does not come back';
}


sub operations {
    my ($lane) = @_;

    return map { RegistryTest::Operations->new(port => $lane->{$_},
        direct => $t->{plain_port}) } 'port', 'cached';
}


# [operation, number of the request, its method, fault, times]

sub cases {
    my $lane = $lanes[0];
    my ($plain, $cached) = operations($lane);
    my ($only_op, $only_fault) = ($ENV{FAULTS} // '') =~ /^(.*):(.*)$/;
    my $turn = $ENV{FAULTS_SEED} // 0;
    my @cases;

    warm($lane);

    for my $op ($plain->names) {
        next if defined $only_op && $op !~ /(?:$only_op)/;

        my $o = $plain->cached($op) ? $cached : $plain;
        my $x = $o->prepare($op);

        $lane->{faults}->plan;
        my $r = $o->act($x);
        my @calls = $lane->{faults}->calls;

        ok $o->good($x, $r), "$op: " . @calls . ' requests'
            or diag "$r->{status} " . ($r->{error} // $r->{content});
        diag "$op\n    ", join "\n    ", @calls if $ENV{FAULTS_CALLS};

        for my $n (1 .. @calls) {
            my ($method) = $calls[$n - 1] =~ /^(\w+)/;
            my @all = defined $only_op || ($ENV{FAULTS} // '') eq 'all'
                ? @faults : map { $faults[$turn++ % @faults] } 1 .. $FEW;

            for (@all) {
                my ($fault, $many) = @$_;
                next if defined $only_fault && $fault !~ /^(?:$only_fault)$/;
                push @cases, [ $op, $n, $method, $fault, $many ];
            }
        }
    }

    return @cases;
}


sub start_lane {
    my ($i) = @_;

    my $pid = fork // die "cannot fork: $!";
    return $pid if $pid;

    my $lane = $lanes[$i];
    my ($plain, $cached) = operations($lane);
    my $registry2 = $other->client;

    warm($lane);
    srand($i);
    open my $out, '>', "$t->{dir}/lane$i" or die $!;

    for my $n (grep { $_ % @lanes == $i } 0 .. $#cases) {
        my $case = $cases[$n];
        my $o = $plain->cached($case->[0]) ? $cached : $plain;
        my @wrong = eval { tried($lane, $o, $registry2, @$case) };

        push @wrong, "died: $@" if $@;
        print $out encode_json([ $n, @wrong ]), "\n";
        $out->flush;
    }

    close $out;
    POSIX::_exit(0);
}


sub tried {
    my ($lane, $o, $registry2, $op, $n, $method, $fault, $times) = @_;

    my $x = $o->prepare($op);

    $lane->{faults}->plan({ n => $n, fault => $fault, times => $times,
        match => '^(?!GET /auth)' });


    my $began = time;
    my $r = $o->act($x);
    my $took = time - $began;

    # requests of one moment come in any order
    my ($hit) = grep { / \Q$fault\E$/ } $lane->{faults}->calls;
    ($method) = ($hit // $method) =~ /^(\w+)/;

    for (1 .. 200) {
        last if $fault ne 'late' || !$lane->{faults}->busy;
        sleep 0.01;
    }

    $lane->{faults}->plan;

    # the key was refused: the next try to have a token waits a moment

    warm($lane) if $fault eq '401';

    # what nginx has asked for twice is gone the second time

    my $good = $o->good($x, $r)
        || ($op =~ /^DELETE/ && $r->{status} == 404 && $fault =~ $broken);
    my @wrong;

    push @wrong, sprintf 'it took %.1f s', $took if $took > $LONGEST;
    push @wrong, answered($o, $op, $method, $fault, $r) if !$good;

    # what is said to be gone is believed

    return grep { $_ } @wrong if $o->trusts($op) && $fault =~ $lies;

    push @wrong, $o->broken($x, $good);
    push @wrong, hostile($r) if $fault eq 'hostile';

    # what a lie was about may be believed for a moment

    sleep 0.1 if $o->cached($op) && $fault =~ /$lies|bucket/;

    # a blob of some size is passed on as it comes, and kept so on disk

    return grep { $_ } @wrong if $fault eq 'flipped' && $o->unverified($op);

    if (!$good || !$o->reads($op)) {
        push @wrong, $o->again($x);
        push @wrong, map { "afterwards: $_" } $o->broken($x, 1)
            if $op !~ /^PATCH/;
        push @wrong, map { "registry:2: $_" } $o->broken_for($x, $registry2)
            if $registry2 && $op !~ /^PATCH/ && rand() < 0.25;
    }

    return grep { $_ } @wrong;
}


# Why an answer that is not right is no right error either.

sub answered {
    my ($o, $op, $method, $fault, $r) = @_;

    # a HEAD has no body that tells which 404 it is
    my $lie = $fault =~ $lies || ($fault eq 'bucket' && $method eq 'HEAD');
    my $text = "$r->{status} "
        . ($r->{error} // $r->{content} // '') =~ s/\s+/ /gr;
    $text = substr $text, 0, 100;

    if (!$r->{status}) {
        return $o->streams($op) && $text !~ /Timed out/
            ? '' : "no answer: $text";
    }

    $text .= " of $r->{headers}{'content-length'}, got "
            . length($r->{content} // '')
        if $r->{headers}{'content-length'};

    return "a wrong answer: $text" if $r->{status} < 400
        && !($lie && ($o->trusts($op) || $o->unverified($op)));
    return '' if $r->{status} < 400;

    return "should have done no harm: $text" if $fault =~ $harmless;

    # HEAD has none
    if ($op !~ /^HEAD/) {
        my $json = eval { decode_json($r->{content}) };
        return "no error JSON: $text" if !$json->{errors}[0]{code};
    }

    return '' if $r->{status} == 503 || $r->{status} == 500;
    return '' if $lie && $r->{status} =~ /^4/;
    return '' if $fault eq '413' && $r->{status} == 403;

    return "a wrong error: $text";
}


sub hostile {
    my ($r) = @_;

    my $all = join ' ', map { "$_: " . (ref $r->{headers}{$_}
        ? "@{ $r->{headers}{$_} }" : $r->{headers}{$_}) }
        keys %{ $r->{headers} };

    return $all =~ /hostile|x-accel|content-encoding/
        ? "sent to the client: $all" : '';
}


sub report {
    my (%wrong, %tried, %table);
    my $all = 0;

    for my $i (0 .. $#lanes) {
        for (split /\n/, read_file("$t->{dir}/lane$i")) {
            my ($n, @wrong) = @{ decode_json($_) };
            my ($op, $number, $method, $fault, $times) = @{ $cases[$n] };

            $all++;
            $tried{$op}++;
            $table{$fault}{tried}++;
            $table{$fault}{held}++ if !@wrong;
            push @{ $wrong{$op} }, map { "request $number ($method), $fault"
                . ($times > 1 ? ' for ever' : '') . ": $_" } @wrong;
        }
    }

    is $all, scalar @cases, 'all cases were run';

    for my $op (RegistryTest::Operations->names) {
        next if !$tried{$op};
        my @wrong = @{ $wrong{$op} // [] };
        is scalar @wrong, 0, "$op: $tried{$op} faults"
            or diag join "\n", map { substr $_, 0, 300 } @wrong;
    }

    my $text = sprintf "%-16s %6s %6s %6s\n", qw(fault tried held failed);

    for (sort keys %table) {
        my ($tried, $held) = ($table{$_}{tried}, $table{$_}{held} // 0);
        $text .= sprintf "%-16s %6d %6d %6d\n", $_, $tried, $held,
            $tried - $held;
    }
    note $text;
    write_file($ENV{FAULTS_TABLE}, $text) if $ENV{FAULTS_TABLE};
    note scalar(@cases) . ' faults, seed ' . ($ENV{FAULTS_SEED} // 0);
}
