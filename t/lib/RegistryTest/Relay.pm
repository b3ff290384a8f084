package RegistryTest::Relay;

# A stock nginx between the module and RGW: it writes down each call, and can
# be slow, or away, or have listings that lag.
#
#   my $relay = RegistryTest::Relay->new($t);
#   $t->start(rgw => $relay->address);
#   is_deeply($relay->calls, [...]);        # since the last call of calls()

use strict;
use warnings;

use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


sub new {
    my ($class, $t) = @_;

    my $dir = $t->dir . '/relay';
    mkdir $dir;
    my $self = bless { dir => $dir, port => RegistryTest::free_port(),
                       seen => 0 }, $class;

    write_file("$dir/nginx.conf", <<"END");
pid $dir/nginx.pid;
worker_processes 1;
events { worker_connections 1024; }
http {
    log_format call '\$request_method \$uri \$status';
    access_log $dir/calls.log call;
    @{[ map { "${_}_temp_path $dir/$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi) ]}
    client_max_body_size 0;
    limit_req_zone \$server_name zone=slow:64k rate=4r/s;

    upstream rgw {
        server $ENV{RGW_ENDPOINT};
        keepalive 16;
    }

    server {
        listen 127.0.0.1:$self->{port};
        proxy_http_version 1.1;
        proxy_set_header Host \$http_host;
        proxy_set_header Connection '';
        proxy_request_buffering off;
        proxy_buffering off;

        location / {
            set \$late 0;
            if (-f $dir/late) { set \$late 1; }
            if (\$args ~ prefix=uploads) { set \$late 1\$late; }
            if (\$late = 11) { return 200 '[]'; }
            if (-f $dir/away) { return 503; }
            if (-f $dir/slow) { rewrite ^ /slow\$uri last; }
            proxy_pass http://rgw;
        }

        # each waits for a quarter of a second after the one before it
        location /slow/ {
            internal;
            limit_req zone=slow burst=100;
            rewrite ^/slow(/.*) \$1 break;
            proxy_pass http://rgw;
        }
    }
}
END

    $self->{nginx} = RegistryTest::Process->start(
        name => 'relay', log => "$dir/out", command => [
            '/usr/sbin/nginx', '-p', $dir, '-e', "$dir/error.log", '-c',
            "$dir/nginx.conf", '-g', 'daemon off;' ]);
    $self->{nginx}->wait_until('listening', sub {
        RegistryTest::answers($self->{port}) });

    return $self;
}


sub address { "127.0.0.1:$_[0]{port}" }


# The calls since last asked: ["GET /swift/v1/container/name 200", ...]

sub calls {
    my ($self) = @_;

    # a line is written when the call has ended, for the module a bit earlier
    my ($size, $still) = (-1, 0);

    while ($still < 3) {
        my $now = -s "$self->{dir}/calls.log" // 0;
        $still = $now == $size ? $still + 1 : 0;
        $size = $now;
        select undef, undef, undef, 0.02;
    }

    my @all = split /\n/, read_file("$self->{dir}/calls.log");
    my @new = @all[$self->{seen} .. $#all];
    $self->{seen} = @all;

    return [map { s{^(\S+) /slow/}{$1 /}r } @new];
}


# How many calls are there by now that calls() has not told.

sub pending {
    my ($self) = @_;

    return (() = read_file("$self->{dir}/calls.log") =~ /\n/g)
        - $self->{seen};
}


sub _flag {
    my ($self, $name, $on) = @_;

    $on ? write_file("$self->{dir}/$name", '')
        : unlink "$self->{dir}/$name";
}


sub away { $_[0]->_flag(away => $_[1]) }
sub slow { $_[0]->_flag(slow => $_[1]) }

# no listing shows a part of an upload
sub late { $_[0]->_flag(late => $_[1]) }


1;
