package RegistryTest::Replies;

# What RegistryTest::Faults does to replies of RGW, and replies that RGW never
# gave.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(canned replies);


my %reasons = (401 => 'AccessDenied', 403 => 'AccessDenied',
    404 => 'NoSuchKey', bucket => 'NoSuchBucket', 413 => 'QuotaExceeded',
    503 => 'SlowDown');

sub canned {
    my ($status, $method) = @_;

    my $code = $reasons{$status} // 'InternalError';
    my $body = qq({"Code":"$code","RequestId":"tx0","HostId":"test"});
    my $length = length $body;
    my $number = $status eq 'bucket' ? 404 : $status;

    $body = '' if ($method // '') eq 'HEAD';

    return "HTTP/1.1 $number Status\r\nContent-Length: $length\r\n"
        . "X-Trans-Id: tx0\r\nContent-Type: application/json\r\n\r\n$body";
}


# What is done to a reply: ($p, head, body, at) -> bytes, and what follows:
# nothing, or "close", "reset", "stall".

my $CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

sub header_of {
    my ($head, $more) = @_;

    return $head =~ s/\r\n\r\n$/\r\n$more\r\n\r\n/r;
}


sub length_of {
    my ($head, $add) = @_;

    return $head =~ s/^(Content-Length: *)(\d+)/$1 . ($2 + $add)/mier;
}


my %replies = (

    # RGW has done it, and nobody is told
    lost => sub { ('', 'reset') },
    'lost-stall' => sub { ('', 'stall') },
    'done-500' => sub { canned(500, $_[3]) },
    'done-503' => sub { canned(503, $_[3]) },

    # it breaks off
    'cut-status' => sub { (substr($_[0], 0, 7), 'close') },
    'cut-head' => sub { (substr($_[0], 0, length($_[0]) - 3), 'close') },
    'cut-body' => sub { ($_[0] . substr($_[1], 0, $_[2]
        // length($_[1]) / 2), 'close') },
    'cut-last' => sub { ($_[0] . substr($_[1], 0, -1), 'close') },
    'reset-body' => sub { ($_[0] . substr($_[1], 0, length($_[1]) / 2),
        'reset') },
    'stall-head' => sub { (substr($_[0], 0, 30), 'stall') },
    'stall-body' => sub { ($_[0] . substr($_[1], 0, length($_[1]) / 2),
        'stall') },
    'chunked-cut' => sub {
        my ($head, $body) = @_;
        return (header_of(unlength($head), 'Transfer-Encoding: chunked')
            . sprintf("%x\r\n%s\r\n", length $body, $body), 'close');
    },
    'unlength-cut' => sub { (header_of(unlength($_[0]), 'Connection: close')
        . substr($_[1], 0, length($_[1]) / 2), 'close') },

    # its length is wrong
    longer => sub { (length_of($_[0], $_[2] // 3) . $_[1], 'stall') },
    padded => sub { length_of($_[0], $_[2] // 3) . $_[1]
        . 'x' x ($_[2] // 3) },
    shorter => sub { length_of($_[0], -1) . $_[1] },
    more => sub { ($_[0] . $_[1] . 'x' x ($_[2] // 3), 'close') },
    'length-negative' => sub { relength($_[0], -1) . $_[1] },
    'length-huge' => sub { relength($_[0], '18446744073709551616') . $_[1] },
    'length-twice' => sub { header_of($_[0], 'Content-Length: 1') . $_[1] },
    total => sub {
        my ($head, $body, $at) = @_;
        my $add = $at // 3;
        return $head =~ s{^(Content-Range: \S+ \S+/)(\d+)}{$1 . ($2 + $add)}mier
            . $body;
    },

    # its bytes are
    flipped => sub {
        my ($head, $body) = @_;
        my $i = int(length($body) / 2);
        substr($body, $i, 1) ^= "\1" if length $body;
        return $head . $body;
    },
    empty => sub { relength($_[0], 0) },
    'etag-wrong' => sub { ($_[0] =~ s/^(ETag: *"?)[^"\r]+/${1}0123/mir)
        . $_[1] },
    'etag-none' => sub { ($_[0] =~ s/^ETag:.*\n//mir) . $_[1] },

    # it is not HTTP, or odd
    garbage => sub { ("\0\xff\xfe garbage\r\n\r\n" . $_[0] . $_[1], 'close') },
    old => sub { ($_[1] . "no header\r\n\r\n", 'close') },
    'status-99' => sub { ($_[0] =~ s/^(\S+ )\d+/${1}99/r) . $_[1] },
    'status-2000' => sub { ($_[0] =~ s/^(\S+ )\d+/${1}2000/r) . $_[1] },
    huge => sub { header_of($_[0], 'X-Huge: ' . 'x' x 70000) . $_[1] },
    many => sub { header_of($_[0], join "\r\n",
        map { "X-Many-$_: $_" } 1 .. 10000) . $_[1] },
    nul => sub { header_of($_[0], "X-Nul: a\0b") . $_[1] },
    colon => sub { header_of($_[0], 'no colon') . $_[1] },
    gzip => sub { header_of($_[0], 'Transfer-Encoding: gzip') . $_[1] },
    twice => sub { ($_[0] . $_[1]) x 2 },
    continues => sub { $CONTINUE x 3 . $_[0] . $_[1] },
    storm => sub { $CONTINUE x 5000 . $_[0] . $_[1] },

    # it tries to be more than a reply
    hostile => sub { header_of($_[0], join "\r\n",
        'X-Accel-Redirect: /v2/', 'X-Accel-Buffering: no',
        'X-Accel-Limit-Rate: 1', 'Set-Cookie: hostile=1', 'Refresh: 1',
        'Location: http://hostile.example/', 'WWW-Authenticate: Basic',
        'Content-Encoding: gzip', 'Link: </hostile>; rel="next"',
        'Docker-Content-Digest: hostile') . $_[1] },

    # it is right, and comes oddly
    drip => sub { ([ split(//, substr($_[0], 0, 40)), substr($_[0], 40)
        . $_[1] ]) },
    slow => sub { ([ '', $_[0] . $_[1] ], undef, $_[2] // 0.2) },
    chunked => sub {
        my ($head, $body) = @_;
        return header_of(unlength($head), 'Transfer-Encoding: chunked')
            . join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
                $body =~ /(.{1,1000})/sg) . "0\r\n\r\n";
    },
    unlength => sub { (header_of(unlength($_[0]), 'Connection: close')
        . $_[1], 'close') },
);

sub replies { $replies{$_[0]} }
sub unlength { $_[0] =~ s/^Content-Length:.*?\n//mir }
sub relength { $_[0] =~ s/^(Content-Length: *)\d+/$1$_[1]/mir }


1;
