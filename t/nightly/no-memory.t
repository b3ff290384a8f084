#!/usr/bin/perl

# nginx is refused memory: for one request of each kind the first allocation
# of nginx, then the second, and so on, one alone and all that follow.  The
# answer is the right one, 500 or 503, or the connection ends; nothing else is
# served, the worker lives on, and has no more descriptors than before.  Under
# the sanitizers, with an allocation for each that is made from a pool.
#
# STEP=N tries each N-th only; KINDS is a pattern of names.  FAIL_ALLOC_TRACE=1
# writes to the error log where each was refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA qw(sha256_hex);
use File::Find;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $top = "$FindBin::Bin/../..";
my $step = $ENV{STEP} // 1;

system("$top/t/bin/sanitize >&2") == 0 or die "t/bin/sanitize failed\n";

my $t = RegistryTest->new;
my ($control, $reports, $disk) = map { $t->dir . "/$_" }
    qw(control reports blobs);

write_file($control, pack 'L4', 0, 0, 0, 0);
chmod 0666, $control;
mkdir $reports;
chmod 01777, $reports;

$ENV{NGINX_BINARY} = "$top/build/sanitize/nginx";
$ENV{REGISTRY_MODULE} = "$top/build/sanitize/ngx_http_registry_module.so";
$ENV{FAIL_ALLOC} = $control;
$ENV{ASAN_OPTIONS} = "detect_odr_violation=0:detect_leaks=0"
    . ":log_path=$reports/report";
$ENV{UBSAN_OPTIONS} = "print_stacktrace=1:log_path=$reports/report";

# the rules of a recipe, and a password alone

my ($teams, $ruled) = read_file("$top/docs/recipes.md")
    =~ /^## Repositories by team\n.*?    # http\n(.*?)    # location\n(.*?)^\S/ms
    or die 'no recipe';
s{/etc/nginx/registry.htpasswd}{$reports/users} for $ruled;
write_file("$reports/users", "carol:{PLAIN}secret\n");

$t->start(workers => 1, auth => 0,
    http => "$teams\nregistry_cache_path $disk levels=1 keys_zone=blobs:1m;",
    server => join '',
        $t->location('/ruled/v2/', "registry_cache off;\n$ruled"),
        $t->location('/locked/v2/', 'registry_cache off; auth_basic x;'
            . " auth_basic_user_file $reports/users;"),
        $t->location('/asked/v2/', 'registry_cache off;'),
        $t->location('/sliced/v2/', 'registry_blob_cache blobs;'
            . 'registry_blob_cache_slice 256k;'));

my $c = $t->client;
my ($worker) = $t->workers;
my ($config, $layer) = ('{}', join '', map { sha256_hex($_) } 1 .. 10_000);
my @blobs = map { $c->push_blob('app', $_) } $config, $layer;
my ($manifest, $digest) = $c->manifest($config, $layer);
is $c->put_manifest('app', 'v1', $manifest)->{status}, 201, 'an image';

my $oci = 'application/vnd.oci.image.manifest.v1+json';
my $bytes = 'x' x 100_000;
my $sum = 'sha256:' . sha256_hex($bytes);
my $uploads = '/v2/app/blobs/uploads/';
my @carol = 'Authorization: Basic ' . encode_base64('carol:secret', '');

# name, what is expected, request; a request is a method, a path, headers, a
# body, or what makes these

my @kinds = (
    ['ping', 200, 'GET', '/v2/'],
    ['manifest', 200, 'GET', '/v2/app/manifests/v1'],
    ['manifest past the cache', 200, 'GET', '/asked/v2/app/manifests/v1'],
    ['manifest that is not there', 404, 'GET', '/asked/v2/app/manifests/no'],
    ['manifest that is pushed', 201, 'PUT', '/v2/app/manifests/v1',
        ["Content-Type: $oci"], $manifest],
    ['manifest that is none', 400, 'PUT', '/v2/app/manifests/v1',
        ["Content-Type: $oci"], 'none'],
    ['blob', 200, 'GET', "/asked/v2/app/blobs/$blobs[1]"],
    ['small blob', 200, 'GET', "/v2/app/blobs/$blobs[0]"],
    ['blob by HEAD', 200, 'HEAD', "/asked/v2/app/blobs/$blobs[1]"],
    ['range', 206, 'GET', "/asked/v2/app/blobs/$blobs[1]",
        ['Range: bytes=5-100000']],
    ['ranges', 206, 'GET', "/asked/v2/app/blobs/$blobs[1]",
        ['Range: bytes=0-9,2000-290000']],
    ['slices', 200, sub {
        find({ no_chdir => 1, wanted => sub { unlink if -f } }, $disk);
        return ('GET', "/sliced/v2/app/blobs/$blobs[1]") }],
    ['slices on disk', 200, 'GET', "/sliced/v2/app/blobs/$blobs[1]"],
    ['upload that begins', 202, 'POST', $uploads],
    ['chunk', 202, sub { return ('PATCH', $c->begin_upload('app'), [],
        $bytes) }],
    ['state of an upload', 204, sub {
        return ('GET', chunk()) }],
    ['upload that is closed', 201, sub {
        return ('PUT', $c->with_digest(chunk(), $sum)) }],
    ['upload that is cancelled', 204, sub { return ('DELETE', chunk()) }],
    ['blob in one request', 201, 'POST', "$uploads?digest=$sum", [], $bytes],
    ['blob of a wrong digest', 400, 'POST', "$uploads?digest=$blobs[0]", [],
        $bytes],
    ['mount', 201, 'POST', "/v2/b/blobs/uploads/?mount=$blobs[0]&from=app"],
    ['tag that is deleted', 202, sub {
        $c->put_manifest('app', 'v2', $manifest);
        return ('DELETE', '/v2/app/manifests/v2') }],
    ['tags', 200, 'GET', '/asked/v2/app/tags/list'],
    ['catalog', 200, 'GET', '/asked/v2/_catalog'],
    ['referrers', 200, 'GET', "/asked/v2/app/referrers/$digest"],
    ['foreign manifest', 403, 'GET', '/ruled/v2/app/manifests/v1', [@carol]],
    ['foreign push', 403, 'POST', "/ruled$uploads?digest=$sum", [@carol],
        $bytes],
    ['foreign mount', 403, 'POST',
        "/ruled/v2/blue/b/blobs/uploads/?mount=$blobs[0]&from=app", [@carol]],
    ['foreign delete', 403, 'DELETE', '/ruled/v2/app/manifests/v1', [@carol]],
    ['rule without a password', 401, 'GET', '/ruled/v2/app/manifests/v1'],
    ['query without a password', 401, 'GET', '/locked/v2/app/tags/list?n=5'],
    ['push without a password', 401, 'POST', "/locked$uploads?digest=$sum",
        [], $bytes],
    ['no route', 404, 'GET', '/v2/App/nothing'],
    ['no method', 405, 'DELETE', '/v2/'],
);

my %sum;

for (@kinds) {
    my ($name, @kind) = @$_;
    next if $ENV{KINDS} && $name !~ /$ENV{KINDS}/;
    torture($name, @kind);
}

ok alive(), 'the worker lives';
is join('', map { read_file($_) } glob "$reports/report*"), '',
    'the sanitizers report nothing';

my $r = $c->request('GET', "/v2/app/blobs/$blobs[1]");
ok $r->{status} == 200 && $r->{content} eq $layer, 'the blob, as it was';
is $c->request('GET', '/v2/app/manifests/v1')->{content}, $manifest,
    'the manifest, as it was';

diag join ', ', map { "$_: $sum{$_}" } sort keys %sum;

$t->finish(crit => qr/malloc|memalign|no memory|Cannot allocate/);


sub torture {
    my ($name, $expected, @request) = @_;

    my $make = ref $request[0] ? $request[0] : sub { @request };
    my $good = ask($make->());
    is $good && $good->{status}, $expected, "$name: with memory";

    my $open = descriptors();

    for my $many (0, 1) {
        my ($n, $count, $refused, @wrong) = (1, 0);

        for (;; $n += $step) {
            my @one = $make->();

            write_control($n, $many ? 0xffffffff : $n);
            my $r = ask(@one);
            (undef, undef, $count, $refused) = unpack 'L4',
                read_file($control);
            write_control(0, 0);

            my $what = judge($r, $good);
            $sum{$what}++;
            push @wrong, "$n: $what" if $what =~ /^wrong|^no end/;

            if ($many || $n % 5 == 0) {
                my $again = ask($make->());
                push @wrong, "$n: afterwards " . ($again->{status} // 'nothing')
                    if judge($again, $good) ne 'right';
            }

            last if !$refused || @wrong > 5 || !alive();
        }

        is join("\n", @wrong), '', "$name: " . ($many
            ? "all but so many of $count" : "each of $count");
    }

    my $more;
    for (1 .. 50) {
        $more = descriptors() - $open;
        last if $more <= 4;
        sleep 0.1;
    }
    cmp_ok $more, '<=', 4, "$name: descriptors";
}


sub judge {
    my ($r, $good) = @_;

    return 'no end: ' . substr($r->{got}, 0, 40) if $r->{timeout};
    return 'connection ended' if !$r->{status} || !$r->{whole};
    return "$r->{status}" if $r->{status} =~ /^50[03]$/;

    # a rule that cannot be evaluated refuses whoever it is

    return 'refused' if $r->{status} != $good->{status}
        && grep({ $r->{status} == $_ } 401, 403)
        && grep { $good->{status} == $_ } 401, 403;

    return "wrong: $r->{status} " . substr $r->{content}, 0, 200
        if $r->{status} != $good->{status};

    # an error may be told without its text

    return $r->{content} eq $good->{content}
        || $r->{status} >= 400 && $r->{content} eq ''
        || mask($r->{content}) eq mask($good->{content})
        ? 'right' : 'wrong: other bytes';
}


# the border of ranges is another one each time

sub mask {
    my ($content) = @_;

    my ($border) = $content =~ /\A(?:\r\n)?--(\S+)\r\n/ or return $content;

    return $content =~ s/\Q$border\E//gr;
}


sub ask {
    my ($method, $path, $headers, $body) = @_;

    $path =~ s{^https?://[^/]+}{};
    my $socket = IO::Socket::INET->new(PeerAddr => $c->{address})
        or return {};

    local $SIG{PIPE} = 'IGNORE';
    $socket->autoflush(1);
    print $socket join "\r\n", "$method $path HTTP/1.1", 'Host: localhost',
        'Connection: close', 'Accept: */*', @{ $headers // [] },
        defined $body ? 'Content-Length: ' . length $body
            : $method =~ /^P/ ? 'Content-Length: 0' : (),
        '', $body // '';

    my ($answer, $end) = ('', time + 20);

    while (IO::Select->new($socket)->can_read($end - time)) {
        sysread($socket, $answer, 65536, length $answer) or return
            whole($method, $answer);
    }

    return { timeout => 1, got => $answer };
}


sub whole {
    my ($method, $answer) = @_;

    my $r = RegistryTest::Client::parse($answer) // return {};
    my $length = $r->{headers}{'content-length'};

    $r->{whole} = defined $r->{content} && (
        $method eq 'HEAD' || $r->{status} == 204
        || (defined $length ? length $r->{content} == $length
            : $r->{content} =~ /(^|\r\n)0\r\n\r\n\z/));

    return $r;
}


# an upload with a chunk: its Location

sub chunk {
    my $r = $c->request('PATCH', $c->begin_upload('app'), {
        headers => { 'Content-Type' => 'application/octet-stream' },
        content => $bytes });

    return $r->{headers}{location};
}


sub write_control {
    my ($first, $last) = @_;

    open my $fh, '+<', $control or die "$control: $!";
    syswrite $fh, pack 'L4', $first, $last, 0, 0;
    close $fh;
}


sub alive {
    return -d "/proc/$worker";
}


sub descriptors {
    my @fds = glob "/proc/$worker/fd/*";

    return scalar @fds;
}
