#!/usr/bin/perl

# Tags and catalog on a real RGW, beside registry:2 on the same container: the
# same names, in pages of any size and from any place, at the cost of a page.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);


plan skip_all => 'two of registry:2 show nothing'
    if ($ENV{REGISTRY_UNDER_TEST} // 'module') ne 'module';

# names that are prefixes of others, with all that may follow
my @tags = qw(1 1.0 1.0.0 1.0-rc 1-a 1_0 10 A Z a a-b a- a--b a. a.b a_ a0 b
              latest v1 v1-alpine v1.2 v1.2.3 v1.2.3-alpine v1.2.3-r1 v2);
my @names = qw(a a/b a/b-c a/b/c a/b.c a-b a-b/c a.b a_b a0 ab b/d b-c/d b.c
               only/tags n n/0 n/0/1 n/9-a n-0 z);
my @no_names = qw(u u/0 a-b/u uploads);

my $base = 'files/docker/registry/v2/repositories';
my $hex = 'sha256/' . '0' x 64;

my $new = RegistryTest->new;
my $old = RegistryTest->new(under_test => 'docker-registry',
                            container => $new->container);
$_->start for $new, $old;

my $store = $new->store;
my $c = $new->client;

is $c->request('GET', '/v2/')->{status}, 200, 'the registry answers';
$store->swift('PUT', '');

put(map({ ("$_/_layers/$hex/link", "$_/_manifests/revisions/$hex/link") }
        grep { $_ ne 'only/tags' } @names),
    'only/tags/_manifests/tags/v1/current/link',
    map({ "$_/_uploads/id/startedat" } @no_names, 'a', 'z'),
    map({ "b/d/_manifests/tags/$_/current/link" } @tags),
    map({ "b/d/_manifests/tags/$_/index/$hex/link" } @tags));


# the same as registry:2

my @all_tags = sort @tags;
my @catalog = map { tr/\x01/\//r } sort map { tr/\//\x01/r } @names;

is_deeply tags(''), \@all_tags, 'all tags, in the order of their bytes';
is_deeply [sort @{ list($old, '/v2/b/d/tags/list', 'tags')->[0] }],
    \@all_tags, 'the same as those of registry:2';

is_deeply catalog(''), \@catalog, 'the catalog, in the order of a walk';
is_deeply [sort 'only/tags', @{
    list($old, '/v2/_catalog?n=1000', 'repositories')->[0] }],
    [sort @catalog], 'with the names that registry:2 has';


# in pages

for (['/v2/b/d/tags/list', 'tags', \@all_tags],
     ['/v2/_catalog', 'repositories', \@catalog])
{
    my ($path, $what, $all) = @$_;

    for my $n (1, 2, $#$all, $#$all + 1, $#$all + 2) {
        my ($uri, @got) = "$path?n=$n";

        while ($uri) {
            my ($names, $next) = @{ list($new, $uri, $what) };
            is scalar @$names, $n, "a page of $n $what is full" if $next;
            push @got, @$names;
            $uri = @got > @$all ? '' : $next;
        }

        is_deeply \@got, $all, "$what by $n";
    }

    my $wrong = '';

    for my $i (0 .. $#$all) {
        for ([$all->[$i], $i + 1], ["$all->[$i]!", $i + 1]) {
            my ($last, $from) = @$_;
            my $uri = "$path?n=3&last=" . $last =~ s{([!/])}{
                sprintf '%%%02X', ord $1 }ger;
            my $to = $from + 2 > $#$all ? $#$all : $from + 2;

            # what is below a repository comes before what follows it
            next if $last =~ /!/ && $what eq 'repositories';
            next if $last =~ /!/ && $i < $#$all
                && $all->[$i + 1] lt $last;

            $wrong .= "$uri " if "@{ list($new, $uri, $what)->[0] }"
                ne "@{$all}[$from .. $to]";
        }
    }

    is $wrong, '', "$what behind each of them";
}


# a tag that is deleted between two pages

my $next = list($new, '/v2/b/d/tags/list?n=3', 'tags')->[1];
$store->swift('DELETE', "/$base/b/d/_manifests/tags/$all_tags[2]/$_")
    for 'current/link', "index/$hex/link";
is_deeply list($new, $next, 'tags')->[0], [@all_tags[3 .. 5]],
    'the next page begins where it should';


# what it costs

SKIP: {
    skip 'no access log of RGW at hand', 3 if !$ENV{CEPH_CONF};

    cmp_ok calls('/v2/b/d/tags/list?n=5'), '<=', 2, 'calls for 5 tags';
    cmp_ok calls('/v2/_catalog?n=5'), '<=', 5 + 8, 'for 5 repositories';

    put(map { "a/_layers/sha256/" . sprintf('%064x', $_) . '/link' } 1 .. 300);
    cmp_ok calls('/v2/_catalog?n=5'), '<=', 5 + 8, 'the same, one being big';
}

$new->finish;


# Lists look at names only.

sub put {
    for (@_) {
        my $r = $store->swift('PUT', "/$base/$_");
        die "PUT $_: $r->{status}" if !$r->{success};
    }
}


# [names, next page's URI or ""]

sub list {
    my ($t, $uri, $what) = @_;

    my $r = $t->client->request('GET', $uri);
    die "$uri: $r->{status} $r->{content}" if $r->{status} != 200;

    my ($link) = ($r->{headers}{link} // '') =~ /^<(.*)>; rel="next"$/;

    return [decode_json($r->{content})->{$what}, $link // ''];
}

sub tags { list($new, "/v2/b/d/tags/list$_[0]", 'tags')->[0] }
sub catalog { list($new, "/v2/_catalog$_[0]", 'repositories')->[0] }


# Requests for this container that RGW got.

sub calls {
    my ($uri) = @_;

    my $before = logged();
    $c->request('GET', $uri);

    return logged() - $before;
}

sub logged {
    my ($log) = read_file($ENV{CEPH_CONF})
        =~ /\[client\.rgw\].*?^log file = (\S+)/ms;
    my $mine = $new->container;
    my ($last, $n) = (-1, 0);

    while ($n != $last) {
        select undef, undef, undef, 0.3;
        $last = $n;
        $n = () = read_file($log) =~ / beast: 0x.*\Q$mine\E/g;
    }

    return $n;
}
