package RegistryTest::TokenServer;

# A stand-in for a token server: anybody may pull, alice may do all.  A token is
# the scopes that its user may have, and their signature.
#
#   run(PORT)       /token gives one; /verify says what one is good for

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);


sub run {
    my ($port) = @_;

    my $listen = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
        LocalAddr => "127.0.0.1:$port") or die "port $port: $!";

    while (my $s = $listen->accept) {
        local $/ = "\r\n\r\n";
        my $head = <$s> // '';
        my ($path) = $head =~ /^GET (\S+)/;
        my ($auth) = $head =~ /^Authorization: (.*?)\r$/mi;
        my ($scope) = $head =~ /^X-Registry-Scope: (.*?)\r$/mi;
        my ($mount) = $head =~ /^X-Registry-Mount: (.*?)\r$/mi;
        my ($status, $body) = (401, '');

        if ($path =~ m{^/token}) {
            $path =~ s/%([0-9a-f]{2})/chr hex $1/gei;
            my $alice = decode_base64(($auth // '') =~ s/^Basic //ir)
                eq 'alice:secret';
            my @scopes = map { $alice ? $_ : s/,push$//r }
                grep { $alice || /:pull/ } $path =~ /[?&]scope=([^&]+)/g;
            my $what = encode_base64(join(' ', @scopes), '');
            $body = encode_json({ token => "$what."
                . hmac_sha256_hex($what, 'signs') });
            $status = 200;
        } elsif (($auth // '') =~ /^Bearer (\S*)\.(\w+)$/i
                 && hmac_sha256_hex($1, 'signs') eq $2)
        {
            my @has = map { my ($kind, $name, $can) = split /:/;
                map { "$kind:$name:$_" } split /,/, $can }
                split / /, decode_base64($1);
            my ($kind, $name, $can) = split /:/, $scope // '';
            my @needs = map { "$kind:$name:$_" } split /,/, $can // '';
            push @needs, "repository:$mount:pull" if $mount;
            $status = 204;
            for my $need (@needs) {
                $status = 401 if !grep { $_ eq $need } @has;
            }
        }

        print $s "HTTP/1.1 $status X\r\nConnection: close\r\n",
            "Content-Length: @{[ length $body ]}\r\n\r\n$body";
        close $s;
    }
}


1;
