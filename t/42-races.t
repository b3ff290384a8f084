#!/usr/bin/perl

# Many clients at once, through two nodes, on one tag, one blob and one
# manifest: pushes, deletes, mounts, pulls.  Each notes what it asked, when,
# and what came of it; what they saw must be a history that one registry could
# have made.
#
# Within a node a tag is a register: a read gives what was written last.  What
# the other node has changed may be seen up to registry_cache_valid later.  A
# write that was not answered may take effect at any time later, or never.
#
# RACES_SEED repeats the choices of a run, RACES_SECONDS its length.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep clock_gettime CLOCK_MONOTONIC);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $SEED = $ENV{RACES_SEED} // int rand 1e6;
my $SECONDS = $ENV{RACES_SECONDS} // 12;
my $CLIENTS = 10;
my $STALE = 1.01;               # registry_cache_valid; clocks have a tick
my $NAME = 'races/app';

note "RACES_SEED=$SEED";

my @nodes = RegistryTest->new;
push @nodes, RegistryTest->new(container => $nodes[0]->container);
$_->start(auth => 0) for @nodes;

my $config = '{}';
my $blob = "everybody's " . 'blob ' x 5000;
my $digest = 'sha256:' . sha256_hex($blob);
my $c = $nodes[0]->client;

$c->push_blob($_, $config) for $NAME, 'races/from';
$c->push_blob('races/from', $blob);

my @children = map { client($_) } 1 .. $CLIENTS;
waitpid $_, 0 for @children;

my @history;

for (1 .. $CLIENTS) {
    my $file = "$nodes[0]{dir}/history$_";
    push @history, map { decode_json($_) } split /\n/, read_file($file);
}

@history = sort { $a->{began} <=> $b->{began} } @history;

my %did;
$did{"$_->{what} $_->{status}"}++ for @history;
note join ', ', map { "$_: $did{$_}" } sort keys %did;

cmp_ok scalar @history, '>', 100, 'there was something to see';
is problems(grep { ($_->{status} >= 500 || !$_->{status})
    && !deleted_twice($_) } @history), '', 'no errors of the server';
are_right('tag', 'the tag is a register', wrong_reads());
are_right('blob', 'a blob that was acknowledged is there', wrong_blobs());
are_right('manifest', 'a manifest, too', wrong_manifests());
is problems(ends()), '', 'at the end' or diag "RACES_SEED=$SEED";

$_->stop for @nodes;
$_->check_log for @nodes;
done_testing();


sub now { clock_gettime(CLOCK_MONOTONIC) }


sub client {
    my ($id) = @_;

    my $pid = fork // die "cannot fork: $!";
    return $pid if $pid;

    srand($SEED * 100 + $id);

    open my $out, '>', "$nodes[0]{dir}/history$id" or die $!;
    my @c = map { RegistryTest::Client->new(port => $_->{plain_port},
        timeout => 30) } @nodes;
    my $end = now() + $SECONDS;
    my $n = 0;

    while (now() < $end) {
        my $node = int rand 2;
        my %did = (node => $node, client => $id, began => now());
        my $r = eval { one($c[$node], \%did, $id, ++$n) };

        $did{ended} = now();
        $did{status} = $r ? $r->{status} : 0;
        $did{error} = $@ if !$r;
        print $out encode_json(\%did), "\n";
    }

    close $out;
    POSIX::_exit(0);
}


# Anything; %$did gets what it was, and what was read or written.

sub one {
    my ($c, $did, $id, $n) = @_;

    my $what = rand;

    if ($what < 0.25) {
        my ($bytes) = $c->manifest($config);
        my $own = $bytes =~ s/\}$/,"annotations":{"by":"$id-$n"}}/r;

        @$did{qw(what value)} = ('write tag', 'sha256:' . sha256_hex($own));
        return $c->put_manifest($NAME, 'v1', $own);
    }

    if ($what < 0.6) {
        $did->{what} = 'read tag';
        my $r = $c->request('GET', "/v2/$NAME/manifests/v1");
        $did->{value} = $r->{status} == 200
            ? 'sha256:' . sha256_hex($r->{content}) : 'none';
        return $r;
    }

    if ($what < 0.63) {
        @$did{qw(what value)} = ('delete tag', 'none');
        return $c->request('DELETE', "/v2/$NAME/manifests/v1");
    }

    if ($what < 0.7) {
        $did->{what} = 'push blob';
        return $c->request('POST',
            "/v2/$NAME/blobs/uploads/?digest=$digest", { content => $blob,
            headers => { 'Content-Type' => 'application/octet-stream' } });
    }

    if ($what < 0.75) {
        $did->{what} = 'push blob';
        my $location = $c->begin_upload($NAME);
        my $r = $c->request('PATCH', $location, { content => $blob,
            headers => { 'Content-Type' => 'application/octet-stream' } });
        return $r if $r->{status} != 202;
        return $c->request('PUT',
            $c->with_digest($r->{headers}{location}, $digest));
    }

    if ($what < 0.8) {
        $did->{what} = 'push blob';
        return $c->request('POST', "/v2/$NAME/blobs/uploads/?mount=$digest"
            . '&from=races/from');
    }

    if ($what < 0.83) {
        $did->{what} = 'delete blob';
        return $c->request('DELETE', "/v2/$NAME/blobs/$digest");
    }

    if ($what < 0.9) {
        $did->{what} = 'read blob';
        my $r = $c->request('GET', "/v2/$NAME/blobs/$digest");
        die 'other bytes' if $r->{status} == 200 && $r->{content} ne $blob;
        return $r;
    }

    # one manifest with a tag of its own, against its delete by digest

    my ($bytes, $of) = $c->manifest($config, $config);

    if ($what < 0.95) {
        $did->{what} = 'push manifest';
        return $c->put_manifest($NAME, 'fixed', $bytes);
    }

    if ($what < 0.96) {
        $did->{what} = 'delete manifest';
        return $c->request('DELETE', "/v2/$NAME/manifests/$of");
    }

    $did->{what} = 'read manifest';
    my $reference = rand() < 0.5 ? 'fixed' : $of;
    my $r = $c->request('GET', "/v2/$NAME/manifests/$reference");
    die 'other bytes' if $r->{status} == 200 && $r->{content} ne $bytes;
    return $r;
}


# A push writes its links once more when a delete took them away, and no more:
# 503, which is no acknowledgement.

sub deleted_twice {
    my ($r) = @_;

    return $r->{what} eq 'push manifest' && $r->{status} == 503
        && 1 < grep { $_->{what} eq 'delete manifest'
            && $_->{began} < $r->{ended} && $_->{ended} > $r->{began} }
            @history;
}


sub problems { join "\n", map { encode_json($_) } @_[0 .. ($#_ > 4 ? 4 : $#_)] }


# Nothing is wrong; else the first of it, and all that was done to the same
# around it, in milliseconds from its begin on.

sub are_right {
    my ($thing, $name, @wrong) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return if is problems(@wrong), '', $name;

    my $first = $wrong[0];
    my $from = $first->{began} - 2 * $STALE;

    diag "RACES_SEED=$SEED";

    for (grep { $_->{what} =~ / $thing$/ && $_->{ended} > $from
        && $_->{began} < $first->{ended} } @history)
    {
        diag sprintf '%s %8.1f .. %8.1f  node %d  %3d %-15s %.12s',
            $_ == $first ? '>' : ' ',
            map({ ($_ - $first->{began}) * 1000 } @$_{qw(began ended)}),
            @$_{qw(node status what)}, ($_->{value} // '') =~ s/^sha256://r;
    }
}


sub unknown { !$_[0]{status} || $_[0]{status} >= 500 }


sub tag_writes {
    return grep { $_->{what} =~ /^(write|delete) tag/
        && ($_->{status} =~ /^20/ || unknown($_)) } @history;
}


# A read is wrong when its value was not written yet, or when another write
# was done wholly between the end of its own and the begin of the read, by the
# time that the node must have known of it.

sub wrong_reads {
    my @writes = tag_writes();
    my @done = grep { !unknown($_) } @writes;
    my (%of, @wrong);

    push @{ $of{$_->{value}} }, $_ for @writes;

    for my $read (grep { $_->{what} eq 'read tag'
        && $_->{status} =~ /^(200|404)$/ } @history)
    {
        # before the first write there is none
        my @own = ($read->{value} eq 'none' ? { began => 0, ended => 0,
            status => 201 } : (), @{ $of{$read->{value}} // [] });
        my $right = 0;

        for my $own (@own) {
            next if $own->{began} > $read->{ended};
            $right = 1, last if unknown($own) || !grep {
                $_->{value} ne $read->{value}
                && $_->{began} > $own->{ended}
                && $_->{ended} + ($_->{node} == $read->{node} ? 0 : $STALE)
                    < $read->{began}
            } @done;
        }

        push @wrong, $read if !$right;
    }

    return @wrong;
}


# 404, though a push was acknowledged before and no delete came in between

sub wrong {
    my ($read, $push, $delete) = @_;

    my @pushes = grep { $_->{what} eq $push && $_->{status} == 201 } @history;
    my @deletes = grep { $_->{what} eq $delete } @history;
    my @wrong;

    for my $r (grep { $_->{what} eq $read && $_->{status} == 404 } @history) {
        my ($last) = sort { $b->{ended} <=> $a->{ended} }
            grep { $_->{ended} + ($_->{node} == $r->{node} ? 0 : $STALE)
                < $r->{began} } @pushes;

        next if !$last;

        # one that overlaps the push, or was seen late, may have won

        push @wrong, $r if !grep { $_->{began} < $r->{ended}
            && (unknown($_) || $_->{ended} + $STALE > $last->{began}) }
            @deletes;
    }

    return @wrong;
}


sub wrong_blobs { wrong('read blob', 'push blob', 'delete blob') }
sub wrong_manifests { wrong('read manifest', 'push manifest',
    'delete manifest') }


# Nobody writes any more: both nodes agree, each tag that is listed is there
# with all that it names, and all that was read before is one of what was
# written.

sub ends {
    my (@wrong, %seen);

    sleep $STALE;

    for my $node (0, 1) {
        my $c = $nodes[$node]->client;
        my $tags = decode_json($c->request('GET', "/v2/$NAME/tags/list")
            ->{content})->{tags} // [];

        for my $tag (@$tags) {
            my $r = $c->request('GET', "/v2/$NAME/manifests/$tag");
            push @wrong, { tag => $tag, node => $node,
                status => $r->{status} } if $r->{status} != 200;
            push @{ $seen{$tag} }, sha256_hex($r->{content} // '');
        }
    }

    for (keys %seen) {
        push @wrong, { differs => $_ }
            if @{ $seen{$_} } != 2 || $seen{$_}[0] ne $seen{$_}[1];
    }

    # and the one that was written last is among those that ended last

    my @writes = tag_writes();
    my ($latest) = sort { $b <=> $a } map { $_->{began} }
        grep { !unknown($_) } @writes;
    my %may = map { $_->{value} => 1 }
        grep { unknown($_) || $_->{ended} >= $latest } @writes;
    my $last = $seen{v1} ? "sha256:$seen{v1}[0]" : 'none';

    push @wrong, { last => $last } if !$may{$last};

    return @wrong;
}
