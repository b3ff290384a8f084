package RegistryTest::Curl;

# A client as RegistryTest::Client, whose requests are sent by curl: over TLS,
# HTTP/2, a Unix socket, behind a PROXY header, with whatever curl can do.
#
#   my $c = RegistryTest::Curl->new($t, "https://localhost:$port", '--http2');

use strict;
use warnings;

use RegistryTest::Client;
use RegistryTest::Image qw(read_file write_file);

our @ISA = 'RegistryTest::Client';


sub new {
    my ($class, $t, $url, @options) = @_;

    return bless { t => $t, url => $url, options => \@options }, $class;
}


sub request {
    my ($self, $method, $path, $o) = @_;

    my ($head, $body, $sent) = map { $self->{t}->dir . "/curl.$$.$_" }
        qw(head body sent);
    my %headers = ($method =~ /^(GET|HEAD)$/
        ? (Accept => $RegistryTest::Client::ACCEPT) : (),
        Expect => '', %{ $o->{headers} // {} });
    my @send;

    if (defined(my $content = $o->{content})) {
        if (ref $content) {
            my $bytes = '';
            while (length(my $piece = $content->() // '')) {
                $bytes .= $piece;
            }
            $content = $bytes;
            $headers{'Transfer-Encoding'} = 'chunked'
                if !grep { /^--http(1\.0|2)/ } @{ $self->{options} };
        }
        write_file($sent, $content);
        @send = ('--data-binary', "\@$sent");
    }

    # by itself: it ends in time, and a row has some 70 of these
    system('curl', '-sS', '--path-as-is', '-m', 60, '-D', $head, '-o', $body,
        '--cacert', $self->{t}->ca,
        $method eq 'HEAD' ? '-I' : ('-X', $method),
        (map { ('-H', "$_: $headers{$_}") } sort keys %headers), @send,
        @{ $self->{options} }, "$self->{url}$path") == 0
        or die "$method $path: curl ended with $?\n";

    # the last one counts: "100 Continue" may come before
    my ($answer) = read_file($head) =~ m{.*^HTTP/[\d.]+ (\d{3}.*)}ms;
    my ($status, @lines) = split /\r\n/, $answer;
    my %got;
    /^([^:]+):\s*(.*)/ and push @{ $got{lc $1} }, $2 for @lines;
    my $content = $method eq 'HEAD' || !-e $body ? '' : read_file($body);
    unlink $body;

    return { status => $status =~ s/ .*//r, content => $content,
        headers => { map { $_ => join ', ', @{ $got{$_} } } keys %got } };
}


1;
