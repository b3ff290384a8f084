#!/usr/bin/perl

# t/bin/test ends at once, and says why, when the storage that all suites share
# is gone: a suite that takes it down is not to cost the others their time-outs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use Test::More;

use RegistryTest::Image qw(write_file);


my $dir = tempdir(CLEANUP => 1);

write_file("$dir/gone.t", <<'END');
use Test::More tests => 2;
ok open(my $file, '<', $ENV{CEPH_CONF} =~ s{[^/]+$}{osd.pid}r), 'an OSD';
kill 'KILL', 0 + <$file>;
sleep 3600;
END

delete @ENV{grep { /^RGW_|^CEPH_CONF$/ } keys %ENV};
my $said = `timeout 600 $FindBin::Bin/bin/test $dir/gone.t 2>&1`;

is $? >> 8, 1, 'it fails';
like $said, qr/storage of the tests is gone: ceph-osd has ended; its logs/,
    'and says why';
my ($logs) = $said =~ /logs are in (\S+)/;
ok -s "$logs/osd.log", 'its logs are there';

done_testing();
