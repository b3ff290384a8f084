#!/usr/bin/perl

# Who calls whom, as the linker sees it: no circle of files, no call from a
# lower folder to a higher one, nothing of nginx in the pure half, nothing of
# ops/ in registry-check.  The symbol of the module itself is nobody's call.
#
# And what makes a file small enough to read: its lines, those of its functions
# and of its header; a function of X.h stands in X.c.
#
# FLOORS_BUILD is where the module was built.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Temp qw(tempdir);
use FindBin;
use Test::More;


my $top = "$FindBin::Bin/..";
my $src = "$top/ngx_http_registry_module";
my $build = $ENV{FLOORS_BUILD} || "$top/build";

# from the ground up; a folder calls those before it
my @folders = qw(core ops base shared client storage calls handlers conf);

# these two do not know each other
my %strangers = ('storage client' => 1);

my $MEDIAN = 344;               # lines of a .c file, as it was before folders
my $LONGEST = 800;
my $FUNCTION = 100;
my $HEADER = 60;

# headers that may be longer, and why
my %long = (
    'base/ngx_http_registry.h' => 'all of the configuration',
    'base/ngx_http_registry_ctx.h' => 'the request, the call, the table',
    'check/check.h' => 'all that a run has seen',
    'check/check_index.h' => 'the tables of what was seen',
    'check/check_links.h' => 'a batch of repositories',
    'check/check_store.h' => 'a request and its reply',
    'core/reg_base.h' => 'strings, arena, buffer',
    'core/reg_digest.h' => 'algorithms, digests, hashes',
    'core/reg_manifest.h' => 'what a manifest is',
    'core/reg_object.h' => 'each kind of an object of the container',
    'core/reg_parts.h' => 'parts and their order',
    'core/reg_path.h' => 'the name of each object',
    'core/reg_range.h' => 'each form of a range',
    'core/reg_route.h' => 'all that a path may ask for',
    'core/reg_session.h' => 'what travels in a Location',
    'core/reg_keystone.h' => 'requests and replies of Keystone',
    'ops/reg_flow.h' => 'the engine: a flow, a call, an answer',
    'ops/reg_ops.h' => 'what operations share, and their tables',
    'ops/reg_store.h' => 'all that the storage is told',
    'ops/reg_upload.h' => 'what the requests of an upload share',
    'ops/reg_data.h' => 'a blob, whole or by ranges',
    'ops/reg_page.h' => 'the order of RGW and that of the API',
    'shared/ngx_http_registry_cache.h' => 'keys, claims and replies',
    'shared/ngx_http_registry_stat.h' => 'all counters',
    'storage/ngx_http_registry_curl.h' => 'requests on the event loop',
    'storage/ngx_http_registry_token.h' => 'an account and its token',
);


# the objects, by the folder of their source

sub symbols {
    my ($folder_of, @objects) = @_;

    my (%file, %owner, %wants, %calls);

    for my $object (@objects) {
        my $name = basename($object, '.o');

        $file{$name} = $folder_of->($object);

        for (split /\n/, `nm $object`) {
            $owner{$1} = $name if /^\S+ [TDBRGC] (\S+)$/;
            $wants{$name}{$1} = 1 if /^\s+U (\S+)$/;
        }
    }

    for my $name (keys %wants) {
        for my $symbol (keys %{ $wants{$name} }) {
            my $other = $owner{$symbol};

            $calls{$name}{$other}{$symbol} = 1
                if defined $other && $other ne $name
                   && $symbol ne 'ngx_http_registry_module';
        }
    }

    return (\%file, \%calls, \%wants);
}


# files that reach each other, a text for each circle

sub circles {
    my ($file, $calls) = @_;

    my (%reach, %in, @circles);

    for my $name (keys %$file) {
        my @todo = keys %{ $calls->{$name} || {} };

        while (defined(my $next = shift @todo)) {
            push @todo, keys %{ $calls->{$next} || {} }
                unless $reach{$name}{$next}++;
        }
    }

    for my $name (sort keys %$file) {
        next if $in{$name} || !$reach{$name}{$name};

        my @circle = grep { $reach{$name}{$_} && $reach{$_}{$name} }
                     sort keys %$file;
        $in{$_} = 1 for @circle;
        push @circles, "@circle";
    }

    return @circles;
}


sub arrows {
    my ($calls) = @_;

    my $n = 0;
    $n += keys %{ $calls->{$_} } for keys %$calls;

    return $n;
}


# the module

my ($file, $calls, $wants) = symbols(
    sub { $_[0] =~ m{([^/]+)/[^/]+$} ? $1 : '' },
    grep { !/_modules\.o$/ } glob("$build/source/objs/addon/*/*.o"));

cmp_ok(scalar keys %$file, '>', 60, "the module's objects are there")
    or BAIL_OUT("no objects in $build: make build");

is(join("\n", circles($file, $calls)), '', 'no circle of files in the module');

my %rank = map { $folders[$_] => $_ } 0 .. $#folders;
my (@up, @lost);

for my $from (sort keys %$file) {
    push @lost, "$file->{$from}/$from"
        if !exists $rank{ $file->{$from} }
           && $file->{$from} ne 'ngx_http_registry_module';

    for my $to (sort keys %{ $calls->{$from} }) {
        my ($f, $t) = ($file->{$from}, $file->{$to});

        next if !exists $rank{$f};

        push @up, "$f/$from -> $t/$to: "
                  . join(' ', sort keys %{ $calls->{$from}{$to} })
            if !exists $rank{$t} || $rank{$f} < $rank{$t}
               || $strangers{"$f $t"};
    }
}

is(join("\n", @lost), '', 'each file is in a folder that has its place');
is(join("\n", @up), '', 'calls run down');

is_deeply([grep { my $name = $_; $file->{$name} =~ /^(core|ops)$/
                      && grep /^ngx_/, keys %{ $wants->{$name} } }
           sort keys %$file], [], 'core and ops know no nginx');

note(keys(%$file) . ' files, ' . arrows($calls) . ' arrows');


# registry-check, on core alone

my $objects = tempdir(CLEANUP => 1);
my $cc = $ENV{CC} || 'cc';

system("printf '%s\\n' $src/check/*.c | xargs -P 2 -I @ sh -c"
       . " '$cc -O0 -I $src -c -o $objects/\$(basename \$1 .c).o \$1' - @");

my ($programs, $asks) = symbols(sub { 'check' }, glob("$objects/*.o"));

cmp_ok(scalar keys %$programs, '>', 10, "registry-check's objects are there");
is(join("\n", circles($programs, $asks)), '',
          'no circle of files in registry-check');

is_deeply([grep { join('', lines($_)) =~ m{^#include "ops/}m }
           glob("$src/check/*.[ch] $src/core/*.[ch]")], [],
          'neither core nor registry-check includes anything of ops');

sub lines {
    my ($name) = @_;

    open my $fh, '<', $name or die "$name: $!";
    return <$fh>;
}

# docs/architecture.md: a table for each folder, with all that stands in it

my $prefix = 'ngx_http_registry_';
my (%told, %paths, $folder, @nowhere);
my ($ways, $steps) = (0, 0);

for my $line (lines("$top/docs/architecture.md")) {
    $folder = $1 if $line =~ m{^\| `(\w+)/` \|};
    $folder = undef if $line !~ /^\|/;

    # the way of a push or a pull: a file, and the function in it

    if ($line =~ /^\d+[.] /) {
        $ways++;

        while ($line =~ m{`(\w+/\w+[.]c)` `(\w+)\(\)`}g) {
            my ($path, $function) = ($1, $2);

            push @nowhere, "$path: $function()"
                if !-e "$src/$path"
                   || join('', lines("$src/$path"))
                      !~ /^(?:$prefix)?$function\(/m;
            $steps++;
        }
    }

    $paths{$1} = 1 while $line =~ m{`(\w+/(?:reg|check|ngx)_\w+\.[ch])`}g;

    if ($folder && $line =~ /^\| ([^|]*) \|/ && $1 !~ m{/`}) {
        my $names = $1;

        $told{$folder}{$1} = 1 while $names =~ /`(\w+)`/g;
    }
}

for my $folder (@folders, 'check') {
    my @there = map { basename($_, '.c') =~ s/^$prefix//r }
                glob("$src/$folder/*.c");

    is(join("\n", sort keys %{ $told{$folder} || {} }),
       join("\n", sort @there), "docs/architecture.md tells all of $folder/");
}

is($ways, 20, 'it tells the way of a push and of a pull');
cmp_ok($steps, '>=', 30, 'by files and functions');
is(join("\n", @nowhere), '', 'that are there');
is(join("\n", grep { !-e "$src/$_" } sort keys %paths), '',
   'all files that it names are there');

# the words of the storage stand in one place

my @words;

for my $name (glob("$src/*/*.[ch]")) {
    next if $name =~ m{/core/reg_swift\.[ch]$};

    my $code = join '', lines($name);

    push @words, basename($name) . ": $1"
        while $code =~ /("X-(?:Auth-(?:User|Key|Token")|Storage|Copy|Fresh
                            |Newest|Delete|Object|Container|Trans)
                         |"NoSuch\w*|"format=)/gx;
}

is("@words", '', 'the words of Swift are in core/reg_swift');

# who writes a field of the context: those that stand behind its group

my %writers;
my ($fields) = join('', lines("$src/base/ngx_http_registry_ctx.h"))
    =~ /^struct ngx_http_registry_ctx_s [{]\n(.*?)^[}];/ms;

while ($fields =~ m{^    /[*] [^:]*: ([\w, ]+) [*]/\n\n(.*?)(?=^    /[*]|\z)}gms) {
    my ($files, $group) = ($1, $2);

    $writers{$1} = { map { $_ => 1 } split /, /, $files }
        while $group =~ /(\w+)(?::1)?;/g;
}

my @strange;

for my $name (glob("$src/*/$prefix*.c")) {
    my $file = basename($name, '.c') =~ s/^$prefix//r;
    my $code = join '', lines($name);

    while ($code =~ /\bctx->(\w+)(?:[.]\w+)*\s*(?:[-+|]?=[^=]|[+][+]|--)
                     |\bngx_str_set\(&(?:\w+->)?ctx->(\w+)/gx)
    {
        my $field = $1 // $2;

        push @strange, "$file writes $field"
            if $writers{$field} && !$writers{$field}{$file};
    }
}

cmp_ok(scalar keys %writers, '>', 30, 'each field of the context has a group');
is(join("\n", @strange), '', 'whose files alone write it');

# who ends a request: the driver; NGX_DONE gives a reference back, and the
# phase that refuses early is nginx's caller of the handler

my @ends;

for my $name (glob("$src/*/$prefix*.c")) {
    push @ends, basename($name)
        for grep { /ngx_http_finalize_request\(/
                   && !/NGX_DONE|${prefix}handler\(r\)/ } lines($name);
}

is("@ends", "${prefix}drive.c ${prefix}drive.c", 'the driver alone finalizes');

# sizes

my (@sizes, @long_files, @long_functions, @long_headers, @elsewhere);

for my $name (sort glob("$src/*.c $src/*/*.c")) {
    my @lines = lines($name);
    my $short = substr $name, length("$src/");

    push @sizes, scalar @lines;
    push @long_files, "$short: " . @lines if @lines > $LONGEST;

    my $begin;

    for my $i (0 .. $#lines) {
        $begin = $i if $lines[$i] =~ /^\{/;

        if (defined $begin && $lines[$i] =~ /^\}/) {
            push @long_functions, "$short:" . ($begin + 1)
                if $i - $begin + 1 > $FUNCTION;
            $begin = undef;
        }
    }
}

for my $name (sort glob("$src/*/*.h")) {
    my @lines = lines($name);
    my $short = substr $name, length("$src/");
    my $text = join '', @lines;
    my $code = $name =~ s/\.h$/.c/r;

    push @long_headers, "$short: " . @lines
        if @lines > $HEADER && !$long{$short};

    # what it declares is defined beside it
    next if !-e $code;

    my $body = join '', lines($code);

    $text =~ s{/\*.*?\*/}{}gs;
    $text =~ s{^#define.*?[^\\]\n}{}gms;

    while ($text =~ /^(?!typedef|extern|[#]|static)[\w *]+?[ *\n]
                     (\w+)\([^;{}]*\)\s*(?:__attribute__[^;]*)?;/gmx)
    {
        my $function = $1;

        push @elsewhere, "$short: $function"
            if $body !~ /^\Q$function\E\(/m;
    }
}

is(join("\n", @long_files), '', "no file has more than $LONGEST lines");
is(join("\n", @long_functions), '', "no function has more than $FUNCTION lines");
is(join("\n", @long_headers), '',
          "no header has more than $HEADER lines without a word why");
is(join("\n", @elsewhere), '', 'what X.h declares stands in X.c');

@sizes = sort { $a <=> $b } @sizes;
cmp_ok($sizes[@sizes / 2], '<=', $MEDIAN, "the median of a file's lines");

done_testing();
