# What the docs say of themselves: the session in README.md, pasted into psql, answers what README.md shows, but for
# results without a value; the security model names a test that exists for each attack; and links lead somewhere.
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

# --- The attacks of the security model ----------------------------------------------------------------

my $root = dirname(abs_path(__FILE__)) . '/..';
open($file, '<:encoding(UTF-8)', "$root/../docs/explanation/security-model.md") or die "security-model.md: $!";
my @attacks = grep { /^\| \d+ \|/ } <$file>;
cmp_ok(scalar @attacks, '>=', 60, 'the security model lists its attacks');
my @untested = grep { (split /\|/)[4] !~ /\w+\.(?:sql|pl|mjs|spec|cpp)/ } @attacks;
is("@untested", '', 'each names a test');
my %missing = map { $_ => 1 } grep { !-e "$root/$_" } map { (split /\|/)[4] =~ m{([\w/.]+\.(?:sql|pl|mjs|spec|cpp))}g } @attacks;
is(join(' ', keys %missing), '', 'that exists');

# --- Links ---------------------------------------------------------------------------------------------

# By files, the prose without the examples.
my $top = abs_path("$root/..");
my %prose;
for my $page ("$top/README.md", glob("$top/docs/*.md $top/docs/*/*.md")) {
    open($file, '<:encoding(UTF-8)', $page) or die "$page: $!";
    ($prose{$page} = do { local $/; <$file> }) =~ s/^```.*?^```$//msg;
}

# Whether a page has a heading that an address names, as web pages of repositories do.
sub has_heading {
    my ($page, $anchor) = @_;
    for my $heading ($prose{$page} =~ /^#+ (.*)$/mg) {
        my $name = lc($heading =~ s/\[([^]]*)\]\([^)]*\)/$1/gr);
        $name =~ s/[^\w\- ]//g;
        return 1 if $name =~ tr/ /-/r eq $anchor;
    }
    return 0;
}

my @broken;
for my $page (sort keys %prose) {
    for my $link ($prose{$page} =~ /\]\(((?!https?:)[^)\s]+)\)/g) {
        my ($path, $anchor) = split /#/, $link;
        my $target = $path eq '' ? $page : abs_path(dirname($page) . "/$path");
        push @broken, "$page: $link" unless defined $target && -e $target && (!defined $anchor || has_heading($target, $anchor));
    }
}
is(join("\n", @broken), '', 'every link leads to a file, and to a heading in it');

done_testing;
