#!/usr/bin/perl

# crane: an index there and back, copies by mounts, images made anew from
# images of the registry, lists and deletes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(layer_tar oci_layout read_file);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my @amd64 = ('--platform', 'linux/amd64');

$ENV{SSL_CERT_FILE} = $t->ca;

my $image = oci_layout("$dir/made", 'v1', qw(amd64 arm64));
my $index = $image->{index}{digest};
my @revisions = map { $_->{digest} } @{ $image->{manifests} };
my %is_manifest = map { $_ => 1 } @revisions, $index;
my %multi = (
    layers => [ grep { !$is_manifest{$_} }
        map { s{.*/}{sha256:}r } glob "$dir/made/blobs/sha256/*" ],
    revisions => \@revisions,
    tags => { v1 => $index },
);


# login

$t->run_fails('push without login', qr/401 Unauthorized/,
    'crane', 'push', "$dir/made", "$host/multi:v1");
$t->run_ok('login', { stdin => 'foo123' },
    qw(crane auth login -u foo --password-stdin), $host);
$t->run_fails('a server with an unknown certificate is not trusted', qr/x509/,
    { env => { SSL_CERT_FILE => '/dev/null' } },
    'crane', 'ls', "$host/multi");


# push and pull

my $pushed = $t->run_ok('push of an index', 'crane', 'push', "$dir/made",
    "$host/multi:v1");
is $pushed, "$host/multi\@$index\n", 'the reference of what was pushed';
$t->objects_are('the objects of registry:2', multi => \%multi);

is crane('digest', "$host/multi:v1"), $index, 'digest';
is 'sha256:' . sha256_hex(crane('manifest', "$host/multi:v1")), $index,
    'manifest: the same bytes';
is crane('digest', @amd64, "$host/multi:v1"), $revisions[0],
    'digest of one architecture';
like $t->run_ok('validate reads each blob', 'crane', 'validate', '--remote',
    "$host/multi:v1"), qr/^PASS/, 'and finds nothing wrong';

$t->run_ok('pull', 'crane', 'pull', '--format', 'oci', "$host/multi:v1",
    "$dir/back");
$t->run_ok('all blobs and manifests are the same bit for bit',
    'diff', '-r', "$dir/made/blobs", "$dir/back/blobs");


# tag, copy and lists

$t->run_ok('tag', 'crane', 'tag', "$host/multi:v1", $_) for qw(v2 v10);
is crane('digest', "$host/multi:v10"), $index, 'the new tag has the digest';

$t->run_ok('copy to another repository', 'crane', 'copy', "$host/multi:v1",
    "$host/team/copy:v1");
$t->run_ok('copy of all tags', 'crane', 'copy', '--all-tags', "$host/multi",
    "$host/team/all");

my @mounts = grep { $_->{uri} =~ /[?&]mount=/ } @{ $t->requests };
is scalar @mounts, 2 * @{ $multi{layers} }, 'each blob is mounted';
is_deeply [ grep { $_->{status} != 201 } @mounts ], [], 'with success';

my %all = (%multi, tags => { map { $_ => $index } qw(v1 v2 v10) });
$t->objects_are('the data is there once', multi => \%all,
    'team/all' => \%all, 'team/copy' => \%multi);

is crane('ls', "$host/team/all"), "v1\nv10\nv2", 'ls';
is crane('catalog', $host), "multi\nteam/all\nteam/copy", 'catalog';


# images made from those of the registry

my $tar = layer_tar($dir, 'more', { 'etc/more' => "more\n" });

$t->run_ok('append of a layer', 'crane', 'append', @amd64,
    '-b', "$host/multi:v1", '-f', $tar, '-t', "$host/apps:more");
$t->run_ok('mutate', 'crane', 'mutate', "$host/apps:more",
    '-l', 'test=crane', '-e', 'A=B', '-t', "$host/apps:label");
is decode_json(crane('config', "$host/apps:label"))->{config}{Labels}{test},
    'crane', 'config has the label';

my $config = decode_json(crane('manifest', "$host/apps:label"))->{config};
is 'sha256:' . sha256_hex(crane('blob', "$host/apps\@$config->{digest}")),
    $config->{digest}, 'blob: the same bytes';

$t->run_ok('flatten', 'crane', 'flatten', "$host/apps:label",
    '-t', "$host/apps:flat");
$t->run_ok('export', 'crane', 'export', "$host/apps:flat", "$dir/flat.tar");
is_deeply [ sort grep { m{./.} }
    split /\n/, $t->run('tar', '-tf', "$dir/flat.tar") ],
    [qw(etc/architecture etc/more etc/shared usr/own.bin usr/shared.bin)],
    'export has the files of all layers';
is $t->run('tar', '-xOf', "$dir/flat.tar", 'etc/more'), "more\n",
    'and their content';

$t->run_ok('index append', 'crane', 'index', 'append',
    '-m', "$host/apps:label", '-m', "$host/multi\@$revisions[1]",
    '-t', "$host/apps:index");
is_deeply [ map { "$_->{platform}{architecture} $_->{digest}" }
    @{ decode_json(crane('manifest', "$host/apps:index"))->{manifests} } ],
    [ 'amd64 ' . crane('digest', "$host/apps:label"),
      "arm64 $revisions[1]" ], 'the index has both';
$t->run_ok('index filter', 'crane', 'index', 'filter', "$host/apps:index",
    '--platform', 'linux/arm64', '-t', "$host/apps:filtered");
is crane('digest', '--platform', 'linux/arm64', "$host/apps:filtered"),
    $revisions[1], 'the filtered index has one';
$t->run_ok('index filter that leaves nothing', 'crane', 'index', 'filter',
    "$host/apps:index", '--platform', 'linux/riscv64',
    '-t', "$host/apps:none");


# delete

$t->run_ok('delete of a tag', 'crane', 'delete', "$host/team/all:v2");
is crane('ls', "$host/team/all"), "v1\nv10", 'the others stay';
$t->run_ok('delete of a manifest', 'crane', 'delete',
    "$host/team/all\@$index");
$t->run_fails('digest of what was deleted', qr/MANIFEST_UNKNOWN/, 'crane',
    'digest', "$host/team/all:v1");
$t->run_fails('delete of it again', qr/MANIFEST_UNKNOWN/, 'crane', 'delete',
    "$host/team/all\@$index");

like $t->run_ok('the other repositories have all', 'crane', 'validate',
    '--remote', "$host/team/copy:v1"), qr/^PASS/, 'of it';

$t->finish;


# Standard output without the newline at its end.

sub crane {
    return $t->run('crane', @_) =~ s/\n\z//r;
}
