#!/usr/bin/perl

# This module and registry:2 on one container: what either wrote the other one
# serves, deletes, and collects.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use RegistryTest;
use RegistryTest::Image qw(oci_layout read_file);


plan skip_all => 'two of registry:2 show nothing'
    if ($ENV{REGISTRY_UNDER_TEST} // 'module') ne 'module';

my $new = RegistryTest->new;
my $old = RegistryTest->new(under_test => 'docker-registry',
                            container => $new->container);
$_->start for $new, $old;

my $dir = $new->dir;
my %made = map { $_ => oci_layout("$dir/$_", 'v1', qw(amd64 arm64)) }
    qw(new old gone);


# each pushes an image that the other one serves

push_image('new', $new, 'by/new');
push_image('old', $old, 'by/old');

pull_image('new', $old, 'by/new', 'registry:2 serves what this wrote');
pull_image('old', $new, 'by/old', 'this serves what registry:2 wrote');

for my $to ($new, $old) {
    is $to->client->request('GET', '/v2/_catalog')->{content}
        =~ s/\s//gr, '{"repositories":["by/new","by/old"]}', 'both are listed';
}

# a blob of registry:2 is in segments
my ($layer) = sort { $b->{size} <=> $a->{size} }
    map { { digest => s{.*/}{sha256:}r, size => -s $_, file => $_ } }
    glob "$dir/old/blobs/sha256/*";
my $bytes = read_file($layer->{file});
my $c = $new->client;

my $r = $c->request('GET', "/v2/by/old/blobs/$layer->{digest}",
    { headers => { Range => 'bytes=1000-1999999' } });
is $r->{status}, 206, 'a range of a blob of registry:2';
ok $r->{content} eq substr($bytes, 1000, 1_999_000), 'has the right bytes';

$r = $c->request('POST',
    "/v2/mounted/blobs/uploads/?mount=$layer->{digest}&from=by/old");
is $r->{status}, 201, 'a blob of registry:2 is mounted';
ok $c->request('GET', "/v2/mounted/blobs/$layer->{digest}")->{content}
    eq $bytes, 'and served';


# an image of registry:2 is deleted here, and collected there

push_image('gone', $old, 'by/gone');
my @gone = map { $_->{digest} } $made{gone}{index},
    @{ $made{gone}{manifests} };

is $c->request('DELETE', "/v2/by/gone/manifests/$_")->{status}, 202, 'delete'
    for @gone;

is $old->client->request('GET', '/v2/by/gone/manifests/v1')->{status}, 404,
    'registry:2 does not serve it any more';

$_->stop for $new, $old;
my $collected = $new->run_ok('registry:2 collects the garbage',
    'docker-registry', 'garbage-collect', $old->dir . '/registry.yml');
$_->start for $new, $old;

my %names = map { $_ => 1 } @{ $new->store->names };
is_deeply [ grep { $names{RegistryTest::blob_name($_)} } @gone ], [],
    'what was deleted here is collected';

pull_image('new', $new, 'by/new', 'the rest is served by this');
pull_image('old', $new, 'by/old', 'of both');
pull_image('new', $old, 'by/new', 'and by registry:2');
pull_image('old', $old, 'by/old', 'of both');

$old->stop;
$new->finish;


sub push_image {
    my ($made, $to, $name) = @_;

    $new->run('skopeo', 'copy', '--all', '--dest-cert-dir', $to->certs,
        '--dest-creds', $to->login, "oci:$dir/$made:v1",
        'docker://' . $to->host . "/$name:v1");
}


my $n;

sub pull_image {
    my ($made, $from, $name, $what) = @_;

    my $pulled = "$dir/pulled" . ++$n;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $new->run_ok($what, 'skopeo', 'copy', '--all', '--src-cert-dir',
        $from->certs, '--src-creds', $from->login,
        'docker://' . $from->host . "/$name:v1", "oci:$pulled:v1");
    $new->run_ok('bit for bit', 'diff', '-r', "$dir/$made/blobs",
        "$pulled/blobs");
}
