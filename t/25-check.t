#!/usr/bin/perl

# registry-check: a container that registry:2 and this module filled is clean;
# each kind of damage, made by hand, is found and nothing else; what it offers
# to repair is clean afterwards; a storage that fails is no finding.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex sha512_hex);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


my $top = "$FindBin::Bin/..";
my $V2 = 'files/docker/registry/v2';
my %was;                                # objects before a test changed them

my $new = RegistryTest->new;
my $old = RegistryTest->new(under_test => 'docker-registry',
                            container => $new->container);
my $store = $new->store;

my $dir = $ENV{CHECK_BUILD} // 'build/check';
my $flags = $ENV{CHECK_FLAGS}
    // '-O1 -fsanitize=address,undefined -fno-sanitize-recover=all';

$new->run('make', '-s', '-C', $top, "BUILD_DIR=$dir", "CFLAGS=-g $flags",
    "$dir/registry-check");

my $tool = "$top/$dir/registry-check";
my @options = ('--container', $new->container, '--grace', 0);

$_->start for $new, $old;


# nothing is there yet

fails('a container without a registry', qr/has no registry in it/);


# an image of each, in both ways, and an index

my %image = map { $_->[0] => push_image(@$_) }
    ['by/old', $old], ['by/new', $new], ['by', $new];

my $child = $image{'by/new'}{manifest};
my $index = encode_json({
    schemaVersion => 2,
    mediaType => 'application/vnd.oci.image.index.v1+json',
    manifests => [{
        mediaType => 'application/vnd.oci.image.manifest.v1+json',
        digest => $child, size => length $image{'by/new'}{bytes},
    }],
});
put_index('by/new', 'all', $index);

is_deeply [check()], [], 'what both wrote is clean';
is_deeply [check('--deep')], [], 'its bytes, too';

my $text = $new->run_ok('it is told', $tool, @options);
like $text, qr/^0 problems, .* 3 repositories, 4 tags, 4 manifests,/m,
    'with figures';
is $new->run($tool, @options, '--quiet'), '', 'or not, with --quiet';


# an image whose layer has three segments, as registry:2 and as we have them

my @segments = map { chr(ord('a') + $_) x 1000 } 0 .. 2;
my $big = join '', @segments;
my $big_blob = blob('sha256:' . sha256_hex($big));

push_image('large', $new, $big);

for my $own (0, 1) {
    my $prefix = $own ? 'segments/ngx/0b0e1d5c/' : 'segments/abc/0123456789';
    my @names = map {
        sprintf $own ? '%s%016d' : '%s/%016d', $prefix,
                $own ? 1000 * $_ : $_ + 1;
    } 0 .. 2;
    my $head = { 'X-Object-Manifest' => $new->container . "/$prefix" };
    my $who = $own ? 'our' : "registry:2's";

    put($names[$_], $segments[$_]) for 0 .. 2;
    put($big_blob, '', $head);
    settle();

    is_deeply [check('--deep')], [], "$who large object is clean";

    for my $i (0, 1) {
        damage("$who segment $i is missing",
            ["blob-segment-missing $big_blob"], sub { del($names[$i]) });
    }

    damage("$who last segment is missing", ["blob-size $big_blob"],
        sub { del($names[2]) });

    damage("$who segments are all missing", ["blob-no-segments $big_blob"],
        sub { del($_) for @names });

    damage("$who segment expires", ["blob-expires $names[1]"],
        sub { put($names[1], $segments[1], { 'X-Delete-After' => 10000 }) });

    my $upload = "$V2/repositories/large/_uploads/"
        . '0c2d7a6e-0d84-4d4c-9c3f-0a8f1f0e7b11';

    damage("$who segments are an upload's, too",
        ["blob-shared-segments $big_blob", "upload-leftover $upload/"],
        sub {
            put("$upload/data", '', $head);
            put("$upload/startedat", '2020-01-01T00:00:00Z');
        });

    damage("$who segments have a name in front of theirs",
        ["blob-shared-segments $big_blob", "upload-leftover $upload/"],
        sub {
            put("$upload/data", '',
                { 'X-Object-Manifest' => substr $head->{'X-Object-Manifest'},
                      0, -1 });
        });

    damage("$who segments of no object",
        ["segment-orphan " . ($own ? $prefix : "$prefix/")],
        sub { put($big_blob, $big) });

    put($big_blob, $big);
    del($_) for @names;
    settle();
}


# blobs

my $layer = $image{'by/new'}{layer};
my $data = blob($layer);

damage('a blob is empty', ["blob-empty $data"], sub { put($data, '') });
damage('a blob expires', ["blob-expires $data"], sub {
    put($data, get($data), { 'X-Delete-After' => 10000 });
});
saved($data);
damage('a blob is longer', ["blob-size $data"], sub {
    put($data, get($data) . 'x');
});
damage('a blob has other bytes', ["blob-digest $data"], sub {
    put($data, get($data) =~ s/^./!/sr);
    is_deeply [check()], [], 'which needs --deep';
}, '--deep');
damage('a blob is missing', ["blob-missing $data"], sub { del($data) });

damage('a blob that nothing names',
    ['blob-unreferenced ' . blob('sha256:' . sha256_hex('garbage'))],
    sub { put(blob('sha256:' . sha256_hex('garbage')), 'garbage') });


# links; all can be written again from their names

$layer = $image{'by/old'}{layer};
$data = blob($layer);

my $old_repo = "$V2/repositories/by/old";
my $layer_link = link_of($old_repo, '_layers', $layer);
my $manifest = $image{'by/old'}{manifest};
my $revision = link_of($old_repo, '_manifests/revisions', $manifest);
my $current = "$old_repo/_manifests/tags/v1/current/link";
my $history = link_of($old_repo, '_manifests/tags/v1/index', $manifest);

my %body = map { $_ => get($_) }
    $layer_link, $revision, $current, $history;

for ([empty => sub { '' }], [newline => sub { "$_[0]\n" }],
     [malformed => sub { 'sha256:12' }],
     [wrong => sub { 'sha256:' . '0' x 64 }])
{
    my ($kind, $wrong) = @$_;

    # nothing tells that a tag's link is wrong
    my @links = grep { $kind ne 'wrong' || $_ ne $current } sort keys %body;

    repairs("links: $kind", [map { "link-$kind $_" } @links], 'links',
        sub { put($_, $wrong->($body{$_})) for @links });
    is_deeply [map { get($_) } @links], [@body{@links}],
        'have their texts again';
}

# a link is a right to read, which a manifest alone does not prove

del($layer_link);
settle();
is_deeply [grep { $_->{type} eq 'repair' } check_json('--repair', 'safe')], [],
    'a layer that is not linked: is left so by "safe"';
is $store->swift('HEAD', "/$layer_link")->{status}, 404, 'it is';
put($layer_link, $body{$layer_link});
settle();

repairs('a layer is not linked', "layer-link-missing $layer_link", 'layers',
    sub { del($layer_link) });
is get($layer_link), $layer, 'is linked';

repairs('a revision of a tag is not linked', "tag-revision-missing $current",
    'revisions', sub { del($revision) });
is get($revision), $manifest, 'is linked';

my $nothing = 'sha256:' . '1' x 64;

for (1, 0) {
    my $gone = link_of($old_repo, '_layers', $nothing);

    repairs('a layer that is not there', "layer-dangling $gone",
        'dangling-links', sub { put($gone, $nothing) });

    $gone = link_of($old_repo, '_layers', 'sha512:' . '1' x 128);

    repairs('an alias of nothing', "alias-dangling $gone",
        'dangling-links',
        sub { put($gone, $_ ? $nothing : 'sha512:' . '1' x 128) });
}

my $alias = 'sha512:' . sha512_hex(get($data));
my $alias_link = link_of($old_repo, '_layers', $alias);
put($alias_link, $layer);
settle();
is_deeply [check()], [], 'an alias of something';


# tags and manifests

my $tag = "$old_repo/_manifests/tags/gone";
my $tag_history = link_of($old_repo, '_manifests/tags/gone/index', $nothing);

repairs('a tag of nothing', "tag-dangling $tag/current/link",
    'dangling-tags', sub {
        put($tag_history, $nothing);
        put("$tag/current/link", $nothing);
    });

repairs('a tag without a current link', "tag-no-current $tag/current/link",
    'dangling-tags', sub {
        put(link_of($old_repo, '_manifests/tags/gone/index', $manifest),
            $manifest);
    });

damage('a tag that has a history only',
    ["tag-no-current $current"], sub { del($current) });

repairs('a deleted manifest in the history of a tag',
    'tag-index-dangling '
        . link_of($old_repo, '_manifests/tags/v1/index', $nothing),
    'dangling-links', sub {
        put(link_of($old_repo, '_manifests/tags/v1/index', $nothing),
            $nothing);
    });

my $manifest_data = blob($manifest);

damage('a manifest is missing', [
        'blob-unreferenced ' . blob($image{'by/old'}{config}),
        "blob-unreferenced $data",
        "manifest-missing $revision",
    ], sub { del($manifest_data) });

damage('a manifest has other bytes', [
        'blob-unreferenced ' . blob($image{'by/old'}{config}),
        "blob-unreferenced $data",
        "manifest-digest $manifest_data",
    ], sub { put($manifest_data, get($manifest_data) =~ s/^\{/ /r) });

my $no_manifest = link_of($old_repo, '_manifests/revisions', $layer);

damage('a layer is linked as a manifest', ["manifest-unreadable $data"],
    sub { put($no_manifest, $layer) });

damage('a signature of an old registry',
    ["signature-link $old_repo/_manifests/revisions/"
        . RegistryTest::slash($manifest) . '/signatures/'
        . RegistryTest::slash($nothing) . '/link'],
    sub {
        put("$old_repo/_manifests/revisions/"
            . RegistryTest::slash($manifest) . '/signatures/'
            . RegistryTest::slash($nothing) . '/link', $nothing);
    });

my $new_repo = "$V2/repositories/by/new";
my $index_link = link_of($new_repo, '_manifests/revisions',
    'sha256:' . sha256_hex($index));

damage('an index of which a manifest is deleted',
    ["index-sparse $index_link"], sub {
        del(link_of($new_repo, '_manifests/revisions', $child));
        del("$new_repo/_manifests/tags/v1/current/link");
        del(link_of($new_repo, '_manifests/tags/v1/index', $child));
    }, () , 'loose');


# what refers to a manifest: listed by this module, not by registry:2

my $referrer = encode_json({
    schemaVersion => 2,
    mediaType => 'application/vnd.oci.image.manifest.v1+json',
    artifactType => 'application/vnd.example',
    config => { mediaType => 'application/vnd.oci.empty.v1+json', size => 2,
        digest => $new->client->push_blob('by/new', '{}') },
    layers => [],
    subject => { mediaType => 'application/vnd.oci.image.manifest.v1+json',
        digest => $child, size => length $image{'by/new'}{bytes} },
});
my $referrer_digest = 'sha256:' . sha256_hex($referrer);
my $entry = "referrers/by/new/_subjects/" . RegistryTest::slash($child) . '/'
    . RegistryTest::slash($referrer_digest);

$old->client->put_manifest('by/new', 'signature', $referrer);
is_deeply [check('--repair', 'referrers')], ["referrer-missing $entry"],
    'a referrer that registry:2 took';
my $repaired = $store->swift('GET', url($entry));
del($entry);
$new->client->put_manifest('by/new', 'signature', $referrer);
settle();
is_deeply [check()], [], 'is repaired';
my $written = $store->swift('GET', url($entry));

for ($repaired, $written) {
    $_ = [@$_{'status', 'content'}, $_->{headers}{'content-type'}];
}

is_deeply $repaired, $written, 'as this module writes it';

for my $name ('by/new', 'by/nobody', 'zzz') {
    my $stale = "referrers/$name/_subjects/" . RegistryTest::slash($child)
        . '/' . RegistryTest::slash($nothing);

    repairs("a referrer that is deleted, of $name", "referrer-stale $stale",
        'referrers', sub { put($stale, '{}') });
}


# what registry:2 cannot walk past

repairs('a directory marker', "marker $V2/repositories/by/", 'markers',
    sub { put("$V2/repositories/by/", '') });
repairs('the marker of all', "marker $V2/repositories/", 'markers',
    sub { put("$V2/repositories/", '') });
repairs('a marker outside', "marker $V2/", 'markers',
    sub { put("$V2/", '') });
damage('an object in the place of a directory',
    ["directory-object $V2/repositories/by/old"],
    sub { put("$V2/repositories/by/old", 'x') });
damage('an object in the place of all',
    ["directory-object $V2/repositories"],
    sub { put("$V2/repositories", 'x') });
damage('a name of other characters',
    ["foreign-name $V2/repositories/by/a b"],
    sub { put("$V2/repositories/by/a b", 'x') });
damage('objects of nobody',
    ['foreign backup/', "foreign $V2/repositories/by/README"],
    sub {
        put('backup/1', 'x');
        put("$V2/repositories/by/README", 'x');
    });


# what is left over

my $part = 'uploads/by/new/_parts/0b0e1d5c/' . '0' x 16 . '-' . '0' x 16 . '-' . '0' x 15 . '1';

damage('a part of an upload',
    ['parts-leftover uploads/by/new/_parts/0b0e1d5c/'],
    sub { put($part, 'x', { 'X-Delete-After' => 10000 }) });
damage('a part that stays',
    ['part-no-expiry uploads/by/new/_parts/0b0e1d5c/'],
    sub { put($part, 'x') });


# what is young is in work

put($layer_link, '');
is_deeply [check('--grace', '1h')], [], 'what is young is not judged';
restore();


# it may run beside pushes and deletes

my $pusher = fork // die $!;

if ($pusher == 0) {
    my $c = $new->client;

    for my $n (1 .. 1000) {
        my $image = push_image('busy', $new, "layer $n " x 100, "v$n");
        $c->request('DELETE', "/v2/busy/manifests/$image->{manifest}")
            if $n % 2;
    }

    POSIX::_exit(0);
}

my @busy = map { grep { $_->{type} eq 'problem' } check_json() } 1 .. 6;
kill 'TERM', $pusher;
waitpid $pusher, 0;

is_deeply \@busy, [], 'what is going on is no problem';

# nginx ends what the pusher had begun

select undef, undef, undef, 1.5;

for (qw(files uploads)) {
    my @names = map { $_->{name} } @{ $store->list($_) };
    del($_) for grep { m{/busy/} } @names;
}

del(blob((split / /)[1] =~ s{.*/(\w+)/data$}{sha256:$1}r))
    for grep { /^blob-unreferenced/ } check();
settle();
is_deeply [check()], [], 'and none is left';


# nothing is done in vain, or without being told

put($layer_link, '');
is_deeply [check('--repair', 'layers,revisions,markers')],
    ["link-empty $layer_link"], 'a repair of another kind';
is get($layer_link), '', 'leaves it alone';

my @lines = check_json('--repair', 'safe', '--dry-run');
is_deeply [map { "$_->{result} $_->{action} $_->{object}" }
               grep { $_->{type} eq 'repair' } @lines],
    ["planned write $layer_link"], 'a dry run plans';
is get($layer_link), '', 'and does nothing';
is $lines[-1]{exit_status}, 1, 'the problem is still there';

like $new->run('sh', '-c', "'$tool' @options --repair links; echo \$?"),
    qr/^  wrote \Q$layer_link\E\n.*^1 problems, 1 repaired,.*^0$/ms,
    'a repaired problem is none';
restore();

put($layer_link, '');
put($data, '');
is_deeply [grep { $_->{type} eq 'repair' } check_json('--repair', 'links')],
    [{ type => 'repair', repair => 'links', kind => 'link-empty',
       action => 'write', object => $layer_link, repository => 'by/old',
       result => 'skipped', detail => 'what it links is not there' }],
    'nothing is linked that is not whole';
restore();

is_deeply [map { $_->{type} } check_json()], ['summary'],
    'all is as it was';


# a storage that fails: status 2, whatever was found, and nothing is changed

put($layer_link, '');

my $port = RegistryTest::free_port();
my $proxy = RegistryTest::Process->start(
    name => 'proxy', log => $new->dir . '/proxy.log',
    command => [$^X, "-I$FindBin::Bin/lib", '-MRegistryTest::Faulty',
        '-e', 'RegistryTest::Faulty::run(@ARGV)', $port, $store->url]);
$proxy->wait_until('listening', sub { RegistryTest::answers($port) });

my @faults = (
    ['503', 'HEAD .*/data$', qr/HEAD \S+data: the storage answered 503/],
    ['503', 'GET .*/link$', qr/GET \S+link: the storage answered 503/],
    ['503', 'GET .*marker=', qr/GET container: the storage answered 503/],
    ['401', 'HEAD .*/data$', qr/HEAD \S+data: the storage refuses a fresh/],
    ['403', 'HEAD .*/data$', qr/HEAD \S+data: the storage answered 403/],
    ['301', 'GET .*/data$', qr/GET \S+data: the storage answered 301/],
    ['cut', 'GET .*/data$', qr/GET \S+data: .* bytes remaining/],
    ['close', 'HEAD .*/data$', qr/HEAD \S+data: .*tried 4 times/],
    ['hang', 'GET .*/data$', qr/GET \S+data: .*too slow.*tried 4 times/],
    ['404', 'GET .*prefix=segments', qr/there is no container/],
    ['none', 'GET .*prefix=files', qr/has no registry in it/],
    ['none', 'GET .*prefix=files\S*blobs', qr/repositories, but no blob/],
    ['again', 'GET .*marker=files', qr/the storage repeats its listing/],
    ['garbage', 'GET .*prefix=', qr/sent a listing that cannot be read/],
    ['foreign', 'GET .*prefix=files', qr/lists what it was not asked for/],
    ['header', 'HEAD .*/data$', qr/HEAD \S+data: .*tried 4 times/],
);

my @runs = map {
    my ($fault, $request) = @$_;
    my $n = unpack 'H*', "$fault $request";

    RegistryTest::Process->start(
        name => 'registry-check', out => $new->dir . "/$n.out",
        log => $new->dir . "/$n.err", command => [
            'timeout', 300, $tool, @options, '--repair', 'safe', '--timeout',
            $fault eq 'hang' ? 3 : 30, '--json',
            '--storage-url', "http://127.0.0.1:$port/fault/$n"]);
} @faults;

for my $i (0 .. $#faults) {
    my ($fault, $request, $why) = @{ $faults[$i] };
    my $n = unpack 'H*', "$fault $request";

    is $runs[$i]->wait, 2, "$fault of $request";
    like read_file($new->dir . "/$n.err"), $why, 'says so';
    like +(split /\n/, read_file($new->dir . "/$n.out"))[-1],
        qr/^\{"type":"error","detail":"/, 'in JSON, too';
}

is get($layer_link), '', 'nothing was changed';
restore();

# sizes that no sum can hold

my $huge = $new->command($tool, @options, '--json', '--storage-url',
    "http://127.0.0.1:$port/fault/" . unpack 'H*', 'huge .*');
is $huge->{status}, 1, 'sizes that are too large to be added';
is decode_json((split /\n/, $huge->{out})[-1])->{bytes},
    9223372036854775807, 'their sum is the largest number';

$proxy->stop;


# the token goes to no host that only the auth server names

my ($auth, $evil) = map { RegistryTest::free_port() } 1 .. 2;
my %answers = (
    host => ['AUTH_good', "http://127.0.0.1:$evil/swift/v1", qr/another host/],
    name => ['AUTH_good', "http://localhost:$auth/swift/v1", qr/another host/],
    longer => ['AUTH_good', "http://127.0.0.1:${auth}0/v1", qr/another host/],
    secure => ['AUTH_good', "https://127.0.0.1:$auth/v1", qr/another host/],
    user => ['AUTH_good', "http://127.0.0.1:$auth\@evil/v1", qr/URL that is/],
    file => ['AUTH_good', 'file:///etc/passwd', qr/URL that is none/],
    up => ['AUTH_good', "http://127.0.0.1:$auth/v1/../x", qr/URL that is/],
    query => ['AUTH_good', "http://127.0.0.1:$auth/v1?x", qr/URL that is/],
    blank => ['AUTH_good', "http://127.0.0.1:$auth/v1 x", qr/URL that is/],
    token => ["AUTH\x01bad", "http://127.0.0.1:$auth/v1", qr/a token that/],
);

$new->stop;
$new->start(http => "server { listen 127.0.0.1:$evil; access_log "
    . $new->dir . "/evil.log; return 200; }"
    . "server { listen 127.0.0.1:$auth;" . join('', map {
        "location = /$_ { add_header X-Auth-Token '$answers{$_}[0]';"
        . " add_header X-Storage-Url '$answers{$_}[1]'; return 204; }"
    } sort keys %answers) . '}');

fails("auth server: $_", $answers{$_}[2],
    '--auth-url', "http://127.0.0.1:$auth/$_") for sort keys %answers;
ok !-s $new->dir . '/evil.log', 'nobody else was asked';
is_deeply [check('--storage-url', $store->url)], [],
    'one that is named by who runs it';

fails('no such container', qr/there is no container "nonesuch"/,
    '--container', 'nonesuch');
fails('a wrong user', qr/refused user "nobody:x"/, '--user', 'nobody:x');
fails('no storage', qr/no token from http:.*Failed to connect/,
    '--auth-url', 'http://127.0.0.1:1/auth');
fails('no TempAuth', qr/answered/,
    '--auth-url', "http://$ENV{RGW_ENDPOINT}/swift/info");
fails('no such key file', qr/No such file/, '--key-file', '/nonesuch');
fails('an unknown option', qr/--help lists/, '--nonesuch');
fails('an unknown repair', qr/no kind "all"/, '--repair', 'links,all');
fails('a wrong number', qr/--grace "-1" is not/, '--grace', '-1');
fails('a dry run of nothing', qr/--dry-run without --repair/, '--dry-run');

write_file($new->dir . '/key', "$ENV{RGW_SECRET_KEY}\n");
for (0640, 0604) {
    chmod $_, $new->dir . '/key';
    fails((sprintf 'a key file of mode %o', $_), qr/chmod 600 mends it/,
        '--key-file', $new->dir . '/key');
}

chmod 0600, $new->dir . '/key';
{
    local $ENV{RGW_SECRET_KEY} = 'wrong';
    is_deeply [check('--key-file', $new->dir . '/key')], [], 'a key file';
}

like $new->run_ok('--help', $tool, '--help'), qr/^usage: registry-check/,
    'tells how';


$old->stop;
$new->finish;


# Pushes by the registry API: {config, layer, manifest (digests), bytes}.

sub push_image {
    my ($name, $to, $bytes, $tag) = @_;

    my $c = $to->client;
    my $config = qq({"architecture":"amd64","name":"$name"});
    $bytes //= "layer of $name " x 1000;

    my %r = (config => $c->push_blob($name, $config),
             layer => $c->push_blob($name, $bytes));

    ($r{bytes}, $r{manifest}) = $c->manifest($config, $bytes);

    my $r = $c->put_manifest($name, $tag // 'v1', $r{bytes});
    die "PUT: $r->{status} $r->{content}" if $r->{status} != 201;

    return \%r;
}


sub put_index {
    my ($name, $tag, $bytes) = @_;

    my $r = $new->client->put_manifest($name, $tag, $bytes,
        'application/vnd.oci.image.index.v1+json');
    die "PUT: $r->{status} $r->{content}" if $r->{status} != 201;
}


# All lines of JSON; each of them is an object for jq, too.

sub check_json {
    my (@more) = @_;

    my $r = $new->command($tool, @options, '--json', @more);
    my @lines = map { decode_json($_) } split /\n/, $r->{out};

    diag "status $r->{status}: $r->{err}"
        if $r->{status} > 1 || $r->{err} ne '' || !@lines;
    is $lines[-1]{exit_status}, $r->{status}, 'the exit status is told'
        if ($lines[-1]{exit_status} // '') ne $r->{status};

    $new->run({ stdin => $r->{out} }, 'jq', '-e', '.type')
        if !our $jq_did++;

    return @lines;
}


# "kind object" of each problem and note, sorted.

sub check {
    my @lines = check_json(@_);
    my @found = grep { $_->{type} =~ /problem|note/ } @lines;
    my $problems = grep { $_->{type} eq 'problem' } @found;
    my $left = $problems - $lines[-1]{repaired};

    is $lines[-1]{exit_status}, $left ? 1 : 0, 'exit status'
        if $lines[-1]{exit_status} != ($left ? 1 : 0);

    return sort map { "$_->{kind} $_->{object}" } @found;
}


# Makes the damage, wants these findings, takes the damage back.

sub damage {
    my ($name, $want, $make, @more) = @_;

    my $loose = @more && $more[-1] eq 'loose' ? pop @more : 0;

    $make->();

    my @found = check(@more);
    @found = grep { !/^blob-unreferenced|^layer-dangling/ } @found if $loose;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply \@found, [sort @$want], $name;

    restore();
}


# The same, but the tool takes it back.

sub repairs {
    my ($name, $want, $repair, $make) = @_;

    $make->();

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply [check('--repair', $repair)], [ref $want ? @$want : $want],
        $name;
    is_deeply [check()], [], "$name: repaired";

    restore();
}


# What docs/registry-check.md tells of blobs that expire, done by hand.  Wherever
# it ends, the bytes are at one of the names, and what is found says what is left
# to do.

sub saved {
    my ($blob) = @_;

    my $bytes = get($blob);
    my $aside = 'saved/data';
    my $status = sub { $store->swift('HEAD', url($_[0]))->{status} };

    put($blob, $bytes, { 'X-Delete-After' => 10000 });
    settle();

    is copy($blob, $aside), 201, 'saved: copied aside';
    ok stays($aside, $bytes), 'saved: without the expiry, with its bytes';
    is_deeply [check()], ["blob-expires $blob", "foreign saved/"],
        'saved: cut behind the copy';

    # its time passes; RGW lists it until it is collected
    $store->swift('POST', url($blob), { headers => {
        'X-Delete-After' => 1,
        'Content-Type' => 'application/octet-stream' } });
    for (1 .. 600) {
        last if $status->($blob) == 404
            && !($ENV{CEPH_CONF} && grep { $_ eq $blob } @{ $store->names });
        select undef, undef, undef, 0.1;
    }
    is $status->($blob), 404, 'saved: the old one has gone';
    is_deeply [check()], ["blob-missing $blob", "foreign saved/"],
        'saved: cut before it is copied back';

    is copy($aside, $blob), 201, 'saved: copied back';
    ok stays($blob, $bytes), 'saved: without an expiry, with its bytes';
    is_deeply [check('--deep')], ["foreign saved/"],
        'saved: cut before the copy is deleted';

    $store->swift('DELETE', url($aside));

    # two rounds of what collects in RGW
    sleep 11 if $ENV{CEPH_CONF};
    ok stays($blob, $bytes), 'saved: it stays';
    is_deeply [check('--deep')], [], 'saved: and all is clean';
}


sub copy {
    my ($from, $to) = @_;

    return $store->swift('PUT', url($to), { headers => {
        'X-Copy-From' => '/' . $new->container . url($from),
        'X-Fresh-Metadata' => 'true', 'Content-Length' => 0,
        'Content-Type' => 'application/octet-stream' } })->{status};
}


sub stays {
    my ($object, $bytes) = @_;

    my $r = $store->swift('GET', url($object));

    return $r->{status} == 200 && !$r->{headers}{'x-delete-at'}
        && $r->{content} eq $bytes;
}


sub fails {
    my ($name, $why, @more) = @_;

    my $r = $new->command($tool, @options, @more);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is $r->{status}, 2, $name;
    like $r->{err}, qr/^registry-check: error: .*$why/m, 'says why';
}


# Objects by the Swift API; what they were is kept for restore().

sub keep {
    my ($object) = @_;

    return if exists $was{$object};

    my $r = $store->swift('GET', url($object));
    $was{$object} = $r->{success} ? $r : undef;
}

sub put {
    my ($object, $bytes, $headers) = @_;

    keep($object);

    my $r = $store->swift('PUT', url($object),
        { content => $bytes, headers => {
            'Content-Type' => 'application/octet-stream',
            %{ $headers // {} } } });
    die "PUT $object: $r->{status}" if !$r->{success};
}

sub del {
    my ($object) = @_;

    keep($object);
    $store->swift('DELETE', url($object));
}

sub get {
    my ($object) = @_;

    return $store->swift('GET', url($object))->{content};
}

sub restore {
    for (sort keys %was) {
        my $r = $was{$_};

        $store->swift('DELETE', url($_));
        next if !$r;

        my $manifest = $r->{headers}{'x-object-manifest'};
        $store->swift('PUT', url($_), {
            content => $manifest ? '' : $r->{content},
            headers => { 'Content-Type' => 'application/octet-stream',
                $manifest ? ('X-Object-Manifest' => $manifest) : () },
        });
    }

    %was = ();
}

# What was changed stays.

sub settle {
    %was = ();
}

sub url {
    my ($object) = @_;

    return '/' . $object =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}ger;
}

sub blob { RegistryTest::blob_name($_[0]) }

sub link_of {
    my ($repository, $what, $digest) = @_;

    return "$repository/$what/" . RegistryTest::slash($digest) . '/link';
}
