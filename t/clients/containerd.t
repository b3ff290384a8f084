#!/usr/bin/perl

# containerd's ctr: pushes a blob as one PUT, all blobs at once, and asks for
# each before.  Two daemons, so that the second one has nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path qw(make_path);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(oci_layout write_file);
use RegistryTest::Process;


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my $image = "$host/ctr/multi:v1";
my @user = ('--user', $t->login);
my @hosts = ('--hosts-dir', "$dir/hosts");

# Without "server" ctr tries localhost by plain HTTP at last.

for (['hosts', 'ca = "' . $t->ca . '"'], ['without-ca', '']) {
    my ($folder, $ca) = @$_;
    make_path("$dir/$folder/$host");
    write_file("$dir/$folder/$host/hosts.toml",
        qq{server = "https://$host"\n$ca\n[host."https://$host"]\n$ca\n});
}

my $made = oci_layout("$dir/made", 'v1', qw(amd64 arm64));
$t->run('tar', '-C', "$dir/made", '-cf', "$dir/made.tar", '.');

my @revisions = map { $_->{digest} } @{ $made->{manifests} };
my %is_manifest = map { $_ => 1 } @revisions, $made->{index}{digest};
my @layers = grep { !$is_manifest{$_} }
    map { s{.*/}{sha256:}r } glob "$dir/made/blobs/sha256/*";


sub start_containerd {
    my ($name) = @_;

    make_path("$dir/$name");
    write_file("$dir/$name/config.toml", <<"END");
version = 2
root = "$dir/$name/root"
state = "$dir/$name/state"
disabled_plugins = ["io.containerd.grpc.v1.cri",
    "io.containerd.internal.v1.opt"]
[grpc]
  address = "$dir/$name/sock"
END

    my $process = RegistryTest::Process->start(name => 'containerd',
        log => "$dir/$name/log",
        command => ['containerd', '-c', "$dir/$name/config.toml"]);
    $process->wait_until('answering', sub {
        $t->command(ctr($name, 'version'))->{status} == 0 });

    return $process;
}


sub ctr {
    my ($name, @arguments) = @_;

    return ('ctr', '--address', "$dir/$name/sock", @arguments);
}


# push

my $first = start_containerd('first');

$t->run(ctr('first', qw(images import --no-unpack --all-platforms --base-name),
    "$host/ctr/multi", "$dir/made.tar"));

$t->run_fails('push without a password', qr/401|authorization failed/i,
    ctr('first', qw(images push), @hosts, $image));
$t->run_fails('push with a wrong password', qr/401|authorization failed/i,
    ctr('first', qw(images push), @hosts, '--user', 'foo:foo124', $image));

$t->run_ok('push', ctr('first', qw(images push), @hosts, @user, $image));

$t->objects_are('the objects of registry:2', 'ctr/multi' => {
    layers => \@layers,
    revisions => \@revisions,
    tags => { v1 => $made->{index}{digest} },
});

my @puts = grep { $_->{method} eq 'PUT' && $_->{uri} =~ m{/blobs/uploads/} }
    @{ $t->requests };
is scalar @puts, scalar @layers, 'each blob went by PUT as a whole';
is scalar(grep { $_->{method} eq 'PATCH' } @{ $t->requests }), 0,
    'and nothing by PATCH';

$t->run_ok('push again', ctr('first', qw(images push), @hosts, @user, $image));

$t->run(ctr('first', 'images', 'tag', $image, "$host/ctr/copy:v1"));
$t->run_ok('push to another repository', ctr('first', qw(images push), @hosts,
    @user, "$host/ctr/copy:v1"));


# pull on an empty daemon

my $second = start_containerd('second');
is $t->run(ctr('second', qw(images ls -q))), '', 'a daemon without images';

$t->run_ok('pull', ctr('second', qw(images pull --all-platforms --snapshotter
    native), @hosts, @user, $image));

$t->run_ok('export', ctr('second', qw(images export --all-platforms),
    "$dir/pulled.tar", $image));
make_path("$dir/pulled");
$t->run('tar', '-C', "$dir/pulled", '-xf', "$dir/pulled.tar");
$t->run_ok('all is the same bit for bit', 'diff', '-r', "$dir/made/blobs",
    "$dir/pulled/blobs");

$t->run_ok('pull by digest', ctr('second', qw(images pull --snapshotter
    native --platform linux/arm64), @hosts, @user,
    "$host/ctr/copy\@$revisions[1]"));

$t->run_fails('pull of an unknown tag', qr/not found/, ctr('second',
    qw(images pull --snapshotter native), @hosts, @user,
    "$host/ctr/multi:v2"));
$t->run_fails('a server with an unknown certificate is not trusted',
    qr/x509|certificate/, ctr('second', qw(images pull --snapshotter native),
    @user, '--hosts-dir', "$dir/without-ca", $image));

$_->stop for $first, $second;
$t->finish;
