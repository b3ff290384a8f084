#!/usr/bin/perl

# Reloads, a new certificate and a new binary under a load of pushes and pulls:
# no request fails, nothing is left behind.
#
# RELOADS=100 for the whole of it, as "make test-big" does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


my $RELOADS = $ENV{RELOADS} // 8;

my $t = RegistryTest->new;
my $d = $t->dir;

# a copy, which is replaced by another one
my $nginx = "$d/nginx";
$t->run('cp', $ENV{NGINX_BINARY} // '/usr/sbin/nginx', $nginx);

# as a daemon: one with a parent ignores USR2
my @command = ($nginx, '-p', $d, '-e', $t->error_log, '-c',
    $t->_configure(workers => 2, directives => 'registry_part_size 1m;',
        server => 'keepalive_timeout 5s;'));
$t->run(@command);

my $c = $t->client;
my $blob = $c->push_blob('load/read', 'y' x 300_000 . rand);


# One client: pushes and pulls until the file "stop" is there, and says what
# failed.  curl is told by a script, to use connections again.

sub load_script {
    my ($n, @options) = @_;

    return <<"END";
n=$n i=0
while [ ! -e "$d/stop" ]; do
    i=\$((i + 1))
    head -c 1300000 /dev/urandom >"$d/tmp/load.\$n"
    digest=sha256:\$(sha256sum "$d/tmp/load.\$n" | cut -d ' ' -f 1)
    # nginx closes idle connections, a new one before its first request too:
    # clients try again then; what nginx has seen of a request is in its log
    curl() {
        command curl -sS --cacert "$d/certs/ca.crt" -u foo:foo123 \\
            --retry 1 --retry-all-errors --retry-delay 1 \\
            -o "$d/tmp/got.\$n" -D "$d/tmp/head.\$n" -w '%{http_code}\\n' \\
            @options "\$@" 2>>"$d/curl.err" || echo "\$?"
    }
    at() { sed -n 's/^[Ll]ocation: \\(.*\\)\\r/\\1/p' "$d/tmp/head.\$n"; }
    expect() {
        echo >>"$d/done"
        [ "\$2" = "\$1" ] || echo "\$3: \$2"
    }
    host=https://localhost:$t->{port}
    base=https://localhost:$t->{port}/v2
    expect 202 "\$(curl -X POST "\$base/load/r\$n/blobs/uploads/")" POST
    expect 202 "\$(curl -X PATCH -H 'Transfer-Encoding: chunked' \\
        -T "$d/tmp/load.\$n" --limit-rate 4M "\$host\$(at)")" PATCH
    expect 201 "\$(curl -X PUT "\$host\$(at)&digest=\$digest")" PUT
    expect 200 "\$(curl "\$base/load/r\$n/blobs/\$digest")" GET
    cmp -s "$d/tmp/load.\$n" "$d/tmp/got.\$n" || echo "other bytes"
    expect "200
200
200" "\$(curl "\$base/load/read/blobs/$blob" -o /dev/null \\
        "\$base/load/read/blobs/$blob" -o /dev/null \\
        "\$base/load/read/blobs/$blob" )" "GET GET GET"
done
END
}


sub start_load {
    unlink "$d/stop", "$d/done";

    return map {
        my $n = $_;
        my @options = ($n % 2 ? '--http1.1' : '--http2',
                       $n > 2 ? ('-H', '"Connection: close"') : ());
        @options = '--http2' if $n == 4;
        write_file("$d/load.$n", load_script($n, @options));
        RegistryTest::Process->start(name => "load $n", log => "$d/failed",
            command => ['bash', "$d/load.$n"]);
    } 1 .. 4;
}


sub end_load {
    write_file("$d/stop", '');
    $_->wait for @_;

    return scalar split //, read_file("$d/done");
}


sub children {
    my ($master) = @_;

    return split ' ', read_file("/proc/$master/task/$master/children");
}


sub rss {
    my ($pid) = @_;

    return read_file("/proc/$pid/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0;
}


# What the workers have open when nothing goes on: clients, and files; the
# connections to the storage are kept for a while.

sub state {
    my ($master) = @_;

    sleep 6;                            # keepalive_timeout
    my @workers = children($master);

    my ($files, $rss) = (0, 0);
    for my $worker (@workers) {
        opendir my $dir, "/proc/$worker/fd";
        $files += grep { (readlink "/proc/$worker/fd/$_" // '') =~ m{^/} }
            readdir $dir;
        $rss = rss($worker) if rss($worker) > $rss;
    }

    my $ports = join '|', map { sprintf ':%04X', $_ }
        $t->{port}, $t->{plain_port};
    my $clients = grep { /^\s*\d+: \w+(?:$ports) \w+:\w+ 01/ }
        split /\n/, read_file('/proc/net/tcp');

    return { workers => scalar @workers, files => $files, rss => $rss,
             clients => $clients, master => rss($master) };
}


sub reload {
    my ($master) = @_;

    my %old = map { $_ => 1 } children($master);
    kill 'HUP', $master;

    for (1 .. 200) {
        return 1 if grep { !$old{$_} } children($master);
        sleep 0.05;
    }

    return 0;
}


sub serial {
    return $t->run('bash', '-c', "openssl s_client -connect localhost:"
        . "$t->{port} </dev/null 2>/dev/null | openssl x509 -noout -serial");
}


my $master = pid();
my $next;

# one round of everything, for memory to be compared with

my @load = start_load();
sleep 2;
reload($master);
sleep 1;
end_load(@load);
my $before = state($master);
is($before->{workers}, 2, 'two workers');


# uploads in progress go on

my $part = 'z' x 1_500_000;
my $location = $c->begin_upload('load/session');
my $all = '';

sub patch {
    my $r = $c->request('PATCH', $location, { content => $part,
        headers => { 'Content-Type' => 'application/octet-stream' } });
    $all .= $part;
    $location = $r->{headers}{location};

    return $r->{status};
}

@load = start_load();
is(patch(), 202, 'an upload is begun');

my $taken = grep { sleep 0.5; reload($master) } 1 .. $RELOADS;
is($taken, $RELOADS, "$RELOADS reloads");
is(patch(), 202, 'the upload goes on after reloads');


# another certificate

my $serial = serial();
$t->run(qw(openssl x509 -req -days 2 -set_serial 77 -in),
    "$d/tls/server.csr", '-CA', $t->ca, '-CAkey', "$d/tls/ca.key",
    '-extfile', "$d/tls/ext", '-out', "$d/tls/server.crt");
reload($master);
# old workers take connections until the new ones are there
ok(wait_for(sub { serial() ne $serial }), 'a reload brings a new certificate');


# a slow push is in an old worker, which has to end it

my $slow = RegistryTest::Process->start(name => 'slow', log => "$d/slow",
    command => ['bash', '-c', "head -c 3000000 /dev/zero"
        . " | curl -sS -o /dev/null -w '%{http_code}' -u " . $t->login
        . " --limit-rate 700k -X PATCH -T - 'http://127.0.0.1:$t->{plain_port}" . $c->begin_upload('load/slow')
        . "'"]);
sleep 1;
reload($master);


cmp_ok(rss($master), '<', $before->{master} * 1.2 + 2000,
    'reloads cost the master no memory');


# another binary

$t->run('cp', $nginx, "$nginx.new");
rename "$nginx.new", $nginx;
kill 'USR2', $master;

$next = wait_for(sub {
    -s "$d/nginx.pid.oldbin" && -s "$d/nginx.pid" && pid() });
ok($next, 'a new master');
ok(wait_for(sub { children($next) == 2 }), 'with workers of its own');

kill 'WINCH', $master;
is(patch(), 202, 'the upload goes on in a new binary');
is($slow->wait, 0, 'a slow push ends in its old worker');
is(read_file("$d/slow"), 202, 'well');

sleep 1;
kill 'QUIT', $master;
ok(wait_for(sub { !-e "/proc/$master" }), 'the old master ends');
sleep 1;

my $requests = end_load(@load);
is(read_file("$d/failed"), '', "none of $requests requests failed");
cmp_ok($requests, '>', 4 * $RELOADS, 'there was a load');

my $digest = 'sha256:' . sha256_hex($all);
is($c->request('PUT', $c->with_digest($location, $digest))->{status}, 201,
    'the upload is closed');
is(sha256_hex($c->request('GET', "/v2/load/session/blobs/$digest")
    ->{content}), sha256_hex($all), 'and whole');


my $after = state($next);
is($after->{workers}, 2, 'no old worker is left');
is($after->{clients}, 0, 'no connection is left open');
is($after->{files}, $before->{files}, 'nor a file');
cmp_ok($after->{rss}, '<', $before->{rss} * 1.2 + 2000,
    'memory of the workers is where it was');
note(read_file("$d/curl.err"));
note("before: @{[ %$before ]}\nafter:  @{[ %$after ]}");

my $log = read_file($t->error_log);
unlike($log, qr/\[(warn|error|crit|alert)\]/, 'the log has no error');
unlike(read_file("$d/access.log"), qr/ (?!2\d\d)\d+ \d+$/m,
    'no request failed that nginx has seen');

kill 'QUIT', $next;
ok(wait_for(sub { !-e "/proc/$next" }), 'nginx ends');

$t->check_log;
done_testing();


sub pid { 0 + read_file("$d/nginx.pid") }


sub wait_for {
    my ($condition) = @_;

    for (1 .. 200) {
        my $result = $condition->();
        return $result if $result;
        sleep 0.05;
    }

    return;
}


END {
    # masters are nobody's children
    $_ && -e "/proc/$_" && kill 'TERM', $_ for $next, $master;
}
