#!/usr/bin/perl

# Tags that stay where they are, by a variable that makes exceptions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use RegistryTest;


my $t = RegistryTest->new;

$t->start(
    http => 'map $registry_tags $immutable { default off;'
        . ' "~^v0\.[^,]*$" off; "~(^|,)v[0-9]" on; "~^odd" perhaps; }',
    directives => 'registry_immutable_tags $immutable;');

my $c = $t->client;
$c->push_blob('a', $_) for 'config', 'one', 'two';
my ($one, $one_digest) = $c->manifest('config', 'one');
my ($two, $two_digest) = $c->manifest('config', 'two');


sub put {
    my ($reference, $bytes) = @_;

    my $r = $c->put_manifest('a', $reference, $bytes);

    return $r->{status} == 201 ? 201
        : "$r->{status} " . $c->error_code($r);
}


sub tag {
    my ($tag) = @_;

    return $c->request('HEAD', "/v2/a/manifests/$tag")
        ->{headers}{'docker-content-digest'} // 'none';
}


is(put('v1', $one), 201, 'a new tag');
is(put('v1', $one), 201, 'the same manifest once more');
is(put('v1', $two), '403 DENIED', 'another one');
is(tag('v1'), $one_digest, 'the tag has not moved');

is(put('v0.1', $_), 201, 'an exception') for $one, $two;
is(put('latest', $_), 201, 'a tag that may move') for $one, $two;
is(tag('latest'), $two_digest, 'it has');

is(put("$two_digest?tag=new&tag=v1", $two), '403 DENIED',
    'one of several tags is there');
is(tag('new'), 'none', 'then none is set');
is(put("$two_digest?tag=v2&tag=new", $two), 201, 'all of them are new');
is(tag('v2') . tag('new'), $two_digest x 2, 'all are set');

is($c->request('DELETE', '/v2/a/manifests/v1')->{status}, 403,
    'it stays when it is to be deleted');
is($c->request('DELETE', '/v2/a/manifests/latest')->{status}, 202,
    'others go');

is(put('odd', $one), 201, 'a strange value, a new tag');
is(put('odd', $two), '403 DENIED', 'it means on');

$t->finish;
