package RegistryTest::Keystone;

# A stand-in for Keystone v3, and for the TempAuth of OpenStack Swift.  The
# user's name says what it answers; its tokens are those of RGW, so that the
# storage takes them.
#
#   my $keystone = RegistryTest::Keystone->new($t, storage => URL's path);
#   ... registry_auth_url $keystone->url;
#   $keystone->asked                        # the bodies of all requests
#
# Users:
#   demo, id=..., application credentials    a token
#   refused 401, several 300, moved 302, broken 500
#   garbage, huge, slow
#   nothing    a catalog without object storage
#   unscoped   no catalog                    bare     no X-Subject-Token
#   expired    a token that is over          short    one of 4 seconds
#   stale      the first token is none that the storage knows

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(strftime);

use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


sub new {
    my ($class, $t, %o) = @_;

    my $port = RegistryTest::free_port();
    my $log = $t->dir . "/keystone.$port";
    my $storage = $o{storage} // '/swift/v1';

    write_file($log, '');

    my $process = RegistryTest::Process->start(
        name => 'keystone', log => "$log.out", command => [
            $^X, (map { "-I$_" } @INC), '-MRegistryTest::Keystone', '-e',
            'RegistryTest::Keystone::run(@ARGV)', $port, $log, $storage ]);

    $process->wait_until('listening', sub {
        RegistryTest::answers($port) });

    return bless { port => $port, log => $log, process => $process }, $class;
}


sub url { "http://127.0.0.1:$_[0]{port}/v3" }
sub tempauth { "http://127.0.0.1:$_[0]{port}/auth/v1.0" }


sub asked {
    my ($self) = @_;

    return map { decode_json($_) } split /\n/, read_file($self->{log});
}


sub run {
    my ($port, $log, $storage) = @_;

    $SIG{CHLD} = 'IGNORE';

    my $listen = IO::Socket::INET->new(
        Listen => 64, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "cannot listen on $port: $!";

    for ( ;; ) {
        my $client = $listen->accept or next;

        if (fork() == 0) {
            close $listen;
            serve($client, $log, $storage);
            close $client;
            POSIX::_exit(0);
        }

        close $client;
    }
}


sub serve {
    my ($client, $log, $storage) = @_;

    local $/ = "\r\n\r\n";
    my $head = <$client> // return;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;
    read $client, my $body, $length // 0;

    if ($path eq '/auth/v1.0') {
        my ($user) = $head =~ /^X-Auth-User: (\S+)/mi;
        my ($key) = $head =~ /^X-Auth-Key: (\S+)/mi;

        return answer($client, 401, '', '')
            if $user ne 'test:tester' || $key ne $ENV{RGW_SECRET_KEY};

        my $token = token();
        return answer($client, 200, "X-Storage-Url: http://other/v1/AUTH_test"
            . "\r\nX-Auth-Token: $token\r\nX-Storage-Token: $token"
            . "\r\nX-Auth-Token-Expires: 86400\r\n", '');
    }

    return answer($client, 300, '', '{"versions":{}}')
        if $path eq '/auth/tokens';
    return answer($client, 404, '', '{"error":{"code":404}}')
        if $path ne '/v3/auth/tokens' || $method ne 'POST';

    open my $fh, '>>', $log or die $!;
    syswrite $fh, "$body\n";

    my $auth = decode_json($body)->{auth};
    my $i = $auth->{identity};
    my $user = $i->{password}{user};
    my $name = $user->{name} // $user->{id} // '';
    my $secret = $user->{password} // $i->{application_credential}{secret};

    return answer($client, 401, '', '{"error":{"code":401}}')
        if $name eq 'refused' || $secret ne $ENV{RGW_SECRET_KEY};
    return answer($client, 300, '', '{}') if $name eq 'several';
    return answer($client, 302, "Location: http://127.0.0.1:1/\r\n", '')
        if $name eq 'moved';
    return answer($client, 500, '', '{}') if $name eq 'broken';
    return answer($client, 201, "X-Subject-Token: x\r\n", '<html>')
        if $name eq 'garbage';
    return answer($client, 201, "X-Subject-Token: x\r\n", ' ' x 2e6)
        if $name eq 'huge';
    sleep 15 if $name eq 'slow';

    my $life = { expired => 0, short => 4 }->{$name} // 3600;
    my $token = token();
    my $seen = () = read_file($log) =~ /"\Q$name\E"/g;
    $token = 'x' x 40 if $name eq 'stale' && $seen == 1;

    # an hour off: only the difference of the two times counts
    my $now = time - 3600;
    my $type = $name eq 'nothing' ? 'image' : 'object-store';
    my $endpoint = sub {
        my ($interface, $region, $path) = @_;
        return { id => 'e', interface => $interface, region => $region,
                 region_id => $region, url => "http://other:1$path" };
    };

    my %token = (
        methods => ['password'],
        issued_at => strftime('%Y-%m-%dT%H:%M:%S.000000Z', gmtime $now),
        expires_at => strftime('%Y-%m-%dT%H:%M:%S.000000Z',
            gmtime $now + $life),
        catalog => [
            { type => 'identity', name => 'keystone', endpoints => [
                $endpoint->('public', 'one', '/v3') ] },
            { type => $type, name => 'swift', endpoints => [
                $endpoint->('admin', 'one', '/wrong'),
                $endpoint->('public', 'one', $storage),
                $endpoint->('internal', 'two', "$storage/"),
                $endpoint->('public', 'two', '/wrong') ] },
        ],
    );

    delete $token{catalog} if $name eq 'unscoped';

    answer($client, 201,
        $name eq 'bare' ? '' : "X-Subject-Token: $token\r\n",
        encode_json({ token => \%token }));
}


sub token {
    my $r = HTTP::Tiny->new->get($ENV{RGW_AUTH_URL}, { headers => {
        'X-Auth-User' => $ENV{RGW_USER},
        'X-Auth-Key' => $ENV{RGW_SECRET_KEY},
    } });

    return $r->{headers}{'x-auth-token'};
}


sub answer {
    my ($client, $status, $headers, $body) = @_;

    local $SIG{PIPE} = 'IGNORE';

    print $client "HTTP/1.1 $status Status\r\n${headers}Content-Length: "
        . length($body) . "\r\nConnection: close\r\n\r\n$body";
}


1;
