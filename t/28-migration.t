#!/usr/bin/perl

# The configuration in docs/migration.md is one that nginx takes, and every
# option of registry:2's Swift driver is told of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $t = RegistryTest->new;
my $dir = $t->dir;
my $text = read_file("$FindBin::Bin/../docs/migration.md");
my ($conf) = $text =~ /^```nginx\n(.*?)^```/ms;
my $module = $ENV{REGISTRY_MODULE}
    // "$FindBin::Bin/../build/ngx_http_registry_module.so";

write_file("$dir/registry.key", 'a password');
write_file("$dir/registry.secret", 'a1' x 32);
chmod 0600, "$dir/registry.key", "$dir/registry.secret";

# paths and names of this machine instead of those of the example
$conf =~ s{modules/ngx_http_registry_module\.so}{$module};
$conf =~ s{/etc/nginx/}{$dir/}g;
$conf =~ s{/etc/ssl/registry\.crt}{$dir/tls/server.crt};
$conf =~ s{/etc/ssl/registry\.key}{$dir/tls/server.key};
$conf =~ s{/etc/ssl/certs/ca-certificates\.crt}{$dir/certs/ca.crt};
$conf =~ s{/etc/docker/registry/htpasswd}{$dir/htpasswd};
$conf =~ s{rgw1\.example\.com:443}{127.0.0.1:443};

# where an nginx that is not Debian's has its log
mkdir "$dir/logs";

write_file("$dir/example.conf", "pid $dir/nginx.pid;\n$conf");

my $r = $t->command($ENV{NGINX_BINARY} // '/usr/sbin/nginx', '-t', '-p', $dir,
    '-e', "$dir/example.log", '-c', "$dir/example.conf");
is($r->{status}, 0, 'nginx -t') or diag $r->{err};

for (qw(authurl authversion username password secretkey accesskey domain
    domainid tenant tenantid tenantdomain tenantdomainid trustid region
    endpointtype container prefix insecureskipverify chunksize
    tempurlcontainerkey tempurlmethods))
{
    like($text, qr/^\| (\w+, )*\Q$_\E[ ,]/m, $_);
}

done_testing();
