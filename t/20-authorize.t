#!/usr/bin/perl

# registry_upload_authorize: the Location of an authorised POST stands for its
# password in the requests of that upload, until its time is over, and for
# nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use RegistryTest;
use RegistryTest::Image qw(read_file write_file);


my $t = RegistryTest->new;
my $name = 'team/app';
my $n = 0;


for my $http ('--http1.1', '--http2') {

    # beside a password

    $t->start(directives => 'satisfy any; registry_upload_authorize 1h;');

    for my $authorized (1, 0) {
        my $test = "$http, " . ($authorized ? 'state' : 'password');
        my $bytes = "$http $authorized";
        my $digest = digest($bytes);

        my $r = curl($http, 'POST', uploads($name), user => $t->login);
        is $r->{status}, 202, "$test: POST";

        my @user = $authorized ? () : (user => $t->login);
        $r = curl($http, 'PATCH', $r->{location}, @user, body => $bytes);
        is $r->{status}, 202, "$test: PATCH";
        is curl($http, 'GET', $r->{location}, @user)->{status}, 204,
            "$test: GET";
        is curl($http, 'HEAD', $r->{location}, @user)->{status}, 204,
            "$test: HEAD";
        is curl($http, 'PUT', "$r->{location}&digest=$digest", @user)
            ->{status}, 201, "$test: PUT";

        my $other = curl($http, 'POST', uploads($name), user => $t->login);
        $other = curl($http, 'PATCH', $other->{location}, @user, body => 'x');
        is curl($http, 'DELETE', $other->{location}, @user)->{status}, 204,
            "$test: DELETE";
    }

    my $good = curl($http, 'POST', uploads($name), user => $t->login)
        ->{location};
    my ($id, $state) = $good =~ m{uploads/([^?]+)\?(_state=.+)};

    is curl($http, 'PATCH', $good, user => 'foo:expired', body => 'x')
        ->{status}, 202, "$http: a password that is no longer right";

    # and nothing else

    for (
        ['POST', $good, 'POST'],
        ['OPTIONS', $good, 'another method'],
        ['POST', uploads($name) . "?$state", 'POST of an upload'],
        ['POST', uploads($name) . "?mount=" . digest("$http 1")
            . "&from=$name&$state", 'mount'],
        ['PATCH', uploads('other') . "$id?$state", 'another repository'],
        ['PATCH', $good =~ s{.(?=\?)}{$& ? 0 : 1}er, 'another upload'],
        ['PATCH', $good =~ s{.$}{$& eq 'A' ? 'B' : 'A'}er, 'tampered state'],
        ['PATCH', $good . 'AAAA', 'longer state'],
        ['PATCH', $good =~ s{....$}{}r, 'shorter state'],
        ['PATCH', "$good&$state", 'two states'],
        ['PATCH', uploads($name) . $id, 'no state'],
        ['GET', "/v2/$name/blobs/" . digest("$http 1") . "?$state", 'blob'],
        ['GET', "/v2/$name/manifests/v1?$state", 'manifest'],
        ['PUT', "/v2/$name/manifests/v1?$state", 'PUT of a manifest'],
        ['DELETE', "/v2/$name/blobs/" . digest("$http 1") . "?$state",
            'DELETE of a blob'],
        ['GET', "/v2/?$state", 'the API'],
    ) {
        my ($method, $location, $test) = @$_;
        is curl($http, $method, $location)->{status}, 401, "$http: $test";
    }

    # a state that is made up says nothing of the nodes: no error is told of it

    my ($errors, $infos) = map { told($_) } qw(error info);
    for my $user ([], [user => $t->login]) {
        for (1 .. 6) {
            my $made_up = encode_base64(join('', map { chr rand 256 }
                1 .. 200), '') =~ tr{+/=}{-_}dr;
            curl($http, 'PATCH', uploads($name) . "$id?_state=$made_up",
                @$user, body => 'x');
        }

        my $more = told('error') - $errors;
        cmp_ok $more, '<=', @$user ? 2 : 0, "$http: errors of made-up states, "
            . (@$user ? 'one a worker' : 'none without a password');
    }
    cmp_ok told('info') - $infos, '>=', 10, "$http: all others are information";

    # one blob, and no more

    my $once = curl($http, 'POST', uploads($name), user => $t->login)
        ->{location};
    is join(' ', map { curl($http, 'PUT', "$once&digest=" . digest($_),
        body => $_)->{status} } "$http one", "$http two", "$http one"),
        '201 404 201', "$http: an upload ends once";
    is curl($http, 'PATCH', $once, body => 'x')->{status}, 404,
        "$http: PATCH after its end";

    $once = curl($http, 'POST', uploads($name), user => $t->login);
    $once = curl($http, 'PATCH', $once->{location}, body => "$http three");
    is curl($http, 'DELETE', $once->{location})->{status}, 204,
        "$http: it is cancelled";
    is curl($http, 'PUT', "$once->{location}&digest="
        . digest("$http three"))->{status}, 404, "$http: PUT after that";

    # a state that was lost and made anew, by password, authorises nobody
    my $again = curl($http, 'GET', uploads($name) . $id, user => $t->login);
    is curl($http, 'GET', $again->{location})->{status}, 401,
        "$http: an upload that was found by password";

    # what was begun while it was off, or is over

    $t->stop;
    $t->start(directives => 'satisfy any;');
    is curl($http, 'PATCH', $good, body => 'x')->{status}, 401,
        "$http: off";
    my $off = curl($http, 'POST', uploads($name), user => $t->login);
    $t->stop;
    $t->start(directives => 'satisfy any; registry_upload_authorize 5s;');
    is curl($http, 'PATCH', $off->{location}, body => 'x')->{status}, 401,
        "$http: begun while it was off";

    my $short = curl($http, 'POST', uploads($name), user => $t->login);
    my $end = time + 6;
    $short = curl($http, 'PATCH', $short->{location}, body => 'x');
    is $short->{status}, 202, "$http: in time";
    sleep 0.1 while time < $end;
    is curl($http, 'PATCH', $short->{location}, body => 'x')->{status}, 401,
        "$http: the time is that of the POST, whatever came after";
    is curl($http, 'GET', $short->{location}, user => $t->login)->{status},
        204, "$http: the upload itself goes on";

    # without "satisfy any" it changes nothing, without passwords neither

    $t->stop;
    $t->start(directives => 'registry_upload_authorize 1h;');
    is curl($http, 'PATCH', $good, body => 'x')->{status}, 401,
        "$http: satisfy all";
    $t->stop;
    $t->start(directives => 'satisfy any; registry_upload_authorize 1h;',
        auth => 0);
    is curl($http, 'POST', uploads($name))->{status}, 202,
        "$http: no password at all";
    is curl($http, 'GET', uploads($name) . $id)->{status}, 204,
        "$http: nor a state";
    $t->stop;
}


# lines about a state of another secret

sub told {
    my ($level) = @_;

    return scalar grep { /\[$level\].* signed by another secret/ }
        split /^/m, read_file($t->error_log);
}


# it is a credential: no log has it

$t->start(directives => 'satisfy any; registry_upload_authorize 1h;');
my $r = $t->client->request('POST', uploads($name));
my ($state) = $r->{headers}{location} =~ /_state=(.{20})/;
my $socket = $t->client->raw(
    "PATCH $r->{headers}{location}&x=y HTTP/1.1\nContent-Length: 9\n");
print $socket 'half';
sleep 0.1;
close $socket;
$t->client->request('PUT', $r->{headers}{location} . '&digest=none');
$t->stop;

for (map { $t->dir . "/$_" } 'error.log', 'access.log') {
    my $text = read_file($_);
    like $text, qr/_state=\*(&x=y)? /, 'a log says that there was one';
    unlike $text, qr/_state=[^* ]/, 'and not which';
}

like read_file($t->dir . '/nginx.out'),
    qr/"registry_upload_authorize" changes nothing without "satisfy any"/,
    'a warning about satisfy all';

$t->finish;


sub digest { 'sha256:' . sha256_hex($_[0]) }
sub uploads { "/v2/$_[0]/blobs/uploads/" }


sub curl {
    my ($http, $method, $path, %o) = @_;

    my $body = $t->dir . '/body';
    write_file($body, $o{body} // '');

    my @send = $o{body} ? ('--data-binary', "\@$body", '-H',
        'Content-Type: application/octet-stream') : ();
    my $out = $t->run('curl', $http, '-s', '-o', '/dev/null',
        '--cacert', $t->ca, $method eq 'HEAD' ? '-I' : ('-X', $method),
        $o{user} ? ('-u', $o{user}) : (), @send,
        '-w', '%{http_code} %header{location}',
        'https://' . $t->host . $path =~ s{^https?://[^/]+}{}r);
    my ($status, $location) = split ' ', $out, 2;

    return { status => $status, location => $location };
}
