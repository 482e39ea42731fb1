# The session in README.md: pasted into psql it answers what README.md shows, but for results without a value.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;
use IPC::Run;
use OpsadminCluster;

my $readme = dirname(abs_path(__FILE__)) . '/../../README.md';
open(my $file, '<:encoding(UTF-8)', $readme) or die "$readme: $!";
my $text = do { local $/; <$file> };

sub block {
    my ($language) = @_;
    my @found = $text =~ /^```$language session\n(.*?)^```$/msg;
    is(scalar @found, 1, "README.md has one session of $language");
    return $found[0];
}

my $session = block('sql');
my $expected = block('text');

my $cluster = OpsadminCluster->new->start;
$cluster->query('postgres', 'CREATE DATABASE readme');
my ($out, $err) = ('', '');
{
    local %ENV = (%ENV, PGHOST => $cluster->host, PGPORT => 5432, PGUSER => 'postgres', PAGER => '');
    IPC::Run::run(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'readme'], \$session, \$out, \$err);
}
is($?, 0, 'the session runs to its end');
is($err, '', 'without an error or a warning');

# A function that returns void answers one row of blank columns.
$out =~ s/^[^\n]+\n[-+]+\n[ |]*\n\(1 row\)\n\n//mg;
$out =~ s/\n\n\z/\n/;
is($out, $expected, 'and answers what README.md shows');

done_testing;
