#!/usr/bin/perl

# Other people's nginx: set-ups of nginx.conf, and of proxies before and behind
# it, in each of which a client meets the same registry.  A row of the table is
# a set-up; what is asked there is in RegistryTest::Exercise.  SETUPS chooses
# rows: SETUPS=gzip prove -v t/55-setups.t

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use RegistryTest;
use RegistryTest::Client;
use RegistryTest::Curl;
use RegistryTest::Exercise;
use RegistryTest::Image qw(write_file);
use RegistryTest::Process;


my $CLIENTS = 4;

my $t = RegistryTest->new;
my $d = $t->dir;
my $rgw = $ENV{RGW_ENDPOINT};
my $new_http2 = $t->nginx_version >= version->parse('v1.25.1');
my $modules = '/usr/lib/nginx/modules';
my $lua = join '', map { "load_module $modules/$_.so;\n" }
    qw(ndk_http_module ngx_http_lua_module);

# What a row may have:
#
#   location   more in the registry's location
#   path       of that location, "/v2/"
#   inside     what is around it, with LOCATION for it
#   server     more in its server
#   http       more in http {}
#   main, events
#              more there, which makes it an nginx of its own
#   upstream   the lines of its upstream {}
#   changed    directives of the registry that differ: { name => value }
#   listen     instead of "127.0.0.1:PORT"
#   base       what clients have before /v2/
#   front      a server before it, which clients use: its lines
#   behind     a server between it and RGW: its lines
#   headers    that clients send
#   curl       options of curl, which is the client then
#   url        its URL, "http://localhost:PORT"
#   skip       checks that this set-up answers differently, and why
#
# PORT, FRONT and BEHIND are these servers' ports; RGW is RGW's address, DIR
# the test's folder.

my $proxy = 'location / { proxy_pass http://127.0.0.1:PORT; '
    . 'client_max_body_size 0; ';
my $to_rgw = 'client_max_body_size 0; location / { proxy_pass http://RGW; ';
my $ssl = 'ssl_certificate DIR/tls/server.crt;'
    . ' ssl_certificate_key DIR/tls/server.key;';
my @h2c = $new_http2 ? (server => 'http2 on;')
    : (listen => '127.0.0.1:PORT http2');
my $tls = $new_http2 ? '127.0.0.1:PORT ssl' : '127.0.0.1:PORT ssl http2';
my @tls = (listen => $tls, url => 'https://localhost:PORT',
    server => $ssl . ($new_http2 ? 'http2 on;' : ''));

my @setups = (
    ['nothing else'],

    # where it listens
    ['IPv6', listen => '[::1]:PORT', url => 'http://[::1]:PORT', curl => []],
    ['a Unix socket', listen => 'unix:DIR/row.sock', url => 'http://localhost',
        curl => ['--unix-socket', 'DIR/row.sock']],
    ['the PROXY protocol', listen => '127.0.0.1:PORT proxy_protocol',
        server => 'set_real_ip_from 127.0.0.1;'
            . ' real_ip_header proxy_protocol;',
        curl => ['--haproxy-protocol']],
    ['reuseport', listen => '127.0.0.1:PORT reuseport'],
    ['socket options', listen => '127.0.0.1:PORT deferred so_keepalive=on'
        . ' backlog=64 rcvbuf=32k sndbuf=32k'],
    ['TLS', @tls, curl => ['--http1.1']],
    ['TLS 1.2, small records', listen => '127.0.0.1:PORT ssl',
        url => 'https://localhost:PORT', curl => [],
        server => "$ssl ssl_protocols TLSv1.2; ssl_buffer_size 1400;"
            . ' ssl_session_cache none; ssl_session_tickets off;'],
    ['HTTP/2', @tls, curl => ['--http2']],
    # curl 7.88 takes RST_STREAM behind a whole answer for an error here
    ['HTTP/2 without TLS', @h2c, curl => ['--http2-prior-knowledge'],
        skip => qr/^piece again|^no upload/],
    ['HTTP/1.0', curl => ['--http1.0']],
    ['a default server that answers nobody',
        server => 'server_name localhost 127.0.0.1;',
        http => 'server { listen 127.0.0.1:PORT default_server; return 444; }'],

    # where its location is
    ['location ^~', path => '^~ /v2/'],
    ['location by a regular expression', path => '~ ^/v2/'],
    ['location /', path => '/'],
    ['a location in a location', inside => 'location / { return 404; '
        . 'location /v2 { LOCATION } }'],
    ['a path before /v2/', path => '/some/docker/v2/', base => '/some/docker'],
    ['a rewrite of the server', base => '/docker',
        changed => { registry_external_url => 'http://localhost/docker' },
        server => 'rewrite ^/docker(/v2/.*)$ $1 last;'],
    ['a rewrite in the location', path => '/docker/', base => '/docker',
        location => 'rewrite ^/docker(/v2/.*)$ $1 break;',
        changed => { registry_external_url => 'http://localhost/docker' }],
    ['a rewrite from another location', base => '/docker',
        changed => { registry_external_url => 'http://localhost/docker' },
        server => 'client_max_body_size 0; location /docker/ {'
            . ' rewrite ^/docker(/v2/.*)$ $1 last; }'],
    ['try_files to a named one', path => '@registry',
        server => 'client_max_body_size 0; location /v2/ {'
            . ' try_files /none @registry; }'],
    ['error_page to a named one', path => '@registry',
        server => 'client_max_body_size 0; recursive_error_pages on;'
            . ' location /v2/ { error_page 418 = @registry; return 418; }'],
    ['an "if" that is true', location => 'if ($http_host) { set $a 1; }'
        . ' if ($a) { add_header X-If $a always; }'],
    ['"if" and "return" for others',
        location => 'if ($http_x_evil) { return 403; }'],
    ['limit_except', location => 'limit_except GET HEAD { allow 127.0.0.1;'
        . ' deny all; }'],
    ['a site beside it', server => 'root /usr/share/nginx/html; index x;'
        . ' location / { try_files $uri /index.html; }'
        . ' location ~ \.(php|data)$ { return 403; }'
        . ' location = /favicon.ico { access_log off; }'],
    ['merge_slashes, server_tokens and more', server => 'merge_slashes off;'
        . ' server_tokens off; underscores_in_headers on;'
        . ' ignore_invalid_headers off; absolute_redirect off;'
        . ' port_in_redirect off; server_name_in_redirect on;'],
    ['a root and an index in the location', location => 'root /nonexistent;'
        . ' index index.html; autoindex on; dav_methods PUT DELETE;'],

    # bodies on the way in
    ['client_body_buffer_size 1k', server => 'client_body_buffer_size 1k;'],
    ['client_body_buffer_size 16m', server => 'client_body_buffer_size 16m;'],
    ['client_body_in_file_only', server => 'client_body_in_file_only clean;'],
    ['client_body_in_single_buffer',
        server => 'client_body_in_single_buffer on;'],
    ['client_max_body_size of the server',
        server => 'client_max_body_size 0;'],
    ['client_max_body_size of the location',
        location => 'client_max_body_size 2g;'],
    ['small buffers for headers', server => 'client_header_buffer_size 256;'
        . ' large_client_header_buffers 8 4k;'],
    ['mirror with bodies', location => 'mirror /mirror;', server =>
        'location = /mirror { internal; client_max_body_size 0;'
            . ' proxy_pass http://127.0.0.1:FRONT; }',
        http => 'server { listen 127.0.0.1:FRONT; client_max_body_size 0;'
            . ' location / { return 204; } }'],
    ['mirror, as it is', location => 'mirror /mirror;',
        server => 'location = /mirror { internal;'
            . ' proxy_pass http://127.0.0.1:FRONT; }',
        http => 'server { listen 127.0.0.1:FRONT; client_max_body_size 0;'
            . ' location / { return 204; } }'],
    ['mirror without', location => 'mirror /mirror; mirror_request_body off;',
        server => 'location = /mirror { internal; client_max_body_size 0;'
            . ' proxy_pass_request_body off;'
            . ' proxy_set_header Content-Length "";'
            . ' proxy_pass http://127.0.0.1:FRONT; }',
        http => 'server { listen 127.0.0.1:FRONT; return 204; }'],
    ['lingering_close always', server => 'lingering_close always;'
        . ' lingering_timeout 1s;'],
    ['lingering_close off', server => 'lingering_close off;'],
    ['short timeouts', server => 'client_body_timeout 5s; send_timeout 5s;'
        . ' client_header_timeout 5s; reset_timedout_connection on;'],

    # answers on the way out
    ['no keepalive', server => 'keepalive_timeout 0;'],
    ['keepalive_requests 1', server => 'keepalive_requests 1;'],
    ['chunked_transfer_encoding off',
        server => 'chunked_transfer_encoding off;'],
    ['sendfile, tcp_nopush', server => 'sendfile on; tcp_nopush on;'
        . ' sendfile_max_chunk 64k;'],
    ['small buffers, tcp_nodelay off', server => 'postpone_output 0;'
        . ' output_buffers 1 4k; tcp_nodelay off;'],
    ['aio threads, directio', server => 'sendfile on; aio threads;'
        . ' directio 4k; aio_write on;'],
    ['gzip of JSON', server => 'gzip on; gzip_types application/json;'
        . ' gzip_min_length 0; gzip_proxied any; gzip_http_version 1.0;'
        . ' gzip_vary on;'],
    ['gunzip, gzip_static', server => 'gunzip on; gzip_static on;'],
    ['sub_filter', server => 'sub_filter sha256 SHA; sub_filter_types'
        . ' text/plain;'],
    ['sub_filter of everything', server => 'sub_filter NEVER-THERE SHA;'
        . ' sub_filter_types *;', skip => qr/its length|range|ETag/],
    ['addition', server => 'add_before_body /a; add_after_body /a;'
        . ' location = /a { return 200 "a"; }'],
    ['addition to everything', server => 'addition_types *;'
        . ' location = /a { return 200 ""; }',
        location => 'add_after_body /a;', skip => qr/its length|range/],
    ['charset, types', server => 'charset utf-8; override_charset on;'
        . ' types { } default_type text/plain;'],
    ['SSI', server => 'ssi on;'],
    ['etag off, if_modified_since before', server => 'etag off;'
        . ' if_modified_since before;'],
    ['add_header always', location => 'add_header X-A b always;'
        . ' add_header Strict-Transport-Security max-age=1 always;'],
    ['max_ranges 1', server => 'max_ranges 1;', skip => qr/^two ranges/],
    ['post_action', location => 'post_action /done;',
        server => 'location /done { internal; return 200; }'],
    ['limit_rate', server => 'limit_rate 200m; limit_rate_after 1k;'],
    ['limit_req, limit_conn', location => 'limit_req zone=ROW burst=10000'
        . ' nodelay; limit_conn ROWc 50; limit_req_status 429;',
        http => 'limit_req_zone $binary_remote_addr zone=ROW:64k rate=1000r/s;'
            . ' limit_conn_zone $binary_remote_addr zone=ROWc:64k;'],

    # error pages
    ['error pages of HTML', server => 'error_page 404 /404.html;'
        . ' error_page 500 502 503 504 /50x.html;'
        . ' location = /404.html { internal; return 404 "no"; }'
        . ' location = /50x.html { internal; return 500 "no"; }'],
    ['error_page 401 of the site', server => 'error_page 401 403 /login;'
        . ' location = /login { return 200 "log in"; }'],

    # logs
    ['access_log off', server => 'access_log off; log_not_found off;'],
    ['each variable in the log', server => 'access_log DIR/row.log ROW'
        . ' buffer=4k flush=1s; log_subrequest on;',
        http => 'log_format ROW escape=json "$registry_action'
            . ' $registry_operation $registry_repository $registry_reference'
            . ' $registry_error $request_id $request_time $upstream_addr'
            . ' $upstream_status $upstream_response_time $request_body'
            . ' $sent_http_content_type $bytes_sent $request_length $pipe";'],
    ['a log by a variable', server => 'access_log DIR/row-$status.log;'
        . ' open_log_file_cache max=10;'],
    ['error_log debug', server => 'error_log DIR/debug.log debug;'],

    # who may
    ['Basic auth', location => 'auth_basic r; auth_basic_user_file'
        . ' DIR/htpasswd;', headers => 'login'],
    ['satisfy any', location => 'satisfy any; allow 127.0.0.1; deny all;'
        . ' auth_basic r; auth_basic_user_file DIR/htpasswd;'],
    ['auth_request', location => 'auth_request /auth;'
        . ' auth_request_set $who $upstream_http_x_user;'
        . ' add_header X-Who $who always;',
        server => 'client_max_body_size 0; location = /auth { internal;'
            . ' proxy_pass http://127.0.0.1:FRONT;'
            . ' proxy_pass_request_body off;'
            . ' proxy_set_header Content-Length ""; }',
        http => 'server { listen 127.0.0.1:FRONT; add_header X-User me;'
            . ' location / { return 204; } }'],
    ['auth_request by HTTP/2', @tls, curl => ['--http2'],
        location => 'auth_request /auth;',
        server => $ssl . ($new_http2 ? 'http2 on;' : '')
            . ' client_max_body_size 0; location = /auth { return 204; }'],
    ['geo, map and split_clients', location => 'if ($ROW_no) { return 403; }'
        . ' registry_read_only $ROW_ro;',
        http => 'geo $ROW_no { default 1; 127.0.0.0/8 0; }'
            . ' map $request_method $ROW_ro { default off; TRACE on; }'
            . ' split_clients $remote_addr $ROW_s { 50% a; * b; }'],
    ['X-Forwarded-For', server => 'set_real_ip_from 127.0.0.1;'
        . ' real_ip_header X-Forwarded-For; real_ip_recursive on;',
        headers => { 'X-Forwarded-For' => '192.0.2.1, 198.51.100.2' }],
    ['userid, referers, secure_link',
        location => 'userid on; valid_referers none server_names;'
            . ' secure_link $arg_a;'],

    # proxies before it
    ['nginx before it, as it is', front => "$proxy }"],
    ['nginx before it, unbuffered', front => "$proxy proxy_http_version 1.1;"
        . ' proxy_request_buffering off; proxy_buffering off;'
        . ' proxy_set_header Host $http_host; }'],
    ['nginx before it, with keepalive', front => 'location / {'
        . ' proxy_pass http://ROW_front; proxy_http_version 1.1;'
        . ' proxy_set_header Connection ""; client_max_body_size 0; }',
        http => 'upstream ROW_front { server 127.0.0.1:PORT; keepalive 4; }'],
    ['nginx before it, with gzip', front => "$proxy gzip on; gzip_types *;"
        . ' gzip_proxied any; }'],
    ['nginx before it, with error pages', front =>
        "$proxy error_page 502 504 /50x.html; }"],
    ['nginx before it, another path', base => '/docker', front =>
        'location /docker/v2/ { proxy_pass http://127.0.0.1:PORT/v2/;'
        . ' client_max_body_size 0; }',
        changed => { registry_external_url => 'http://localhost/docker' }],
    ['nginx before it, TLS ends there', front => "$proxy proxy_set_header"
        . ' Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; }'
        . " $ssl", front_listen => '127.0.0.1:FRONT ssl',
        url => 'https://localhost:FRONT', curl => []],
    ['nginx before it, by TLS and a Unix socket',
        listen => 'unix:DIR/tls.sock ssl', server => $ssl,
        front => 'location / { client_max_body_size 0;'
            . ' proxy_pass https://unix:DIR/tls.sock:; }'],
    ['nginx before it, which asks itself first', front =>
        "$proxy auth_request /ok; } client_max_body_size 0;"
        . ' location = /ok { return 204; }'],
    # a cache asks without conditions, and cuts ranges by itself
    ['nginx before it, with a cache', front => "$proxy proxy_cache ROW;"
        . ' add_header X-Cache $upstream_cache_status; }',
        http => 'proxy_cache_path DIR/ROWc keys_zone=ROW:1m;',
        skip => qr/^deleted|^not modified|^no such range/],
    ['nginx before it, a path by a variable', front =>
        'location / { client_max_body_size 0; set $to 127.0.0.1:PORT;'
        . ' proxy_pass http://$to; proxy_set_header Host $host; }'],
    ['nginx before it, HTTP/2', front => "$proxy } $ssl"
        . ($new_http2 ? 'http2 on;' : ''), curl => ['--http2'],
        front_listen => '127.0.0.1:FRONT ssl' . ($new_http2 ? '' : ' http2'),
        url => 'https://localhost:FRONT'],
    ['haproxy before it', haproxy => 'front'],
    ['haproxy before it, with PROXY', haproxy => 'front-tcp',
        listen => '127.0.0.1:PORT proxy_protocol'],

    # its upstream
    ['no upstream block', changed => { registry_pass => 'http://RGW' }],
    ['no keepalive to RGW', upstream => 'server RGW;'],
    ['one connection is kept', upstream => 'server RGW; keepalive 1;'
        . ' keepalive_requests 2; keepalive_timeout 1s;'],
    ['least_conn', upstream => 'least_conn; server RGW; server RGW;'
        . ' keepalive 8;'],
    ['ip_hash', upstream => 'ip_hash; server RGW; keepalive 8;'],
    ['hash', upstream => 'hash $request_uri consistent; server RGW;'
        . ' server RGW weight=2; keepalive 8;'],
    ['random two', upstream => 'zone ROW 64k; random two; server RGW;'
        . ' server RGW; keepalive 8;'],
    ['zone, backup', upstream => 'zone ROW 64k; server RGW max_fails=0;'
        . ' server 127.0.0.1:1 backup;'],
    ['a server that is not there', upstream => 'server 127.0.0.1:1'
        . ' fail_timeout=60s; server RGW; keepalive 8;'],
    ['max_conns', upstream => 'zone ROW 64k; server RGW max_conns=32;'
        . ' keepalive 8;'],

    # what is between it and RGW
    ['nginx behind it, as it is', behind => "$to_rgw }"],
    ['nginx behind it, by HTTP/1.1', behind => "$to_rgw"
        . ' proxy_http_version 1.1; proxy_buffering off;'
        . ' proxy_request_buffering off; proxy_set_header Connection ""; }'],
    ['nginx behind it, which closes',
        behind => "keepalive_timeout 0; $to_rgw }"],
    ['nginx behind it, with gzip', behind => "gzip on; gzip_types *;"
        . " gzip_proxied any; $to_rgw }"],
    ['nginx behind it, by a Unix socket', behind => "$to_rgw }",
        behind_listen => 'unix:DIR/rgw.sock',
        upstream => 'server unix:DIR/rgw.sock; keepalive 4;'],
    ['nginx behind it, with a cache', behind => "$to_rgw proxy_cache ROW; }",
        http => 'proxy_cache_path DIR/ROWc keys_zone=ROW:1m;'],
    ['haproxy behind it', haproxy => 'behind',
        upstream => 'server 127.0.0.1:BEHIND; keepalive 4;'],

    # directives of the registry
    ['registry_cache off', location => 'registry_cache off;'],
    ['registry_cache_valid', location => 'registry_cache_valid 1h;'],
    ['registry_single_node', location => 'registry_single_node on;'],
    ['registry_part_size 1m', location => 'registry_part_size 1m;'],
    ['registry_verify', location => 'registry_verify on;'],
    ['registry_blob_cache', location => 'registry_blob_cache ROW;'
        . ' open_file_cache max=10;',
        http => 'registry_cache_path DIR/ROW keys_zone=ROW:1m;'],
    ['registry_blob_cache, sendfile, aio', location => 'registry_blob_cache'
        . ' ROW; registry_blob_cache_slice 512k; registry_blob_cache_fill on;'
        . ' sendfile on; tcp_nopush on; aio threads;',
        http => 'registry_cache_path DIR/ROW levels=1:2 keys_zone=ROW:1m;'],
    ['registry_upload_authorize', location => 'satisfy any;'
        . ' registry_upload_authorize 1h; auth_basic r;'
        . ' auth_basic_user_file DIR/htpasswd;', headers => 'login'],
    ['registry_prefix', location => 'registry_prefix ROW;'],
    ['health and status', location => 'registry_health interval=1s;',
        server => 'location = /health { registry_status health; }'
            . ' location = /metrics { registry_status prometheus; }'],

    # modules of others
    ['headers-more', main => "load_module $modules/"
        . 'ngx_http_headers_more_filter_module.so;',
        server => 'more_set_headers "Server: mine" "X-B: c";'
            . ' more_clear_headers X-None;'
            . ' more_set_input_headers "User-Agent: other";'],
    ['Lua in each phase', main => $lua,
        http => 'lua_package_path "/usr/share/lua/5.1/?.lua;;";',
        location => 'set_by_lua_block $a { return "b" }'
            . ' rewrite_by_lua_block { ngx.req.set_header("X-C", "d") }'
            . ' access_by_lua_block { ngx.sleep(0.001) }'
            . ' header_filter_by_lua_block { ngx.header["X-E"] = "f" }'
            . ' body_filter_by_lua_block { ngx.ctx.n = #ngx.arg[1] }'
            . ' log_by_lua_block { ngx.ctx.n = nil }'],
    ['Lua that reads the body', main => $lua,
        http => 'lua_package_path "/usr/share/lua/5.1/?.lua;;";',
        location => 'access_by_lua_block { ngx.req.read_body() }'],

    # the process
    ['one worker', workers => 1, main => ''],
    ['four workers', workers => 4, main => 'worker_cpu_affinity auto;'],
    ['epoll, accept_mutex, multi_accept', main => 'timer_resolution 50ms;',
        events => 'use epoll; accept_mutex on; multi_accept on;'],
    ['no master', main => 'master_process off;'],
);


# haproxy, once for all rows that have it

my @ha_conf = ("global\n maxconn 200\n"
    . "defaults\n timeout connect 5s\n timeout client 60s\n"
    . " timeout server 60s\n");

sub haproxy {
    my ($row) = @_;

    my $http = $row->{haproxy} ne 'front-tcp';
    my $behind = $row->{haproxy} eq 'behind';
    my ($from, $to) = $behind ? ($row->{BEHIND}, $rgw)
        : ($row->{FRONT}, "127.0.0.1:$row->{PORT}");

    push @ha_conf, "listen $row->{ROW}\n mode " . ($http ? 'http' : 'tcp')
        . "\n bind 127.0.0.1:$from\n server s $to"
        . ($http ? '' : ' send-proxy') . "\n";
}


my ($n, %taken, @alone, @together);

for (@setups) {
    my ($name, %row) = @$_;
    $n++;
    next if ($ENV{SETUPS} // '') ne '' && $name !~ /$ENV{SETUPS}/i;

    # another nginx than Debian's cannot load Debian's modules
    next if $ENV{NGINX_BINARY} && ($row{main} // '') =~ /load_module/;

    my $row = { name => $name, ROW => "row$n", RGW => $rgw, DIR => $d, %row };
    $row->{$_} = port() for qw(PORT FRONT BEHIND);
    push @{ exists $row{main} ? \@alone : \@together }, $row;
    haproxy($row) if $row->{haproxy};
}

my $haproxy;
if (@ha_conf > 1) {
    write_file("$d/haproxy.cfg", join '', @ha_conf);
    $haproxy = RegistryTest::Process->start(name => 'haproxy',
        log => "$d/haproxy.log", command => [qw(/usr/sbin/haproxy -db -f),
            "$d/haproxy.cfg"]);
}

for ([@together], map { [$_] } @alone) {
    next if !@$_;
    $t->start(config(@$_));
    exercise(@$_);
    $t->stop;
}

$haproxy->stop if $haproxy;
$t->finish;


# No two rows may have the same.

sub port {
    my $port;

    do { $port = RegistryTest::free_port() } while $taken{$port}++;

    return $port;
}


# The ports and names of a row in a text

sub fill {
    my ($row, $text) = @_;

    $text =~ s/\b(ROW|PORT|FRONT|BEHIND|RGW|DIR)(?=\b|_|c\b)/$row->{$1}/g;

    return $text;
}


# The parts of start() that these rows make

sub config {
    my @rows = @_;

    my %conf = (auth => 0, http => '', map { $_ => $rows[0]{$_} }
        grep { defined $rows[0]{$_} } qw(workers main events));

    for my $row (@rows) {
        my $upstream = $row->{upstream};
        $upstream //= 'server '
            . ($row->{behind_listen} // '127.0.0.1:BEHIND') . '; keepalive 4;'
            if $row->{behind};

        my $http = ($row->{http} // '') . "\n"
            . ($upstream ? "upstream ROW_rgw { $upstream }\n" : '')
            . server($row->{behind},
                $row->{behind_listen} // '127.0.0.1:BEHIND')
            . server($row->{front}, $row->{front_listen} // '127.0.0.1:FRONT');

        my $location = $t->location($row->{path} // '/v2/',
            $row->{location} // '',
            $upstream ? (registry_pass => 'http://ROW_rgw') : (),
            %{ $row->{changed} // {} });
        $location = $row->{inside} =~ s/LOCATION/$location/r if $row->{inside};

        $conf{http} .= fill($row, $http . server(($row->{server} // '')
            . "\n$location", $row->{listen} // '127.0.0.1:PORT'));
    }

    return %conf;
}


sub server {
    my ($lines, $listen) = @_;

    return defined $lines ? "server {\nlisten $listen;\n$lines\n}\n" : '';
}


# A test for each row, CLIENTS of them at a time.

sub exercise {
    my @rows = @_;

    my @parts;
    push @{ $parts[$_ % $CLIENTS] }, $rows[$_] for 0 .. $#rows;

    my @children = map {
        my $part = $_;
        pipe my $out, my $in or die "cannot make a pipe: $!";
        my $pid = fork() // die "cannot fork: $!";

        if (!$pid) {
            print $in encode_json([map { of_row($_) } @$part]);
            close $in;
            POSIX::_exit(0);
        }

        close $in;
        [$pid, $out];
    } @parts;

    for my $child (@children) {
        my $out = $child->[1];
        is($_->[1], '', $_->[0])
            for @{ decode_json(do { local $/; <$out> } || '[["died", "?"]]') };
        waitpid $child->[0], 0;
    }
}


# [what is tested, what was wrong]

sub of_row {
    my ($row) = @_;

    my $since = time;
    my ($checks, @wrong) = RegistryTest::Exercise::run(client($row),
        "$row->{ROW}/z", base => $row->{base}, skip => $row->{skip});

    return [sprintf('%s: %d checks, %.1f s', $row->{name}, $checks,
        time - $since), join "\n", grep { defined } @wrong[0 .. 9]];
}


sub client {
    my ($row) = @_;

    my $port = $row->{front} || ($row->{haproxy} // '') =~ /front/
        ? $row->{FRONT} : $row->{PORT};

    return RegistryTest::Curl->new($t, map { fill($row, $_) }
        $row->{url} // "http://localhost:$port", @{ $row->{curl} })
        if $row->{curl};

    my $headers = $row->{headers} // {};
    my $client = RegistryTest::Client->new(port => $port, timeout => 30,
        user => $headers eq 'login' ? $t->login : undef);
    $client->{http}->default_headers($headers) if ref $headers;

    return $client;
}
