package RegistryTest;

# What each test with real clients needs: a Ceph RGW, an nginx with TLS and
# Basic auth in front of a container of its own, commands that are run and
# checked, and the end of all that, however the test ends.
#
#   my $t = RegistryTest->new;
#   $t->start;
#   $t->run_ok('copy', 'skopeo', 'copy', ...);
#   is_deeply $t->store->names, [...];
#   $t->finish;
#
# Environment:
#   NGINX_BINARY         /usr/sbin/nginx
#   REGISTRY_MODULE      build/ngx_http_registry_module.so
#   REGISTRY_UNDER_TEST  "module", or "docker-registry": nginx is a proxy in
#                        front of Debian's docker-registry then, to see what
#                        the tests say of it
#   RGW_AUTH_URL, RGW_USER, RGW_SECRET_KEY, RGW_ENDPOINT
#                        an RGW that runs; else t/bin/ceph-start is called
#   CEPH_CONF, RGW_DATA_POOL
#                        of its cluster: objects are looked at by rados then
#   REGISTRY_TEST_RELOAD=N
#                        nginx is reloaded before each N-th request of client()
#   REGISTRY_TEST_KEEP   the test's folder is not removed

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More ();

use RegistryTest::Client;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Port qw(free_port);
use RegistryTest::Process;
use RegistryTest::Store;


my $top = abs_path(dirname(__FILE__) . '/../..');
my $owner = $$;
my @tests;


# RegistryTest->new(under_test => 'module' or 'docker-registry',
#     container => NAME), both only if they differ from the test's own;
#     prefix => NAME for all objects,
#     storage => 'ceph' or 'swift', one of its own, for what stops, fills or
#     breaks it, or is not to be had of the shared one; what t/bin/ceph-start or
#     swift-start takes by the environment is taken from it)

sub new {
    my ($class, %o) = @_;

    umask 022;

    my $dir = tempdir('registry-XXXXXX', TMPDIR => 1);
    chmod 0755, $dir;                   # workers are of another user

    my $self = bless {
        dir => $dir,
        user => 'foo',
        password => 'foo123',
        prefix => $o{prefix},
        under_test => $o{under_test} // $ENV{REGISTRY_UNDER_TEST} // 'module',
        container => $o{container}
            // 'test-' . basename($0, '.t') . "-$$-" . time,
    }, $class;

    push @tests, $self;

    die "REGISTRY_UNDER_TEST=\"$self->{under_test}\" is neither \"module\" nor"
        . " \"docker-registry\"\n"
        if $self->{under_test} !~ /^(module|docker-registry)$/;

    # no client reads or changes what belongs to the user
    make_path("$dir/home", "$dir/run", "$dir/tmp");
    chmod 0700, "$dir/run";
    @ENV{qw(HOME XDG_RUNTIME_DIR TMPDIR)} =
        ("$dir/home", "$dir/run", "$dir/tmp");
    delete @ENV{grep {
        /^((https?|all|no)_proxy|REGISTRY_AUTH_FILE|XDG_\w+_HOME
           |DOCKER_\w+|CONTAINERS?_\w+|STORAGE_\w+|BUILDAH_\w+)$/xi
    } keys %ENV};

    $self->_storage($o{storage});
    $self->_certificates;
    $self->{store} = RegistryTest::Store->new(
        container => $self->{container}, run => sub { $self->run(@_) });

    return $self;
}


sub dir { $_[0]{dir} }
sub store { $_[0]{store} }
sub container { $_[0]{container} }
sub is_module { $_[0]{under_test} eq 'module' }
sub host { "localhost:$_[0]{port}" }
sub login { "$_[0]{user}:$_[0]{password}" }

# a file for --cacert, and a folder that has it as ca.crt for --cert-dir
sub ca { "$_[0]{dir}/certs/ca.crt" }
sub certs { "$_[0]{dir}/certs" }


# that of nginx, to compare with others

sub nginx_version {
    my ($self) = @_;

    my $out = $self->command($self->_nginx, '-v')->{err};

    return $self->{nginx_version} //= version->parse(
        'v' . ($out =~ m{nginx/([\d.]+)})[0]);
}


sub _nginx { $ENV{NGINX_BINARY} // '/usr/sbin/nginx' }


sub client {
    my ($self) = @_;

    return RegistryTest::Client->new(
        port => $self->{plain_port}, user => $self->login,
        before => sub { $self->_reload_now_and_then });
}


# What the client has begun must go on, whichever worker is next.  Only here:
# a forked client knows nothing of the others' workers.

sub _reload_now_and_then {
    my ($self) = @_;

    my $n = $ENV{REGISTRY_TEST_RELOAD} or return;

    return if $$ != $owner || !$self->{nginx} || !$self->is_module
        || ++$self->{asked} % $n;

    $self->reload;
    $self->{reloads}++;
}


# start(rgw => 'HOST:PORT', workers => 2, connections => 1024, auth => 1,
#     key => 'secret key', auth_url => 'of its own, not by "rgw"',
#     directives => 'more of the location', server => 'more of the server',
#     http => 'more of http', main => 'more around it',
#     events => 'more of events', chunksize => bytes of registry:2's segments);
#     "server" may be made by location()

sub start {
    my ($self, %o) = @_;

    my $conf = $self->_configure(%o);
    my $log = "$self->{dir}/nginx.out";

    $self->_start_docker_registry(%o) if !$self->is_module;

    $self->{nginx} = RegistryTest::Process->start(
        name => 'nginx', log => $log, command => [
            $self->_nginx, '-p', $self->{dir},
            '-e', $self->error_log, '-c', $conf, '-g', 'daemon off;' ],
    );

    $self->{nginx}->wait_until('listening', sub {
        answers($self->{plain_port}) && answers($self->{port}) });
}


sub stop {
    my ($self) = @_;

    for (qw(nginx registry)) {
        my $process = delete $self->{$_} or next;
        $process->stop($_ eq 'nginx' ? 'QUIT' : 'TERM');
    }
}


# New workers take over, the old ones end when their requests have.

sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers;
    kill 'HUP', $self->{nginx}->pid;
    $self->{nginx}->wait_until('new workers', sub {
        grep { !$old{$_} } $self->workers });
}


# As a node that loses its power: nothing is told to anyone.

sub kill_hard {
    my ($self) = @_;

    my $nginx = delete $self->{nginx};
    my @workers = split ' ',
        read_file('/proc/' . $nginx->pid . '/task/' . $nginx->pid
            . '/children');

    kill 'KILL', $nginx->pid, @workers;
    $nginx->wait;

    # one that nobody waits for has no command line any more
    select undef, undef, undef, 0.01
        while grep { eval { read_file("/proc/$_/cmdline") } } @workers;
}


sub error_log { "$_[0]{dir}/error.log" }


# Ids of nginx's workers.

sub workers {
    my ($self) = @_;

    my $master = $self->{nginx}->pid;

    # the master listens before it has any
    for (1 .. 1000) {
        my @workers = split ' ',
            read_file("/proc/$master/task/$master/children");
        return @workers if @workers;
        select undef, undef, undef, 0.01;
    }

    die 'nginx has no worker';
}


# What nginx answered so far: [{method, uri, status, bytes}]

sub requests {
    my ($self) = @_;

    return [
        map {
            my %r;
            @r{qw(method uri status bytes)} = split / /;
            \%r;
        } split /\n/, read_file("$self->{dir}/access.log")
    ];
}


# Runs a command to its end: {status, out, err}.  A client that hangs is ended.

sub command {
    my ($self, @command) = @_;

    my $o = ref $command[0] ? shift @command : {};
    my $n = "$$." . ++$self->{commands};      # a fork may have some, too
    my ($in, $out, $err) = map { "$self->{dir}/tmp/$n.$_" } qw(in out err);

    write_file($in, $o->{stdin} // '');

    my $process = RegistryTest::Process->start(
        name => $command[0], stdin => $in, out => $out, log => $err,
        env => $o->{env}, command => ['timeout', '-k', '5', $o->{timeout} // 300,
            @command]);

    my $status = $process->wait;
    my %r = (status => $status, out => read_file($out),
             err => read_file($err));
    unlink $in, $out, $err;

    return \%r;
}


# As command, for the test's own needs: standard output, or the test dies.

sub run {
    my ($self, @command) = @_;

    my $r = $self->command(@command);

    shift @command if ref $command[0];
    die "@command: exit code $r->{status}\n$r->{out}$r->{err}"
        if $r->{status};

    return $r->{out};
}


# A test that the command succeeds; its standard output.

sub run_ok {
    my ($self, $name, @command) = @_;

    my $r = $self->command(@command);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::ok($r->{status} == 0, $name) or $self->_explain($r, @command);

    return $r->{out};
}


# A test that it fails and says why.

sub run_fails {
    my ($self, $name, $why, @command) = @_;

    my $r = $self->command(@command);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::ok($r->{status} != 0 && "$r->{out}$r->{err}" =~ $why, $name)
        or $self->_explain($r, @command);
}


sub _explain {
    my ($self, $r, @command) = @_;

    shift @command if ref $command[0];
    Test::More::diag("@command: exit code $r->{status}\n$r->{out}$r->{err}");

    my @log = map { substr $_, 0, 250 } grep { !/\[(notice|info)\]/ }
        split /\n/, read_file($self->error_log);
    splice @log, 0, -5;
    Test::More::diag(join "\n", 'end of the error log:', @log);
}


# The names that registry:2 gives to the objects of repositories:
#
#   layout('a/b' => { layers => [digests], tags => { v1 => digest },
#                     revisions => [digests] }, ...)
#
# "layers" has the configs, too; "revisions" only those without a tag.

sub layout {
    my ($self, %repositories) = @_;

    my %names;

    while (my ($name, $r) = each %repositories) {
        my $base = "files/docker/registry/v2/repositories/$name";
        my %tags = %{ $r->{tags} // {} };
        my @revisions = (@{ $r->{revisions} // [] }, values %tags);

        $names{"$base/_layers/" . slash($_) . '/link'} = 1
            for @{ $r->{layers} // [] };
        $names{"$base/_manifests/revisions/" . slash($_) . '/link'} = 1
            for @revisions;
        $names{blob_name($_)} = 1 for @{ $r->{layers} // [] }, @revisions;

        for (keys %tags) {
            my $tag = "$base/_manifests/tags/$_";
            $names{"$tag/current/link"} = 1;
            $names{"$tag/index/" . slash($tags{$_}) . '/link'} = 1;
        }
    }

    return [sort keys %names];
}


sub blob_name {
    my ($digest) = @_;

    my ($algorithm, $hex) = split /:/, $digest;
    my $two = substr $hex, 0, 2;

    return "files/docker/registry/v2/blobs/$algorithm/$two/$hex/data";
}


sub slash {
    my ($digest) = @_;

    return $digest =~ s/:/\//r;
}


# A test that the pool has exactly these objects in this container.  Segments
# are the data of large objects: registry:2 has them for each blob.

sub objects_are {
    my ($self, $name, %repositories) = @_;

    my @got = grep { !m{^segments/} } @{ $self->store->names };

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is_deeply(\@got, $self->layout(%repositories), $name);
}


# What the log must not have, whatever was tested.  "allow" matches lines of
# level "error" that the test provoked; without it they are not looked at.
# "crit" matches those of higher levels that nginx itself writes then.
# "killed" says that the test killed workers.

sub check_log {
    my ($self, %o) = @_;

    my $secret = quotemeta $ENV{RGW_SECRET_KEY};
    my @bad;

    for my $log ($self->error_log, "$self->{dir}/nginx.out") {
        open my $fh, '<', $log or next;
        while (<$fh>) {
            next if $o{killed} && /\[alert\].* exited on signal 9/;
            push @bad, $_
                if (/\[(alert|crit|emerg)\]/
                    && !($o{crit} && $_ =~ $o{crit}))
                || /Sanitizer|runtime error/
                || /$secret|AUTH_rgwtk|authorization: basic/i
                || ($o{allow} && /\[error\]/ && $_ !~ $o{allow});
        }
    }

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is(join('', @bad), '', 'nothing bad in the error log');
}


# The last call of a test.

sub finish {
    my ($self, %o) = @_;

    $self->stop;
    $self->check_log(%o);
    Test::More::diag($self->{reloads} // 0, ' reloads')
        if $ENV{REGISTRY_TEST_RELOAD};
    Test::More::done_testing();
}


# dockerd reads certificates from a folder of the whole machine.

sub trust_for_docker {
    my ($self) = @_;

    for (my $path = '/etc/docker/certs.d/' . $self->host;
         !-d $path; $path = dirname($path))
    {
        push @{ $self->{made} }, $path;
    }

    make_path('/etc/docker/certs.d/' . $self->host);
    $self->run('cp', $self->ca, '/etc/docker/certs.d/' . $self->host);
    unshift @{ $self->{made} },
        '/etc/docker/certs.d/' . $self->host . '/ca.crt';
}


sub answers {
    my ($port) = @_;

    return defined IO::Socket::INET->new(
        PeerAddr => "127.0.0.1:$port", Timeout => 5);
}


sub _storage {
    my ($self, $own) = @_;

    delete @ENV{grep { /^RGW_|^CEPH_CONF$/ } keys %ENV} if $own;

    if (!$ENV{RGW_AUTH_URL}) {
        my $kind = $self->{own} = $own // 'ceph';

        # a root for Swift may have to be made first
        $self->run({ timeout => 1200 }, "$top/t/bin/$kind-start",
            "$self->{dir}/$kind");

        my $env = $self->run('bash', '-c',
            ". '$self->{dir}/$kind/env' && env -0");
        /^((?:RGW|CEPH)_\w+)=(.*)/s and $ENV{$1} = $2
            for split /\0/, $env;
    }

    ($ENV{RGW_ENDPOINT}) = $ENV{RGW_AUTH_URL} =~ m{//([^/]+)}
        if !$ENV{RGW_ENDPOINT};

    $ENV{$_} or die "RGW_AUTH_URL is set, but $_ is not; set it too, or unset"
        . " RGW_AUTH_URL to have a Ceph started for the test\n"
        for qw(RGW_USER RGW_SECRET_KEY);
}


sub _certificates {
    my ($self) = @_;

    my $d = $self->{dir};
    make_path("$d/certs", "$d/tls");

    write_file("$d/tls/ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
        . "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n");

    my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);

    $self->run(qw(openssl req -x509 -days 2 -subj), '/CN=test CA', @key,
        '-keyout', "$d/tls/ca.key", '-out', $self->ca);
    $self->run(qw(openssl req -subj /CN=localhost), @key,
        '-keyout', "$d/tls/server.key", '-out', "$d/tls/server.csr");
    $self->run(qw(openssl x509 -req -days 2 -set_serial 2),
        '-in', "$d/tls/server.csr", '-CA', $self->ca,
        '-CAkey', "$d/tls/ca.key", '-extfile', "$d/tls/ext",
        '-out', "$d/tls/server.crt");

    $self->run('htpasswd', '-Bbc', "$d/htpasswd", $self->{user},
        $self->{password});
}


sub _configure {
    my ($self, %o) = @_;

    my $d = $self->{dir};

    $self->{port} //= free_port();
    $self->{plain_port} //= free_port();

    my $module = abs_path($ENV{REGISTRY_MODULE}
        // "$top/build/ngx_http_registry_module.so");
    my $load = $self->is_module ? "load_module $module;" : '';
    my $user = $> == 0 ? 'user www-data;' : '';
    my $workers = $o{workers} // 2;
    my $level = $ENV{REGISTRY_LOG_LEVEL} // 'info';
    my $rgw = $o{rgw} // $ENV{RGW_ENDPOINT};

    my $auth = $o{auth} // 1 ? "auth_basic Registry;\n"
        . "            auth_basic_user_file $d/htpasswd;" : '';

    # a directive of its own since 1.25.1
    my $http2 = $self->nginx_version >= version->parse('v1.25.1') ? 'http2 on;' : '';

    my $location = $self->is_module
        ? $self->_module_directives(%o) : $self->_proxy_directives;

    my $temp = join "\n    ", map { "${_}_temp_path $d/temp/$_;" }
        qw(client_body proxy fastcgi scgi uwsgi);
    make_path("$d/temp");

    write_file("$d/nginx.conf", <<"END");
$load
$user
@{[ $o{main} // '' ]}
worker_processes $workers;
pid $d/nginx.pid;
error_log $d/error.log $level;

events {
    worker_connections @{[ $o{connections} // 1024 ]};
    @{[ $o{events} // '' ]}
}

http {
    log_format test '\$request_method \$request_uri \$status'
                    ' \$body_bytes_sent';
    access_log $d/access.log test;
    $temp
    @{[ $o{http} // '' ]}

    upstream rgw {
        server $rgw;
        keepalive 32;
    }

    server {
        listen 127.0.0.1:$self->{plain_port};
        listen 127.0.0.1:$self->{port} ssl@{[ $http2 ? '' : ' http2' ]};
        $http2
        ssl_certificate $d/tls/server.crt;
        ssl_certificate_key $d/tls/server.key;
        keepalive_requests 10000;

        location /v2/ {
            $auth
            add_header X-Content-Type-Options nosniff always;
$location
        }
        @{[ $o{server} // '' ]}
    }
}
END

    return "$d/nginx.conf";
}


# One more location that is a registry: location(PATH, 'more of it',
# name of a directive => value that differs, or undef for none, ...)

sub location {
    my ($self, $path, $more, %changed) = @_;

    my $text = $self->_module_directives;

    for (keys %changed) {
        my $line = defined $changed{$_} ? "$_ $changed{$_};" : '';
        $text =~ s/^\s*$_ .*$/$line/m or $text .= $line;
    }

    return "location $path {\n$more\n$text\n}\n";
}


sub _module_directives {
    my ($self, %o) = @_;

    my $rgw = $o{rgw} // $ENV{RGW_ENDPOINT};
    my $scheme = $o{scheme} // 'http';
    my $url = $o{auth_url}
        // $ENV{RGW_AUTH_URL} =~ s{^\w+://[^/]+}{$scheme://$rgw}r;
    my $key = "$self->{dir}/rgw.key";
    my $user = "registry_auth_user $ENV{RGW_USER};";

    if ($ENV{RGW_KEYSTONE_URL} && !$o{auth_url}) {
        $url = $ENV{RGW_KEYSTONE_URL};
        $user = join "\n            ", 'registry_auth_user demo;',
            'registry_auth_project demo;', 'registry_auth_domain Default;';
    }

    write_file($key, $o{key} // $ENV{RGW_SECRET_KEY});
    chmod 0600, $key;

    return <<"END";
            registry_pass $scheme://rgw;
            registry_auth_url $url;
            $user
            registry_auth_key_file $key;
            registry_container $self->{container};
            @{[ $self->{prefix} ? "registry_prefix $self->{prefix};" : '' ]}
            registry_delete @{[ $o{delete} // 'on' ]};
            @{[ $o{directives} // '' ]}
END
}


sub _proxy_directives {
    my ($self) = @_;

    $self->{registry_port} //= free_port();

    return <<"END";
            proxy_pass http://127.0.0.1:$self->{registry_port};
            proxy_http_version 1.1;
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-Proto \$scheme;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_read_timeout 300s;
            client_max_body_size 0;
END
}


sub _start_docker_registry {
    my ($self, %o) = @_;

    my $d = $self->{dir};
    my $rgw = $o{rgw} // $ENV{RGW_ENDPOINT};
    my $scheme = $o{scheme} // 'http';
    my $url = $ENV{RGW_AUTH_URL};

    # of Swift with Keystone it has the proxy with TempAuth
    $url =~ s{^\w+://[^/]+}{$scheme://$rgw} if !$ENV{RGW_KEYSTONE_URL};

    write_file("$d/registry.yml", <<"END");
version: 0.1
log:
  level: warn
http:
  addr: 127.0.0.1:$self->{registry_port}
storage:
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
  swift:
    authurl: $url
    authversion: 1
    username: $ENV{RGW_USER}
    password: $ENV{RGW_SECRET_KEY}
    container: $self->{container}
@{[ $self->{prefix} ? "    prefix: $self->{prefix}" : '' ]}
@{[ $o{chunksize} ? "    chunksize: $o{chunksize}" : '' ]}
END

    $self->{registry} = RegistryTest::Process->start(
        name => 'docker-registry', log => "$d/registry.log",
        command => ['docker-registry', 'serve', "$d/registry.yml"]);

    $self->{registry}->wait_until('listening',
        sub { answers($self->{registry_port}) });
}


sub _clean {
    my ($self) = @_;

    my $dir = $self->{dir};

    $self->stop;
    RegistryTest::Process::stop_all();

    -d $_ ? rmdir : unlink for @{ $self->{made} // [] };

    # engines leave mounts when they are ended hard
    my @mounts = grep { m{^\Q$dir\E/} }
        map { (split ' ')[1] } split /\n/, read_file('/proc/self/mounts');
    system 'umount', '-l', $_ for reverse @mounts;

    if (my $kind = $self->{own}) {
        system "'$top/t/bin/$kind-stop' --purge '$dir/$kind' >/dev/null";
    } elsif ($self->{store}) {
        eval { $self->{store}->remove; 1 } or warn $@;
    }

    if ($ENV{REGISTRY_TEST_KEEP}) {
        Test::More::diag("kept $dir");
        return;
    }

    chdir '/';
    remove_tree($dir, { safe => 0 });
}


END {
    if ($$ == $owner) {
        local $?;
        local @SIG{qw(INT TERM HUP)} = ('IGNORE') x 3;
        for (reverse @tests) {
            eval { $_->_clean; 1 } or warn $@;
        }
    }
}


1;
