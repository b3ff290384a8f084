#!/usr/bin/perl

# oras: artifacts with files of any type, others attached to them and found
# by the referrers API, copies and backups with all that is attached.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(random_file read_file write_file);


my $t = RegistryTest->new;
$t->start;

my $host = $t->host;
my $dir = $t->dir;
my $files = "$dir/files";

# for "localhost" the default is plain HTTP
my @tls = ('--ca-file', $t->ca, '--plain-http=false');
my @from = ('--from-ca-file', $t->ca, '--from-plain-http=false');
my @to = ('--to-ca-file', $t->ca, '--to-plain-http=false');

# oras stores names as they are given: relative ones
mkdir $files;
chdir $files or die $!;
write_file('text', "text\n");
write_file('empty', '');
write_file('sbom.json', '{"packages":[]}');
write_file('report.txt', "nothing found\n");
write_file('signature', 'signed');
random_file('data', 8_000_000);


# login

$t->run_fails('push without login', qr/401|basic credential not found/,
    'oras', 'push', @tls, "$host/artifact:v1", 'text');
$t->run_fails('login with a wrong password', qr/401|unauthorized/i,
    { stdin => 'foo124' },
    'oras', 'login', @tls, qw(-u foo --password-stdin), $host);
$t->run_ok('login', { stdin => 'foo123' },
    'oras', 'login', @tls, qw(-u foo --password-stdin), $host);


# push and pull

my $pushed = json('push', "$host/team/artifact:v1,latest",
    qw(--artifact-type application/vnd.test.v1 --annotation kind=test),
    qw(text:text/plain empty data:application/octet-stream));
my $digest = $pushed->{digest};

is oras('resolve', "$host/team/artifact:v1"), $digest, 'resolve';
is oras('resolve', "$host/team/artifact:latest"), $digest, 'both tags';

my $manifest = oras('manifest', 'fetch', "$host/team/artifact:v1");
is 'sha256:' . sha256_hex($manifest), $digest, 'manifest fetch: the bytes';
is_deeply decode_json(oras('manifest', 'fetch', '--descriptor',
    "$host/team/artifact:v1")), {
        mediaType => 'application/vnd.oci.image.manifest.v1+json',
        digest => $digest, size => length $manifest }, 'and its descriptor';
is decode_json($manifest)->{artifactType}, 'application/vnd.test.v1',
    'the type of the artifact is kept';

$t->run_ok('pull', 'oras', 'pull', @tls, '-o', "$dir/pulled",
    "$host/team/artifact:v1");
$t->run_ok("the same $_ bit for bit", 'cmp', $_, "$dir/pulled/$_")
    for qw(text empty data);


# attach and discover, two levels of it

my %attached;
for (['sbom.json', 'application/vnd.test.sbom'],
     ['report.txt', 'application/vnd.test.report'])
{
    my ($file, $type) = @$_;
    $attached{$type} = json('attach', "$host/team/artifact:v1",
        '--artifact-type', $type, $file)->{digest};
}
my $signature = json('attach',
    "$host/team/artifact\@$attached{'application/vnd.test.sbom'}",
    qw(--artifact-type application/vnd.test.signature signature))->{digest};

my $tree = json('discover', "$host/team/artifact:v1");
is_deeply { map { $_->{artifactType} => $_->{digest} }
    @{ $tree->{referrers} } }, \%attached, 'discover finds what is attached';
my ($sbom) = grep { $_->{artifactType} =~ /sbom/ } @{ $tree->{referrers} };
is_deeply [ map { $_->{digest} } @{ $sbom->{referrers} } ], [$signature],
    'and what is attached to that';

is_deeply [ map { $_->{digest} } @{ json('discover', '--artifact-type',
    'application/vnd.test.report', "$host/team/artifact:v1")->{referrers} } ],
    [ $attached{'application/vnd.test.report'} ], 'discover of one type';

is oras('repo', 'tags', "$host/team/artifact"), "latest\nv1",
    'no tag was made for it';
referrers_api_only('team/artifact');


# what a client without the API keeps in a tag is found once

my $tagged = json('push', "$host/team/old:v1", 'text')->{digest};
my $old = json('attach', "$host/team/old:v1", qw(--distribution-spec
    v1.1-referrers-tag --artifact-type application/vnd.test.old signature)
    )->{digest};
my $new = json('attach', "$host/team/old:v1",
    qw(--artifact-type application/vnd.test.new report.txt))->{digest};

is oras('repo', 'tags', "$host/team/old"), $tagged =~ s/:/-/r . "\nv1",
    'a tag was made for it';
is_deeply [ sort map { $_->{digest} }
    @{ json('discover', "$host/team/old:v1")->{referrers} } ],
    [ sort $old, $new ], 'discover finds both';
$t->run_ok('delete of the old one', 'oras', 'manifest', 'delete', '--force',
    @tls, "$host/team/old\@$old");
$t->run_ok('and of the tag', 'oras', 'manifest', 'delete', '--force', @tls,
    "$host/team/old:" . $tagged =~ s/:/-/r);
is_deeply [ map { $_->{digest} }
    @{ json('discover', "$host/team/old:v1")->{referrers} } ], [$new],
    'discover finds one';


# tag and lists

$t->run_ok('tag', 'oras', 'tag', @tls, "$host/team/artifact:v1", qw(v2 v10));
is oras('repo', 'tags', "$host/team/artifact"), "latest\nv1\nv10\nv2",
    'repo tags';
is oras('repo', 'tags', '--last', 'v1', "$host/team/artifact"), "v10\nv2",
    'from one on';


# copies with all that is attached, by mounts and by way of a file

$t->run_ok('copy -r', 'oras', 'copy', '-r', @from, @to,
    "$host/team/artifact:v1", "$host/team/copy:v1");
ok 5 < grep({ $_->{uri} =~ m{^/v2/team/copy/.*[?&]mount=}
    && $_->{status} == 201 } @{ $t->requests }), 'mounts the blobs';

$t->run_ok('backup', 'oras', 'backup', @tls, '--include-referrers',
    '--output', "$dir/backup.tar", "$host/team/artifact:v1");
$t->run_ok('restore', 'oras', 'restore', @tls, '--input', "$dir/backup.tar",
    "$host/restored:v1");

for my $name (qw(team/copy restored)) {
    is_deeply shape(json('discover', "$host/$name:v1")), shape($tree),
        "$name has all that is attached";
    is oras('repo', 'tags', "$host/$name"), 'v1', 'and one tag';
    referrers_api_only($name);
}

is oras('repo', 'ls', $host),
    "restored\nteam/artifact\nteam/copy\nteam/old",
    'repo ls';


# an index, and a blob by itself

oras(qw(manifest index create), "$host/team/artifact:index",
    'v1', $attached{'application/vnd.test.report'});
is_deeply [ map { $_->{digest} }
    @{ decode_json(oras('manifest', 'fetch',
        "$host/team/artifact:index"))->{manifests} } ],
    [ $digest, $attached{'application/vnd.test.report'} ],
    'manifest index create';

my $report = 'sha256:' . sha256_hex(read_file('report.txt'));
$t->run_ok('blob push', 'oras', 'blob', 'push', @tls,
    "$host/blobs\@$report", 'report.txt');
is oras('blob', 'fetch', '--output', '-', "$host/blobs\@$report"),
    'nothing found', 'blob fetch';
$t->run_ok('blob delete', 'oras', 'blob', 'delete', '--force', @tls,
    "$host/blobs\@$report");
$t->run_fails('blob fetch of what was deleted', qr/not found/, 'oras', 'blob',
    'fetch', @tls, '--output', '-', "$host/blobs\@$report");


# delete

$t->run_ok('manifest delete', 'oras', 'manifest', 'delete', '--force', @tls,
    "$host/team/artifact\@$attached{'application/vnd.test.report'}");
is_deeply [ map { $_->{artifactType} }
    @{ json('discover', "$host/team/artifact:v1")->{referrers} } ],
    ['application/vnd.test.sbom'], 'it is not discovered any more';

$t->run_ok('manifest delete by a tag', 'oras', 'manifest', 'delete',
    '--force', @tls, "$host/team/artifact:v1");
is oras('repo', 'tags', "$host/team/artifact"), 'index',
    'takes all tags of that manifest away';
$t->run_fails('pull of what was deleted', qr/not found/, 'oras', 'pull',
    @tls, '-o', "$dir/none", "$host/team/artifact:v1");

$t->run_ok('the copy has all', 'oras', 'pull', @tls, '-o', "$dir/again",
    "$host/team/copy:v1");
$t->run_ok('bit for bit', 'cmp', 'data', "$dir/again/data");

$t->finish;


# Standard output without the newline at its end.

sub oras {
    return $t->run('oras', @_, @tls) =~ s/\n\z//r;
}


sub json {
    return decode_json(oras(@_, '--format', 'json'));
}


# What is attached to what, whatever the repository.

sub shape {
    my ($node) = @_;

    return { map { $_->{digest} => shape($_) } @{ $node->{referrers} } };
}


# A client that had no answer from the API would keep the list in a tag.

sub referrers_api_only {
    my ($name) = @_;

    my @api = grep { $_->{uri} =~ m{^/v2/\Q$name\E/referrers/} }
        @{ $t->requests };
    my @tags = grep { $_->{uri} =~ m{^/v2/\Q$name\E/manifests/sha256-} }
        @{ $t->requests };

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok @api > 0 && !@tags, "$name: referrers by the API, none by tags";
}
