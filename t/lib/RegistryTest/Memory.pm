package RegistryTest::Memory;

# A storage like RGW's Swift API for tests of what is written: it reads slowly
# now and then, keeps nothing of a body that breaks off, and notes each whole
# object at a blob's name whose bytes are not the name's digest.
#
#   my $memory = RegistryTest::Memory->new($t);
#   $t->start(rgw => $memory->address);
#   is_deeply $memory->wrong, [];
#
# A process for each connection; what they share is a folder.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(sleep);

use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


sub new {
    my ($class, $t) = @_;

    my $self = bless { port => RegistryTest::free_port(),
        dir => $t->dir . '/memory' }, $class;
    mkdir "$self->{dir}$_" for '', '/objects';

    $self->{process} = RegistryTest::Process->start(
        name => 'memory', log => $t->dir . '/memory.log', command => [
            $^X, (map { "-I$_" } @INC), '-MRegistryTest::Memory', '-e',
            'RegistryTest::Memory::run(@ARGV)', $self->{port}, $self->{dir},
        ]);
    $self->{process}->wait_until('listening',
        sub { RegistryTest::answers($self->{port}) });

    return $self;
}


sub address { "127.0.0.1:$_[0]{port}" }
sub wrong { [ map { (split m{/})[-1] } glob "$_[0]{dir}/wrong-*" ] }


sub run {
    my ($port, $dir) = @_;

    local $SIG{CHLD} = 'IGNORE';
    my $listen = IO::Socket::INET->new(
        Listen => 256, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "cannot listen on $port: $!";

    for ( ;; ) {
        my $client = $listen->accept or next;

        next if fork // next;
        close $listen;
        srand;
        1 while answer($client, $dir);
        POSIX::_exit(0);
    }
}


sub answer {
    my ($client, $dir) = @_;

    my $header = do { local $/ = "\r\n\r\n"; <$client> } // return 0;
    my ($method, $uri) = $header =~ m{^(\S+) (\S+) } or return 0;
    my $body = body($client, $header) // return 0;
    my ($path, $query) = split /\?/, $uri, 2;
    my %query = map { unescape($_) } map { split /=/, $_, 2 }
        split /&/, $query // '';

    my ($status, $extra, $bytes) = $path =~ m{^/auth}
        ? (204, "X-Storage-Url: http://x/swift/v1\r\nX-Auth-Token: t\r\n")
        : $path =~ m{^/swift/v1/[^/]+/(.+)}
            ? object($dir, $method, unescape($1), $header, $body)
            : $method eq 'GET' ? listing($dir, \%query) : (204);
    $bytes //= '';

    print $client "HTTP/1.1 $status X\r\nContent-Length: " . length($bytes)
        . "\r\nX-Trans-Id: tx\r\n" . ($extra // '') . "\r\n"
        . ($method eq 'HEAD' ? '' : $bytes) or return 0;
    $client->flush;

    return 1;
}


# undef: it was not whole

sub body {
    my ($client, $header) = @_;

    return take($client, $1) if $header =~ /^Content-Length: (\d+)/mi;
    return '' if $header !~ /^Transfer-Encoding: chunked/mi;

    my $body = '';

    for ( ;; ) {
        my ($size) = (readline($client) // '') =~ /^([0-9a-f]+)\r\n$/i
            or return undef;
        my $bytes = take($client, hex $size) // return undef;
        (readline($client) // '') eq "\r\n" or return undef;
        return $body if !length $bytes;
        $body .= $bytes;
    }
}


sub take {
    my ($client, $n) = @_;

    my $bytes = '';

    while (length $bytes < $n) {
        my $left = $n - length $bytes;
        read $client, $bytes, $left > 65536 ? 65536 : $left, length $bytes
            or return undef;
        sleep 0.005 if rand() < 0.1;
    }

    return $bytes;
}


sub object {
    my ($dir, $method, $name, $header, $body) = @_;

    # a file's own name has to be short
    my $file = "$dir/objects/" . sha256_hex($name);

    if ($method eq 'PUT') {
        if ($header =~ m{^X-Copy-From: /?[^/]+/(\S+)}mi) {
            my $from = "$dir/objects/" . sha256_hex(unescape($1));
            return 404 if !-e $from;
            $body = data($dir, $from);
        }

        my ($manifest) = $header =~ /^X-Object-Manifest: (\S+)/mi;
        write_file("$file.$$", join "\n", $name, $manifest // '', $body);
        rename "$file.$$", $file or die $!;

        my $is = data($dir, $file);
        write_file("$dir/wrong-$1", $is)
            if $name =~ m{/blobs/sha256/\w\w/(\w+)/data$}
                && sha256_hex($is) ne $1;

        return (201, 'ETag: ' . md5_hex($is) . "\r\n");
    }

    return 404 if !-e $file;

    if ($method eq 'DELETE') {
        unlink $file;
        return 204;
    }

    my $bytes = data($dir, $file);
    my (undef, $manifest) = split /\n/, read_file($file), 3;

    return (200, 'ETag: ' . md5_hex($bytes) . "\r\n" . (length $manifest
        ? "X-Object-Manifest: $manifest\r\n" : ''), $bytes);
}


# the bytes of an object, of its segments if it has some

sub data {
    my ($dir, $file) = @_;

    my (undef, $manifest, $bytes) = split /\n/, read_file($file), 3;

    return $bytes if !length $manifest;

    my $all = names($dir);
    my (undef, $prefix) = split m{/}, unescape($manifest), 2;

    return join '', map { data($dir, $all->{$_}) }
        grep { index($_, $prefix) == 0 } sort keys %$all;
}


sub names {
    my ($dir) = @_;

    my %names;

    for my $file (glob "$dir/objects/*") {
        next if $file =~ /\.\d+$/;
        open my $fh, '<', $file or next;
        chomp(my $name = <$fh>);
        $names{$name} = $file;
    }

    return \%names;
}


sub listing {
    my ($dir, $q) = @_;

    my $all = names($dir);
    my ($prefix, $marker) = map { $_ // '' } @$q{qw(prefix marker)};
    my @found;

    for (sort keys %$all) {
        next if index($_, $prefix) != 0 || $_ le $marker;
        last if @found >= ($q->{limit} // 10_000);
        my $bytes = eval { data($dir, $all->{$_}) } // next;
        push @found, { name => $_, bytes => length $bytes,
            hash => md5_hex($bytes), content_type => 'x/x',
            last_modified => '2026-01-01T00:00:00.000Z' };
    }

    return (200, "Content-Type: application/json\r\n", encode_json(\@found));
}


sub unescape { return $_[0] =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger }


1;
