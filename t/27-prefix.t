#!/usr/bin/perl

# registry_prefix: all objects are below it, registry:2 with the same "prefix"
# reads and writes them, and registries of other prefixes know nothing of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;

use RegistryTest;


plan skip_all => 'two of registry:2 show nothing'
    if ($ENV{REGISTRY_UNDER_TEST} // 'module') ne 'module';

my $prefix = 'some.pre/fix';
my $new = RegistryTest->new(prefix => "'$prefix'");
my $old = RegistryTest->new(under_test => 'docker-registry',
    container => $new->container, prefix => "'$prefix'");

$new->start(directives => 'registry_part_size 1m;', server => join '',
    $new->location('/none/v2/', '', registry_prefix => "''"),
    $new->location('/other/v2/', '', registry_prefix => 'other'));
$old->start(chunksize => 1 << 20);

my ($n, $o) = ($new->client, $old->client);
my $type = 'application/vnd.oci.image.manifest.v1+json';
my %bytes = map { $_ => join '', map { pack 'N', rand 2**32 } 1 .. 700_000 }
    qw(new old);
my %manifest;

for ([new => $n], [old => $o]) {
    my ($name, $c) = @$_;
    my $config = qq({"by":"$name"});
    $c->push_blob("by/$name", $_) for $bytes{$name}, $config;
    @{ $manifest{$name} } = $c->manifest($config, $bytes{$name});
    is($c->put_manifest("by/$name", 'v1', $manifest{$name}[0])->{status}, 201,
        "$name: pushed");
}

for my $by ([n => $n], [o => $o]) {
    for my $name (qw(new old)) {
        my ($who, $c) = @$by;
        my $digest = 'sha256:' . sha256_hex($bytes{$name});
        my $r = $c->request('GET', "/v2/by/$name/manifests/v1");
        is($r->{content}, $manifest{$name}[0], "$who: manifest of $name");
        $r = $c->request('GET', "/v2/by/$name/blobs/$digest");
        ok($r->{content} eq $bytes{$name}, "$who: blob of $name");
        $r = $c->request('GET', "/v2/by/$name/blobs/$digest",
            { headers => { Range => 'bytes=1048570-2097160' } });
        ok($r->{content} eq substr($bytes{$name}, 1048570, 1048591),
            "$who: range of $name");
        $r = $c->request('GET', "/v2/by/$name/tags/list");
        like($r->{content}, qr/"tags":\["v1"\]/, "$who: tags of $name");
    }

    like($by->[1]->request('GET', '/v2/_catalog')->{content},
        qr{\["by/new","by/old"\]}, "$by->[0]: catalog");
}

# a page at a time; a referrer; an upload that goes on after its state is lost
like($n->request('GET', '/v2/_catalog?n=1')->{content}, qr{\["by/new"\]},
    'first page');
like($n->request('GET', '/v2/_catalog?n=1&last=by/new')->{content},
    qr{\["by/old"\]}, 'second page');

my $subject = $manifest{new}[1];
(my $referrer = $manifest{new}[0]) =~ s/\}$/,"subject":{"mediaType":"$type",/;
$referrer .= qq("digest":"$subject","size":@{[ length $manifest{new}[0] ]}}});
my $r = $n->put_manifest('by/new', 'sig', $referrer);
is($r->{status}, 201, 'referrer pushed');
like($n->request('GET', "/v2/by/new/referrers/$subject")->{content},
    qr/"digest":"sha256:\Q@{[ sha256_hex($referrer) ]}\E"/, 'and listed');

my $location = $n->begin_upload('by/new');
$r = $n->request('PATCH', $location, { content => 'abc',
    headers => { 'Content-Type' => 'application/octet-stream' } });
(my $lost = $r->{headers}{location}) =~ s/_state=[^&]*//;
is($n->request('GET', $lost)->{headers}{range}, '0-2', 'parts are listed');
is($n->request('PUT', $n->with_digest($lost, 'sha256:' . sha256_hex('abc')))
    ->{status}, 201, 'and put together');

# an upload's state is of the prefix
$r = $n->request('PATCH', $n->begin_upload('by/new'), { content => 'abc',
    headers => { 'Content-Type' => 'application/octet-stream' } });
($location = $r->{headers}{location}) =~ s{^.*?/v2/}{/other/v2/};
isnt($n->request('GET', $location)->{headers}{range} // '', '0-2',
    'the state of an upload is of one prefix');

# nobody else sees anything, though all share a cache
for (qw(none other)) {
    like($n->request('GET', "/$_/v2/_catalog")->{content},
        qr/"repositories":\[\]/, "$_: empty");
    is($n->request('GET', "/$_/v2/by/new/manifests/v1")->{status}, 404,
        "$_: no manifest");
}

is_deeply([ grep { !m{^\Q$prefix\E/(files|segments|uploads|referrers)/} }
    @{ $new->store->names } ], [], 'all objects are below the prefix');
ok((grep { m{^\Q$prefix\E/segments/ngx/} } @{ $new->store->names }),
    'segments, too');

# deleted here, collected there
is($n->request('DELETE', "/v2/by/old/manifests/$manifest{old}[1]")->{status},
    202, 'delete');
is($n->request('GET', '/v2/by/old/manifests/v1')->{status}, 404,
    'its tag is gone');
$old->stop;
$new->run_ok('garbage-collect', 'docker-registry', 'garbage-collect',
    $old->dir . '/registry.yml');

my %names = map { $_ => 1 } @{ $new->store->names };
ok(!$names{"$prefix/" . RegistryTest::blob_name($manifest{old}[1])},
    'collected');
ok($names{"$prefix/" . RegistryTest::blob_name($manifest{new}[1])}, 'kept');
ok($n->request('GET', '/v2/by/new/blobs/sha256:' . sha256_hex($bytes{new}))
    ->{content} eq $bytes{new}, 'with its segments');


# registry-check finds all of it whole, and nothing without the prefix
my @check = ("$FindBin::Bin/../build/registry-check", '--container',
    $new->container);
$new->run_ok('registry-check', @check, '--prefix', $prefix);
$new->run_fails('without the prefix', qr/no registry in it/, @check);

$new->finish(allow => qr/_state was signed by another secret/);
