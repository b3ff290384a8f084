#!/usr/bin/perl

# share/status.html in a real browser: the figures are those of the counters,
# while clients push and pull; its scripts are those that its policy allows.
# With SCREENSHOTS=DIR pictures are left there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_base64);
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);
use RegistryTest::Process;


my $t = RegistryTest->new;
my $page = "$FindBin::Bin/../share/status.html";
my $html = read_file($page);
my $pictures = $ENV{SCREENSHOTS} // $t->dir;


# the policy names what is in the file, and the file names nobody else

for my $tag (qw(script style)) {
    my ($text) = $html =~ m{<$tag>(.*?)</$tag>}s;
    my $hash = sha256_base64($text) . '=';
    like($html, qr/$tag-src 'sha256-\Q$hash\E'/,
        "the policy has $tag-src 'sha256-$hash'");
}

unlike($html, qr{\b(?:src|href)=|\@import|(?<!new )url\(|style=|\son\w+=}i,
    'nothing of elsewhere, nothing that the policy forbids');
unlike($html =~ s{http://www\.w3\.org/2000/svg}{}r, qr{https?://}i,
    'no address of elsewhere');


$t->start(workers => 2,
    http => 'limit_req_zone $server_port zone=look:64k rate=4r/s;',
    directives => 'registry_health interval=200ms threshold=2;',
    server => "location = /status { alias $page; default_type text/html; }"
        . 'location = /status.json { registry_status json;'
        . ' limit_req zone=look burst=999; }');

my $c = $t->client;
my @image = ('{"os":"linux"}', 'layer');


sub push_pull {
    my ($name) = @_;

    my $big = rand() . 'x' x 300_000;
    $c->push_blob($name, $_) for @image, $big;
    my ($bytes, $digest) = $c->manifest(@image, $big);
    $c->put_manifest($name, 'v1', $bytes);
    $c->request('GET', $_) for map { "/v2/$name/$_" } 'manifests/v1',
        'manifests/none', "blobs/$digest", ("manifests/$digest") x 20;
}


push_pull('a/b') for 1 .. 3;
$c->request('GET', '/v2/', { headers => { Authorization => undef } });


# A client at work while the page looks.  The browser's clock stands still
# while it waits for an answer, and else has no time to lose: limit_req makes
# time for the client.

my $parent = $$;
my $load = fork // die;

if ($load == 0) {
    while (getppid == $parent) {
        eval { push_pull('load/' . int rand 9) };
        select undef, undef, undef, rand 0.2;
    }
    require POSIX;
    POSIX::_exit(0);
}


sub chromium {
    my ($what, @more) = @_;

    return $t->run('chromium', '--headless', '--no-sandbox', '--disable-gpu',
        '--disable-dev-shm-usage', '--hide-scrollbars',
        "--user-data-dir=@{[ $t->dir ]}/chromium", '--window-size=1280,1500',
        "--virtual-time-budget=$what", @more,
        "http://127.0.0.1:$t->{plain_port}/status?every=0.5");
}


my $dom = chromium(6000, '--dump-dom');


# the text of the figures of a card

sub figures {
    my ($id) = @_;

    my ($card) = $dom =~ m{<section[^>]* id="$id"[^>]*>(.*?)</section>}s
        or return;

    return $card =~ m{<b[^>]*>(.*?)</b>}g;
}


# the cells of a table's row that begins so

sub row {
    my ($id, $first) = @_;

    my ($table) = $dom =~ m{<section[^>]* id="$id"[^>]*>(.*?)</section>}s
        or return;
    my ($row) = $table =~ m{<tr><td[^>]*>\Q$first\E</td>(.*?)</tr>}s
        or return;

    return $row =~ m{<td[^>]*>(.*?)</td>}g;
}


like($dom, qr{id="link"[^>]*>live<}, 'the page is live');
like($dom, qr{id="health"[^>]*>healthy<}, 'and says that all is well');
like($dom, qr{id="about"[^>]*>[^<]*nginx \d+\.\d+\.\d+}, 'versions');

like((figures('requests'))[0], qr{^[1-9][\d.]*( k)?/s$}, 'requests');
like($_, qr{^\d[\d.]* (m?s)$}, "a time of requests: $_")
    for figures('latency');
is(scalar(() = figures('latency')), 3, 'three of them');
like($_, qr{^\d[\d.]* m?s$}, "a time of the storage: $_")
    for figures('storage');
like($_, qr{^[1-9][\d.]* [kM]B/s$}, "bytes: $_") for figures('bytes');
like((figures('cache'))[0], qr{^[1-9][\d.]* %$}, 'the cache');
like((figures('errors'))[0], qr{^[\d.]+/s$}, 'errors');
like((figures('calls'))[0], qr{^[1-9][\d.]*( k)?/s$}, 'storage calls');
like((figures('flight'))[0], qr{^\d+$}, 'in flight');
is(scalar(() = $dom =~ m{<path class="sa" d="(?!M0 0")M}g), 8,
    'each chart has a line');

my ($n) = row('operations', 'GET manifest');
cmp_ok($n =~ s/ k$//r * ($n =~ /k/ ? 1000 : 1), '>=', 60,
    'manifests were asked for');
cmp_ok((row('actions', 'PutContent'))[0], '>=', 3, 'links were written');
cmp_ok((row('codes', 'MANIFEST_UNKNOWN'))[0], '>=', 3, 'an error');
is((row('codes', 'UNAUTHORIZED'))[0], 1, 'another one');
is((row('checks', $t->container))[1], 'healthy', 'the container');


# light and dark, as they are seen

chromium(5000, "--screenshot=$pictures/light.png");
chromium(5000, "--screenshot=$pictures/dark.png",
    '--blink-settings=preferredColorScheme=0');
isnt(read_file("$pictures/light.png"), read_file("$pictures/dark.png"),
    'light and dark differ');
cmp_ok(-s "$pictures/light.png", '>', 50_000, 'a picture with something in'
    . ' it');


# "?from=" of another server is not asked

for ('http://127.0.0.1:1/status.json', '//127.0.0.1:1/', 'data:,{}') {
    like($t->run('chromium', '--headless', '--no-sandbox', '--disable-gpu',
        '--disable-dev-shm-usage',
        "--user-data-dir=@{[ $t->dir ]}/chromium",
        '--virtual-time-budget=3000', '--dump-dom',
        "http://127.0.0.1:$t->{plain_port}/status?from=$_"),
        qr{id="link"[^>]*>live<}, "?from= of another server: $_");
}


# no nginx

kill 'KILL', $load;
waitpid $load, 0;

$dom = $t->run('chromium', '--headless', '--no-sandbox', '--disable-gpu',
    '--disable-dev-shm-usage', "--user-data-dir=@{[ $t->dir ]}/chromium",
    '--virtual-time-budget=3000', '--dump-dom',
    "http://127.0.0.1:$t->{plain_port}/status?from=nothing.json");
like($dom, qr{id="link"[^>]*>no figures: status 404<},
    'it says that there is nothing to see');

$t->stop;
$t->check_log;
done_testing();
