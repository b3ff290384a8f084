#!/usr/bin/perl

# Tags that stay where they are, by a variable that makes exceptions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use POSIX ();
use Test::More;

use RegistryTest;


my $t = RegistryTest->new;
my $port = RegistryTest::free_port();

# of three repositories the rule needs more than the tag: what "set" wrote, a
# regular expression captured, and auth_request_set took from a reply

$t->start(
    http => 'map $registry_tags $by_tag { default off;'
        . ' "~^v0\.[^,]*$" off; "~(^|,)v[0-9]" on; "~^odd" perhaps; }'
        . 'map "$team/$captured/$who/$registry_tags" $immutable {'
        . ' default $by_tag; "set///kept" on; "~^[^/]*/org//kept$" on;'
        . ' "~^[^/]*//robot/kept$" on; }'
        . "server { listen 127.0.0.1:$port; add_header X-Who robot;"
        . ' return 204; }',
    server => 'set $captured ""; set $who "";'
        . "location = /who { proxy_pass http://127.0.0.1:$port; }"
        . $t->location('/v2/who/',
            'auth_request /who; auth_request_set $who $upstream_http_x_who;',
            registry_immutable_tags => '$immutable')
        . $t->location('~ ^/v2/(?<captured>org)/', '',
            registry_immutable_tags => '$immutable')
        . $t->location('/v2/set/', 'set $team set;',
            registry_immutable_tags => '$immutable'),
    directives => 'set $before $immutable;'     # which nginx keeps
        . ' registry_immutable_tags $immutable;');

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


# What a tag points to that is to stay, by each digest of it.

my $one_sha512 = 'sha512:' . sha512_hex($one);

is(put("$one_sha512?tag=v3&tag=moves", $one), 201, 'pushed by its sha512');

for my $digest ($one_digest, $one_sha512) {
    my $r = $c->request('DELETE', "/v2/a/manifests/$digest");
    my ($alg) = split /:/, $digest;

    is $r->{status}, 403, "a delete by $alg";
    is $c->error_code($r), 'DENIED', "$alg: its code";
    like $r->{content}, qr/tag (v[13]|odd) is immutable/, "$alg: the tag is named";
}

is tag('v1'), $one_digest, 'v1 is there';
is tag($_), $one_sha512, "$_ is there" for qw(v3 moves);
is $c->request('GET', "/v2/a/manifests/$_")->{content}, $one,
    "so is what it points to, by $_" for
    qw(v1 v3), $one_digest, $one_sha512;
is(put('v1', $two), '403 DENIED', 'and nobody moves it');


# The same rule, by what only the request knows.

for my $name (qw(set/a org/a who/a)) {
    $c->push_blob($name, $_) for 'config', 'one', 'two';
    $c->put_manifest($name, $_, $one) for qw(kept loose);
    $c->put_manifest($name, 'free', $two);

    is $c->request('DELETE', "/v2/$name/manifests/$one_digest")->{status},
        403, "$name: a delete by digest";
    is $c->request('GET', "/v2/$name/manifests/$_")->{content}, $one,
        "$name: $_ is there" for qw(kept loose);
    is $c->put_manifest($name, 'kept', $two)->{status}, 403,
        "$name: nobody moves it";
    is $c->request('DELETE', "/v2/$name/manifests/$two_digest")->{status},
        202, "$name: what no such tag points to goes";
    is $c->request('GET', "/v2/$name/manifests/free")->{status}, 404,
        "$name: with its tags";
}


# Pushed and deleted at the same time: what was told 201 stays.

my %seen;

for my $round (1 .. 40) {
    my ($bytes, $digest) = $c->manifest('config', 'one', 'two');
    my $document = $bytes =~ s/\}$/,"annotations":{"round":"$round"}}/r;
    $digest = 'sha256:' . sha256_hex($document);

    $c->put_manifest('a', $digest, $document);

    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my $status = $t->client->request('DELETE',
            "/v2/a/manifests/$digest")->{status};
        POSIX::_exit($status == 403 ? 1 : $status == 202 ? 0 : 2);
    }

    my $put = $c->put_manifest('a', "v9.$round", $document)->{status};
    waitpid $pid, 0;
    my $deleted = $? >> 8;

    my $r = $c->request('GET', "/v2/a/manifests/v9.$round");
    my $right = $put != 201 || $r->{content} eq $document;

    $seen{"$put-$deleted"}++;
    $seen{wrong} .= " $round:$put,$deleted,$r->{status}"
        if !$right || $deleted == 2;
}

is $seen{wrong}, undef, 'a tag that was pushed during a delete is there';

$t->finish;
