#!/usr/bin/perl

# Many clients push and pull at once through two nodes, a part of the storage's
# connections breaks, and the workers of one node are killed and reloaded.  What
# was acknowledged is there, nobody gets other bytes or a 4xx that is not due,
# and when all have gone, memory, descriptors and shared memory are what they
# were after the first third of the time.
#
# 50 clients for 25 seconds; LOAD_CLIENTS and LOAD_SECONDS choose others ("make
# test-load": 500 for 600), LOAD_SEED repeats their choices, LOAD_RESULT is a
# file for the figures.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IPC::Open2;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


my $CLIENTS = $ENV{LOAD_CLIENTS} // 50;
my $SECONDS = $ENV{LOAD_SECONDS} // 25;
my $SEED = $ENV{LOAD_SEED} // int rand 1e6;
my $PYTHON = '/usr/bin/python3';        # Debian's, which has python3-h2
my $KEEPALIVE = 32;
my $CACHE = 'registry_cache zone=registry_cache:1m;';

note "LOAD_CLIENTS=$CLIENTS LOAD_SECONDS=$SECONDS LOAD_SEED=$SEED";

my @nodes = RegistryTest->new;
push @nodes, RegistryTest->new(container => $nodes[0]->container);

my ($rgw_port) = $ENV{RGW_ENDPOINT} =~ /:(\d+)$/;
my $chaos_port = RegistryTest::free_port();
my $chaos = start_chaos();
my @ports = map { { plain => RegistryTest::free_port(),
                    tls => RegistryTest::free_port() } } @nodes;

for (0, 1) {
    $nodes[$_]->start(auth => 0, workers => 2, connections => 8192,
        http => server($nodes[$_], $ports[$_], $_), directives => $CACHE,
        server => 'location = /metrics { registry_status prometheus; }');
}

my ($steady, $shaken) = @nodes;
my @workers = workers($steady);
my @start = map { settled($_) } @nodes;
my (@rss, @capacity);

my $result = "$steady->{dir}/result";
my $pid = start_clients();
my @idle;

for (1, 2) {
    is told(), 'running', 'the clients run';
    disturb();
    push @idle, [ map { settled($nodes[$_], $start[$_]) } 0, 1 ];
    push @capacity, capacity();
    go_on();
}

is told(), 'done', 'and have verified what is there';
waitpid $pid, 0;
is $?, 0, 'the clients ended well';

my $r = decode_json(read_file($result));
$chaos->stop;
my $chaos_did = eval { decode_json(read_file("$steady->{dir}/chaos")) } // {};

report();

is join("\n", @{ $r->{wrong} }), '', 'nothing was wrong';
cmp_ok $r->{requests}, '>', 10 * $SECONDS, 'there was a load';
cmp_ok $r->{verified}, '>', 5 * $CLIENTS, "$r->{verified} things were there";
my $faults = 0;
$faults += $chaos_did->{$_} for grep { $_ ne 'connections' } keys %$chaos_did;
cmp_ok $faults, '>', 0, 'there were faults';
my $refused = $r->{refused} = share(qr/ (?:503|-)$/);
cmp_ok $refused, '<', 0.1, 'few requests suffered from them';

is_deeply [ sort(workers($steady)) ], [ sort @workers ],
    'no worker ended by itself';

for my $n (0, 1) {
    my ($was, $is, $node) = ($idle[0][$n], $idle[1][$n], "node $n");

    is $is->{flight}, 0, "$node: no request is in flight";
    is $is->{clients}, 0, "$node: no client's connection is left";
    cmp_ok $is->{rgw}, '<=', 2 * 2 * $KEEPALIVE,
        "$node: connections to the storage are those that are kept";
    is $is->{others}, $start[$n]{others}, "$node: descriptors as at the start"
        or diag explain $is->{list};
    is_deeply $is->{zones}, $was->{zones}, "$node: shared memory, too";

    next if $n || $ENV{ASAN_OPTIONS};

    # malloc keeps what the most requests at once needed, of which a short run
    # has few
    cmp_ok $is->{rss}, '<', $was->{rss} * 1.1 + ($SECONDS < 300 ? 16384 : 2048),
        "$node: memory, $was->{rss} KB then, $is->{rss} KB now";
}

# pages lie otherwise each time
cmp_ok $capacity[0], '>', 20, 'the cache takes manifests';
cmp_ok $capacity[1], '>', 0.8 * $capacity[0], 'as many as before'
    or diag "@capacity";

sleep($ENV{LOAD_HOLD} // 0);
$_->stop for @nodes;
$steady->check_log;

# nginx's own cache says so of what a killed worker held
$shaken->check_log(killed => 1, crit => qr/ignore long locked inactive cache/);
done_testing();


# What is faulty is one of two addresses of the storage.  The node whose workers
# are killed keeps blobs on disk.

sub server {
    my ($t, $ports, $disk) = @_;

    my $path = $disk ? "registry_cache_path $t->{dir}/blobs levels=1:2"
        . ' keys_zone=blobs:1m max_size=100m;' : '';
    my $keep = $disk ? 'registry_blob_cache blobs;'
        . 'registry_blob_cache_slice 256k;' : '';

    my $tls = $t->nginx_version >= version->parse('v1.25.1');
    my ($ssl, $on) = $tls ? ('ssl', 'http2 on;') : ('ssl http2', '');

    return <<"END" . $t->location('/v2/', "$CACHE$keep registry_part_size 1m;",
    $path
    keepalive_timeout 600s;
    upstream both {
        server $ENV{RGW_ENDPOINT} weight=9 max_fails=0;
        server 127.0.0.1:$chaos_port max_fails=0;
        keepalive $KEEPALIVE;
    }
    server {
        listen 127.0.0.1:$ports->{plain} backlog=1024;
        listen 127.0.0.1:$ports->{tls} $ssl backlog=1024;
        $on
        ssl_certificate $t->{dir}/tls/server.crt;
        ssl_certificate_key $t->{dir}/tls/server.key;
        keepalive_requests 1000000;
END
        registry_pass => 'http://both') . "}\n";
}


sub start_chaos {
    my $chaos = RegistryTest::Process->start(name => 'chaos',
        log => $nodes[0]->dir . '/chaos.log', command => [ $PYTHON,
            "$FindBin::Bin/load/chaos.py", $chaos_port, $rgw_port, $SEED,
            $nodes[0]->dir . '/chaos' ]);
    $chaos->wait_until('listening', sub {
        RegistryTest::answers($chaos_port) });

    return $chaos;
}


# ---- the clients, a process that is told when to go on

my ($from, $to);

sub start_clients {
    my $options = encode_json({
        clients => 0 + $CLIENTS, seconds => 0 + $SECONDS, seed => "$SEED",
        prefix => 'load', out => $result,
        nodes => [ map { { %{ $ports[$_] }, killed => $_ } } 0, 1 ],
        calm => [ map { { plain => $_->{plain_port}, tls => $_->{port} } }
            @nodes ],
    });

    return open2($from, $to, 'setpriv', '--pdeathsig', 'KILL', '--', $PYTHON,
        "$FindBin::Bin/load/client.py", $options);
}


sub told {
    my $line = readline($from) // '';
    chomp $line;

    return $line;
}


sub go_on {
    print $to "\n";
    $to->flush;
}


# Until the clients are idle: kills and reloads of the second node, by turns.

sub disturb {
    my $every = $SECONDS < 60 ? 4 : 15;
    my ($next, $kill) = (time + $every, 1);
    my $ready = '';

    for ( ;; ) {
        vec(my $read = '', fileno $from, 1) = 1;

        if (select $read, undef, undef, 1) {
            is told(), 'idle', 'then they are idle';
            return;
        }

        push @rss, rss(@workers);
        next if time < $next;

        $kill ? kill('KILL', (workers($shaken))[0]) : $shaken->reload;
        ($next, $kill) = (time + $every, !$kill);
    }
}


# ---- what a node has

# not nginx's cache manager

sub workers {
    my ($t) = @_;

    return grep { (eval { read_file("/proc/$_/cmdline") } // '')
        =~ /^nginx: worker process/ } $t->workers;
}


sub rss {
    my $sum = 0;
    $sum += (eval { read_file("/proc/$_/status") } // '')
        =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 for @_;

    return $sum;
}


sub metrics {
    my ($t) = @_;

    my $text = RegistryTest::Client->new(port => $t->{plain_port})
        ->request('GET', '/metrics')->{content};

    return { $text =~ /^([a-z]\S*\{.*?\}) (\S+)$/mg };
}


# {in flight, descriptors by what they are, memory, free bytes of zones}

sub state_of {
    my ($t) = @_;

    my $metrics = metrics($t);
    my %is = (flight => 0, clients => 0, rgw => 0, others => 0);
    my (%inode, %zones);

    for (split /\n/, read_file('/proc/net/tcp')) {
        my @field = split;
        my ($local, $remote) = map { /:(\w+)$/ ? hex $1 : 0 } @field[1, 2];
        $inode{$field[9]} = [ $local, $remote, $_ ];
    }

    my %served = map { $_ => 1 } $t->{port}, $t->{plain_port},
        map { values %$_ } @ports;
    my @workers = workers($t);

    for my $fd (map { glob "/proc/$_/fd/*" } @workers) {
        my $is = readlink $fd // next;
        my ($inode) = $is =~ /^socket:\[(\d+)/;
        my ($local, $remote, $line) = @{ $inode{$inode // ''} // [0, 0] };

        my $what = $remote == $rgw_port || $remote == $chaos_port ? 'rgw'
            : $remote && $served{$local} ? 'clients' : 'others';
        $is{$what}++;
        $is{list}{$fd} = "$is " . ($line // '') if $what eq 'others';
    }

    $is{flight} += $metrics->{$_}
        for grep { /^registry_http_in_flight/ } keys %$metrics;

    for (keys %$metrics) {
        /^registry_shared_memory_free_bytes\{zone="(.*)"/ or next;
        $zones{$1} = $metrics->{$_} if $1 =~ /^registry_(account|stat)/;
    }

    return { %is, rss => rss(@workers), zones => \%zones };
}


# The same when all is quiet, and as it was at the start; old workers of a
# reload have ended then.

sub settled {
    my ($t, $start) = @_;

    my $state;

    for (1 .. 100) {
        $state = state_of($t);
        last if !$state->{flight} && !$state->{clients} && workers($t) == 2
            && (!$start || $state->{others} == $start->{others});
        sleep 0.2;
    }

    return $state;
}


# How many manifests of three pages the cache of the first node holds: what
# leaks in it leaves no room.

sub capacity {
    my $c = $nodes[0]->client;
    my $blob = $c->push_blob('load/capacity', '{}');
    my ($bytes) = $c->manifest('{}');
    my @tags = map { "t$_" } 1 .. 110;
    my $hits = sub {
        metrics($nodes[0])->{
            'registry_storage_cache_total{kind="data",type="hit"}'} };

    for (@tags) {
        my $r = $c->put_manifest('load/capacity', $_,
            $bytes . ' ' x (11_000 + substr $_, 1));
        die "PUT: $r->{status} $r->{content}" if $r->{status} != 201;
        $c->request('GET', "/v2/load/capacity/manifests/$_");
    }

    # those that came last are there, so they are asked for first
    my $before = $hits->();
    $c->request('GET', "/v2/load/capacity/manifests/$_") for reverse @tags;

    return $hits->() - $before;
}


# ---- figures

sub share {
    my ($what) = @_;

    my ($some, $all) = (0, 0);

    for (keys %{ $r->{statuses} }) {
        $all += $r->{statuses}{$_};
        $some += $r->{statuses}{$_} if /$what/;
    }

    return $some / ($all || 1);
}


sub without_list {
    my %state = %{ $_[0] };

    delete $state{list};
    return \%state;
}


sub report {
    my %all = (%$r, faults => $chaos_did,
        start => [ map { without_list($_) } @start ],
        idle => [ map { [ map { without_list($_) } @$_ ] } @idle ],
        capacity => \@capacity, rss_of_node_0 => { first => $rss[0],
            peak => (sort { $b <=> $a } @rss)[0], last => $rss[-1] });
    my $text = JSON::PP->new->canonical->pretty->encode(\%all);

    write_file($ENV{LOAD_RESULT}, $text) if $ENV{LOAD_RESULT};
    note $text;

    my %said;
    for (@nodes) {
        for (split /\n/, read_file($_->error_log)) {
            my ($level, $what) = /\[(error|crit|alert)\] [^:]*: (?:\*\d+ )?(.*)/
                or next;
            $what =~ s/(?:, client:| while sending|"[^"]*"|\d+).*//;
            $said{"$level $what"}++;
        }
    }
    note 'the logs say: ', join "\n", map { "$said{$_} $_" } sort keys %said;
}
