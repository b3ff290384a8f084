package RegistryNginx;

# Test::Nginx::Socket for the registry: where nginx runs, what it loads and
# what each block has without saying so.
#
#   use RegistryNginx;
#   run_tests();
#
# Blocks without "config" have a location of a fresh container; others get its
# directives by $TEST_NGINX_REGISTRY, or changed ones by location().  RGW is
# the one of the environment: t/bin/test starts it.
#
# Environment:
#   NGINX_BINARY     /usr/sbin/nginx (or TEST_NGINX_BINARY)
#   REGISTRY_MODULE  build/ngx_http_registry_module.so
#   RGW_AUTH_URL, RGW_USER, RGW_SECRET_KEY, RGW_ENDPOINT

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;

use RegistryTest::Port qw(free_port);

our ($dir, $key, $container);


sub write_file {
    my ($name, $bytes, $mode) = @_;

    open my $fh, '>', $name or die "$name: $!";
    print $fh $bytes;
    close $fh or die "$name: $!";
    chmod $mode // 0644, $name;

    return $name;
}


# The directives of a location, changed by name => value; undef leaves one out.

sub directives {
    my (%changed) = @_;

    my %d = (
        registry_pass => 'http://rgw',
        registry_auth_url => $ENV{RGW_AUTH_URL},
        registry_auth_user => $ENV{RGW_USER},
        registry_auth_key_file => $key,
        registry_container => $container,
        $ENV{RGW_KEYSTONE_URL} && !$changed{registry_auth_url} ? (
            registry_auth_url => $ENV{RGW_KEYSTONE_URL},
            registry_auth_user => 'demo',
            registry_auth_project => 'demo',
            registry_auth_domain => 'Default',
        ) : (),
        %changed,
    );

    return join '', map { defined $d{$_} ? "$_ $d{$_};\n" : '' } sort keys %d;
}


# The same as the whole location, and what else is to be in it.

sub location {
    my ($more, %changed) = @_;

    return "location /v2/ {\n" . directives(%changed) . "$more\n}\n";
}


BEGIN {
    umask 022;

    $ENV{$_} or die "$_ is not set: see t/bin/test\n"
        for qw(RGW_AUTH_URL RGW_USER RGW_SECRET_KEY);

    ($ENV{RGW_ENDPOINT}) = $ENV{RGW_AUTH_URL} =~ m{//([^/]+)}
        if !$ENV{RGW_ENDPOINT};

    delete @ENV{grep { /^(https?|all|no)_proxy$/i } keys %ENV};

    $dir = tempdir('registry-XXXXXX', CLEANUP => 1,
        $ENV{TEST_WORK} ? (DIR => $ENV{TEST_WORK}) : (TMPDIR => 1));
    chmod 0755, $dir;                   # workers are of another user

    $key = write_file("$dir/rgw.key", $ENV{RGW_SECRET_KEY}, 0600);
    $container = 'test-' . basename($0, '.t') . "-$$-" . time;

    $ENV{TEST_NGINX_BINARY} = $ENV{NGINX_BINARY}
        // $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';
    $ENV{TEST_NGINX_SERVROOT} = "$dir/root";
    $ENV{TEST_NGINX_SERVER_PORT} = free_port();
    $ENV{TEST_NGINX_MASTER_PROCESS} = 'on';
    $ENV{TEST_NGINX_LOG_LEVEL} = 'info';
    $ENV{TEST_NGINX_TIMEOUT} //= 30;
    $ENV{TEST_NGINX_DIR} = $dir;
    $ENV{TEST_NGINX_REGISTRY} = directives();
    $ENV{TEST_NGINX_CONTAINER} = $container;
}

use Test::Nginx::Socket -Base;


no_long_string();
no_shuffle();
workers(1);

add_block_preprocessor(sub {
    my ($block) = @_;

    my $module = abs_path($ENV{REGISTRY_MODULE} // dirname(__FILE__)
        . '/../../build/ngx_http_registry_module.so');

    $block->set_value(main_config => "load_module $module;\n"
        . ($block->main_config // ''));

    $block->set_value(http_config => "upstream rgw {\n"
        . "server $ENV{RGW_ENDPOINT};\nkeepalive 8;\n}\n"
        . ($block->http_config // ''));

    $block->set_value(config => "location /v2/ {\n$ENV{TEST_NGINX_REGISTRY}}\n")
        if !defined $block->config;

    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n")
        if !defined $block->no_error_log && !defined $block->must_die;
});


# The containers of this test, which RGW would keep.

END {
    my $http = HTTP::Tiny->new(timeout => 60);
    my $r = $http->get($ENV{RGW_AUTH_URL}, { headers => {
        'X-Auth-User' => $ENV{RGW_USER},
        'X-Auth-Key' => $ENV{RGW_SECRET_KEY},
    } });

    if ($r->{success} && $container) {
        my $url = $r->{headers}{'x-storage-url'};
        my $o = { headers => { 'X-Auth-Token' =>
            $r->{headers}{'x-auth-token'} } };

        $http->delete("$url/$container/$_", $o)
            for split /\n/, $http->get("$url/$container", $o)->{content} // '';
        $http->delete("$url/$container", $o);
    }
}


1;
