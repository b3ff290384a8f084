package RegistryTest::Rgw;

# One more radosgw on the cluster of the tests, with options of its own:
#
#   my $rgw = RegistryTest::Rgw->new($t, 'rgw swift account in url' => 'true');
#   $t->start(rgw => $rgw->address);

use strict;
use warnings;

use HTTP::Tiny;

use RegistryTest::Process;


sub new {
    my ($class, $t, %options) = @_;

    my $port = RegistryTest::free_port();
    my $dir = $t->dir . "/rgw.$port";
    mkdir $dir;

    my $self = bless { port => $port }, $class;

    my $process = RegistryTest::Process->start(
        name => 'radosgw', log => "$dir/out", command => [
            'radosgw', '-c', $ENV{CEPH_CONF}, '-n', 'client.rgw', '-f',
            "--rgw_data=$dir", "--log_file=$dir/log",
            "--admin_socket=$dir/asok",
            "--rgw_frontends=beast endpoint=127.0.0.1:$port",
            map { '--' . s/ /_/gr . "=$options{$_}" } sort keys %options ]);

    my $http = HTTP::Tiny->new(timeout => 10, no_proxy => ['127.0.0.1']);

    $process->wait_until('a token', sub {
        $http->get("http://" . $self->address . '/auth/v1.0', { headers => {
            'X-Auth-User' => $ENV{RGW_USER},
            'X-Auth-Key' => $ENV{RGW_SECRET_KEY},
        } })->{success} });

    return $self;
}


sub address { "127.0.0.1:$_[0]{port}" }


1;
