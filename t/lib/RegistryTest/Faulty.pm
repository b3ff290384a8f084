package RegistryTest::Faulty;

# A storage with a fault, in front of one that is well: run(PORT, its URL).
#
# Its storage URL is http://127.0.0.1:PORT/fault/HEX; HEX is "FAULT REGEX", and
# requests ("METHOD /v1/container...") that match REGEX suffer the fault: a
# status, or
#
#   cut      the body ends early       close    there is no answer
#   hang     there is none for long    none     a listing is empty
#   again    each page is the first    garbage  a body is "garbage"

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;


sub run {
    my ($port, $target) = @_;

    $SIG{CHLD} = 'IGNORE';

    my $listen = IO::Socket::INET->new(
        Listen => 64, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "cannot listen on $port: $!";

    for ( ;; ) {
        my $client = $listen->accept or next;

        my $pid = fork // next;
        next if $pid;

        serve($client, $target);
        exit;
    }
}


sub serve {
    my ($client, $target) = @_;

    my $http = HTTP::Tiny->new(timeout => 30, max_redirect => 0);

    while (my $line = <$client>) {

        my ($method, $hex, $uri) = $line =~ m{^(\S+) /fault/(\w+)(\S*)}
            or return;
        my %headers;

        while (my $header = <$client>) {
            last if $header !~ /^([^:]+):\s*(.*?)\r?\n/;
            $headers{lc $1} = $2;
        }

        my $body = '';
        read $client, $body, $headers{'content-length'} // 0;
        delete @headers{qw(host content-length connection)};

        my ($fault, $request) = split / /, pack('H*', $hex), 2;
        $fault = '' if "$method $uri" !~ /$request/;

        return if $fault eq 'close';
        sleep 30 if $fault eq 'hang';
        $uri =~ s/&marker=[^&]*// if $fault eq 'again';

        my $r = $http->request($method, "$target$uri",
            { headers => \%headers, content => $body });

        my $status = $fault =~ /^\d+$/ ? $fault : $r->{status};
        my $content = $fault =~ /^\d+$/ ? '' : $r->{content} // '';
        my $length = $method eq 'HEAD' ? $r->{headers}{'content-length'} // 0
                                       : length $content;

        $content = '[]' if $fault eq 'none';
        $content = 'garbage' if $fault eq 'garbage';
        $content =~ s/"name": ?"/$&x/g if $fault eq 'foreign';
        $content =~ s/"bytes": ?\d+/"bytes":9223372036854775807/g
            if $fault eq 'huge';
        $length = length $content if $fault =~ /none|garbage|foreign|huge/;
        $length = 9223372036854775807
            if $fault eq 'huge' && $method eq 'HEAD';
        $content = substr $content, 0, $length / 2 if $fault eq 'cut';

        my $head = "HTTP/1.1 $status Status\r\n";
        $head .= "Content-Length: $length\r\n" if $status != 204;

        $head .= ('X-Long: ' . 'x' x 1000 . "\r\n") x 100
            if $fault eq 'header';

        for (qw(x-object-manifest x-delete-at last-modified)) {
            $head .= "$_: $r->{headers}{$_}\r\n" if $r->{headers}{$_};
        }

        print $client "$head\r\n", $method eq 'HEAD' ? '' : $content;
        $client->flush;
        return if $fault eq 'cut';
    }
}


1;
