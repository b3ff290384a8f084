package RegistryTest::AuthFaults;

# An auth server that fails, by TempAuth v1 and by Keystone v3, and a storage
# that takes its tokens: RGW behind nginx, which looks whether a file of the
# token's name is there.
#
#   my $auth = RegistryTest::AuthFaults->new($t);
#   $t->start(http => $auth->gate, server => $t->location('/x/v2/', '',
#       $auth->directives('first-stall-v1')));
#
# A user's name is SITUATION-FAULT-VERSION.  "first" has the fault from its
# first request on, all others from the second on; the tokens of "renewal" have
# a short life.
#
#   $auth->heal               from now on all is well
#   $auth->asked(USER)        its requests: [[began, ended], ...]
#   $auth->revoke(USER)       the storage takes none of its tokens any more
#   $auth->tokens(USER)       how many there are that it takes
#   $auth->evil               whether anybody else was asked

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(strftime);
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep time);

use RegistryTest::Hostile;
use RegistryTest::Image qw(read_file write_file);
use RegistryTest::Process;


my $DAY = 86400;
my $LIFE = 26;                          # of a token that is to be renewed

# those that are of one version only

my %only = (
    (map { $_ => 'v1' } qw(no-url url-file url-user url-dots url-blank
        url-long url-other expires-zero expires-past expires-none expires-word
        expires-huge)),
    (map { $_ => 'v3' } qw(body-cut body-garbage body-null body-deep
        no-catalog no-storage over no-expires day-ahead day-behind
        url-other-v3 status-300)),
);

my @both = (qw(refuse reset close stall drip lost cut-head garbage old
    huge many body-long no-token long-token blank-token nul stale
    continues), (map { "redirect-$_" } 301, 302, 307, 308),
    map { "status-$_" } qw(400 401 403 404 408 429 500 502 503 504 507));


sub faults {
    my ($class, $version) = @_;

    return sort grep { ($only{$_} // $version) eq $version } @both,
        keys %only;
}


# Seconds, of a token of "renewal"

sub life { $LIFE }


# A token is to be had all the same.

sub harmless {
    my ($class, $fault) = @_;

    return $fault =~ /^(expires-|day-|url-other|continues)/;
}


sub new {
    my ($class, $t, @users) = @_;

    my $self = bless { dir => $t->dir . '/auth', map {
        $_ => RegistryTest::free_port() } qw(port gate evil) }, $class;

    mkdir "$self->{dir}$_" for '', '/tokens', '/log';

    # what is refused is so for all users of a port
    $self->{refuse}{$_} = RegistryTest::free_port()
        for grep { /-refuse-/ } @users;

    $self->{process} = RegistryTest::Process->start(name => 'auth',
        log => "$self->{dir}/out", command => [ $^X,
            (map { "-I$_" } @INC), '-MRegistryTest::AuthFaults', '-e',
            'RegistryTest::AuthFaults::run(@ARGV)', encode_json({ %$self }) ]);
    $self->{process}->wait_until('listening', sub {
        RegistryTest::answers($self->{evil}) });

    return $self;
}


sub directives {
    my ($self, $user) = @_;

    my $port = $self->{refuse}{$user} // $self->{port};

    return (
        registry_pass => "http://127.0.0.1:$self->{gate}",
        registry_auth_user => $user,
        $user =~ /v3$/ ? (
            registry_auth_url => "http://127.0.0.1:$port/v3",
            registry_auth_project => 'demo', registry_auth_domain => 'Default',
        ) : (registry_auth_url => "http://127.0.0.1:$port/auth/v1.0"),
    );
}


# The storage, for nginx's http {}; it knows the token of RGW.

sub gate {
    my ($self) = @_;

    my $r = HTTP::Tiny->new->get($ENV{RGW_AUTH_URL}, { headers => {
        'X-Auth-User' => $ENV{RGW_USER},
        'X-Auth-Key' => $ENV{RGW_SECRET_KEY},
    } });

    return <<"END";
    server {
        listen 127.0.0.1:$self->{gate};
        client_max_body_size 0;
        access_log off;
        location / {
            if (!-f $self->{dir}/tokens/\$http_x_auth_token) { return 401; }
            proxy_set_header X-Auth-Token $r->{headers}{'x-auth-token'};
            proxy_set_header Connection '';
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_pass http://rgw;
        }
    }
END
}


sub heal { write_file("$_[0]{dir}/healed", '') }
sub evil { -e "$_[0]{dir}/evil" }
sub tokens { scalar glob_of("$_[0]{dir}/tokens/$_[1].") }
sub revoke { unlink glob "$_[0]{dir}/tokens/$_[1].*" }


sub glob_of {
    my @all = glob "$_[0]*";

    return scalar @all;
}


sub asked {
    my ($self, $user) = @_;

    my $text = eval { read_file("$self->{dir}/log/$user") } // '';
    my %began;
    my @asked;

    for (split /\n/, $text) {
        my ($what, $pid, $time) = split;
        $began{$pid} = $time if $what eq 'began';
        push @asked, [ delete $began{$pid}, $time ] if $what eq 'ended';
    }

    return [ sort { $a->[0] <=> $b->[0] } @asked,
        map { [ $_, 9e9 ] } values %began ];
}


# ---- the process

my ($o, $healed);

sub run {
    $o = decode_json($_[0]);
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';

    my %open = ($o->{port} => listen_on($o->{port}));
    my %closed;

    for (keys %{ $o->{refuse} }) {
        my $port = $o->{refuse}{$_};
        /^first-/ ? ($closed{$port} = 1) : ($open{$port} = listen_on($port));
    }

    $open{ $o->{evil} } = listen_on($o->{evil});

    for ( ;; ) {
        if (!$healed && -e "$o->{dir}/healed") {
            $healed = 1;
            $open{$_} = listen_on($_) for keys %closed;
        }

        my $read = '';
        vec($read, fileno $_, 1) = 1 for values %open;
        select $read, undef, undef, 0.05 or next;

        for my $port (grep { vec $read, fileno $open{$_}, 1 } keys %open) {
            my $client = $open{$port}->accept or next;

            if ($port == $o->{evil}) {
                write_file("$o->{dir}/evil", '')
                    if defined readline $client;
                next;
            }

            if (fork() == 0) {
                $SIG{TERM} = 'DEFAULT';
                close $_ for values %open;
                serve($client);
                POSIX::_exit(0);
            }

            if ($port != $o->{port} && !$healed) {
                close delete $open{$port};
                $closed{$port} = 1;
            }
        }
    }
}


sub listen_on {
    my ($port) = @_;

    return IO::Socket::INET->new(Listen => 512, ReuseAddr => 1,
        LocalAddr => "127.0.0.1:$port") // die "cannot listen on $port: $!";
}


sub serve {
    my ($client) = @_;

    $client->autoflush(1);
    my $header = do { local $/ = "\r\n\r\n"; <$client> } // return;
    read $client, my $body, $1 if $header =~ /^Content-Length: (\d+)/mi;

    my ($user) = $header =~ /^X-Auth-User: (\S+)/mi;
    my $keystone = !$user;
    $user //= decode_json($body)
        ->{auth}{identity}{password}{user}{name};

    note($user, 'began');
    my ($situation, $fault) = $user =~ /^([a-z]+)-(.*)-v\d$/
        or die "user \"$user\"";
    my $n = () = read_file("$o->{dir}/log/$user") =~ /began/g;

    $fault = '' if $healed || ($situation ne 'first' && $n == 1);
    answer($client, $user, $keystone, $fault, $situation, $n);
    close $client;
    note($user, 'ended');
}


sub note {
    my ($user, $what) = @_;

    open my $fh, '>>', "$o->{dir}/log/$user" or die $!;
    syswrite $fh, "$what $$ " . time . "\n";
}


# What is wrong with an answer, in the place of what would be right

sub answer {
    my ($client, $user, $keystone, $fault, $situation, $n) = @_;

    my $life = $situation eq 'renewal' ? $LIFE : 3600;
    my $token = "$user.$n";
    my $storage = "http://127.0.0.1:$o->{gate}/swift/v1";

    return reset_it($client) if $fault eq 'reset';
    return if $fault eq 'close' || $fault eq 'refuse';
    return until_gone($client) if $fault eq 'stall';

    my ($status) = $fault =~ /^(?:status|redirect)-(\d+)/;
    if ($status) {
        print $client good($status, $status =~ /^30/ ? "Location: "
            . "http://127.0.0.1:$o->{evil}/auth\r\n" : '', '{}');
        return;
    }

    write_file("$o->{dir}/tokens/$token", '') if $fault ne 'stale';
    return reset_it($client) if $fault eq 'lost';

    my %wrong_token = ('no-token' => undef, 'long-token' => 'x' x 5000,
        'blank-token' => "a b", nul => "a\0b");
    $token = $wrong_token{$fault} if exists $wrong_token{$fault};

    my %url = ('no-url' => undef, 'url-file' => 'file:///etc/passwd',
        'url-user' => "http://a:b\@127.0.0.1:$o->{gate}/swift/v1",
        'url-dots' => "http://127.0.0.1:$o->{gate}/swift/../v1",
        'url-blank' => "http://127.0.0.1:$o->{gate}/swift/v 1",
        'url-long' => "http://127.0.0.1:$o->{gate}/" . 'x' x 3000,
        'url-other' => "http://127.0.0.1:$o->{evil}/swift/v1");
    $storage = $url{ $fault =~ s/-v3$//r } if exists $url{$fault =~ s/-v3$//r};

    my $reply = $keystone ? keystone($fault, $token, $storage, $life)
        : tempauth($fault, $token, $storage, $life);

    spoilt($client, $fault, $reply);
}


sub tempauth {
    my ($fault, $token, $storage, $life) = @_;

    my %life = ('expires-zero' => 0, 'expires-past' => -100,
        'expires-none' => undef, 'expires-word' => 'soon',
        'expires-huge' => '99999999999999999999');
    $life = $life{$fault} if exists $life{$fault};

    return good(204, join '',
        defined $token ? "X-Auth-Token: $token\r\n" : '',
        defined $storage ? "X-Storage-Url: $storage\r\n" : '',
        defined $life ? "X-Auth-Token-Expires: $life\r\n" : '');
}


sub keystone {
    my ($fault, $token, $storage, $life) = @_;

    my $now = time + ({ 'day-ahead' => $DAY, 'day-behind' => -$DAY }->{$fault}
        // 0);
    my $stamp = sub { strftime('%Y-%m-%dT%H:%M:%S.000000Z', gmtime $_[0]) };
    my %body = (
        methods => ['password'],
        issued_at => $stamp->($now),
        expires_at => $stamp->($now + ($fault eq 'over' ? -5 : $life)),
        catalog => [ { type => $fault eq 'no-storage' ? 'image'
            : 'object-store', name => 'swift', endpoints => [
                { interface => 'public', region => 'one',
                  url => $storage } ] } ],
    );

    delete $body{catalog} if $fault eq 'no-catalog';
    delete $body{expires_at} if $fault eq 'no-expires';

    my $body = encode_json({ token => \%body });
    $body = substr $body, 0, length($body) / 2 if $fault eq 'body-cut';
    $body = '<html>' if $fault eq 'body-garbage';
    $body = 'null' if $fault eq 'body-null';
    $body = '[' x 100_000 if $fault eq 'body-deep';

    return good(201, defined $token ? "X-Subject-Token: $token\r\n" : '',
        $body);
}


sub good {
    my ($status, $header, $body) = @_;

    return RegistryTest::Hostile::ok($body // '', "${header}Connection: "
        . "close\r\n", "$status Status");
}


sub spoilt {
    my ($client, $fault, $reply) = @_;

    if ($fault eq 'drip') {
        for (split //, $reply) {
            print $client $_ or return;
            sleep 0.3;
        }
        return;
    }

    my $end = "\r\n\r\n";
    my %change = (
        'cut-head' => sub { substr $_[0], 0, 40 },
        garbage => sub { "\0\xff garbage$end" },
        old => sub { 'just bytes' },
        huge => sub { $_[0] =~ s/$end/\r\nX-Huge: @{['x' x 70000]}$end/r },
        many => sub { my $many = join '', map { "\r\nX-Many-$_: 1" }
            1 .. 10_000; $_[0] =~ s/$end/$many$end/r },
        'body-long' => sub { my $long = 'x' x 2_000_000;
            $_[0] =~ s/Content-Length: \d+/Content-Length: 2000000/r
                =~ s/204 /200 /r =~ s/$end.*/$end$long/sr },
        continues => sub { "HTTP/1.1 100 Continue$end" x 3 . $_[0] },
    );

    $reply = $change{$fault}->($reply) if $change{$fault};
    print $client $reply;
}


sub until_gone {
    my ($client) = @_;

    vec(my $read = '', fileno $client, 1) = 1;
    select $read, undef, undef, 60;
}


sub reset_it {
    my ($client) = @_;

    setsockopt $client, SOL_SOCKET, SO_LINGER, pack('II', 1, 0);
}


1;
