#!/usr/bin/perl

# docs/operations.md has each metric and each line of the error log, and
# docs/grafana.json asks for metrics that are there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use RegistryTest;
use RegistryTest::Image qw(read_file);


my $top = "$FindBin::Bin/..";
my $doc = read_file("$top/docs/operations.md");

my $t = RegistryTest->new;
$t->start(directives => 'registry_health interval=1s;',
    server => 'location = /metrics { registry_status prometheus; }');
my $text = $t->client->request('GET', '/metrics')->{content};
my %type = $text =~ /^# TYPE (\S+) (\S+)$/mg;
$t->stop;

cmp_ok(scalar keys %type, '>', 10, 'families of metrics');
is(join(' ', grep { index($doc, "`$_`") < 0 } sort keys %type), '',
    'all are in docs/operations.md');


# the dashboard

my $grafana = decode_json(read_file("$top/docs/grafana.json"));
my @targets = map { @{ $_->{targets} } } @{ $grafana->{panels} };
my @queries = ((map { $_->{expr} } @targets),
    map { ref $_->{query} ? $_->{query}{query} : () }
        @{ $grafana->{templating}{list} });
my %asked = map { $_ => 1 } map { /\b(registry_\w+)/g } @queries;

cmp_ok(scalar @targets, '>', 20, 'queries of the dashboard');

for (keys %asked) {
    my $family = $_;
    $family =~ s/_(bucket|sum|count)$// if !$type{$family};
    delete $asked{$_} if $type{$family}
        && ($family eq $_ || $type{$family} =~ /histogram|summary/);
}

is(join(' ', sort keys %asked), '', 'ask for metrics that are there');


# the log: the text of each call of ngx_log_error(), as far as it is fixed

my @lines;

for my $file (glob "$top/ngx_http_registry_module/*/ngx_http_*.c") {
    my $c = read_file($file);
    push @lines, map { s/"\s+"//gr } $c =~ /\bngx_log_error\(\s*[^;]*?
        "registry:\ ((?:[^"\\]|\\.|"\s+")*)"/xg;
}

cmp_ok(scalar @lines, '>', 25, 'lines of the error log');

my ($table) = $doc =~ /^## What the error log says\n(.*?)^## /ms;
$table =~ tr/"`//d;

for my $line (@lines) {
    next if $line =~ /^%ui %s while/;           # the line of a request

    # its first words, as the table has them: "..." for each value

    my @words = split ' ', $line =~ s/\\?"//gr =~ s/%(?:\*s|[A-Z]|\w+)/.../gr;
    my $begin = join ' ', @words[0 .. ($#words > 3 ? 3 : $#words)];

    ok(index($table, $begin) >= 0, "docs: $begin");
}

done_testing();
