# The examples of the documentation, run by psql from the top of a page to its end, answer what the page shows; where it
# shows nothing, they run without an error. A page is tried when test/docs/ has a file of its name: what its examples begin
# with besides company.sql, and below "-- ## Heading" what comes before the examples under this heading. An example is a
# block of "sql", "sql as LOGIN" for another login than the superuser; "sql recorded" is not tried.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname basename);
use Test::More;
use IPC::Run;
use OpsadminCluster;

my $test = dirname(abs_path(__FILE__)) . '/..';

sub content {
    my ($path) = @_;
    open(my $file, '<:encoding(UTF-8)', $path) or die "$path: $!";
    local $/;
    return <$file>;
}

# Each example with its line, the heading above it, and the answer that the page shows, if any.
sub examples {
    my ($text) = @_;
    my @found;
    while ($text =~ /^```sql(?: as (\w+))?\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?/msg) {
        my ($login, $sql, $answer) = ($1 // 'postgres', $2, $3);
        my $before = substr($text, 0, $-[0]);
        my ($heading) = $before =~ /.*^##+ ([^\n]*)/ms;
        push @found, { line => 1 + ($before =~ tr/\n//), heading => $heading // '', login => $login, sql => $sql, answer => $answer };
    }
    return @found;
}

# What an answer says, without what differs from run to run, the width of columns, results without a value, and what stands
# above and below a single value of JSON.
sub essence {
    my ($answer) = @_;
    for ($answer) {
        s/^LOCATION:.*\n//mg;
        s/^[^\n]+\n[-+]+\n[ |]*\n\(1 row\)\n\n?//mg;
        s/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::\d\d)?)?/<moment>/g;
        s/\b[\w-]{43}\b/<secret>/g;
        s/"\d{19}"/"<id>"/g;
        s/\b[0-9a-f]{16}\b/<key id>/g;
        s/"counts" : \[[\d,]+\]/"counts"/g;
        s/ *\+$//mg;
        s/^-\[ RECORD (\d+) \]-+$/RECORD $1/mg;
        s/^ *[-+]{3,}$/---/mg;
        s/ +/ /g;
        s/^ | $//mg;
        s/^[^\n]+\n---\n([{[].*?)\n\(1 row\)$/$1/msg;
        s/\n+/\n/g;
        s/\A\n+|\n+\z//g;
    }
    return $answer;
}

# By headings, what comes before the examples: silent, so that it has no part in their answers.
sub preparation {
    my ($text) = @_;
    my ($top, %sections) = split /^-- ## (.*)\n/m, $text;
    $sections{''} = $top;
    return map { $_ => "\\o /dev/null\nSET client_min_messages = error;\n$sections{$_}\nRESET client_min_messages;\n\\o\n" } keys %sections;
}

my $cluster = OpsadminCluster->new->start;
$cluster->query('postgres', 'CREATE DATABASE company');
$cluster->query('company', "SET client_min_messages = error;\n" . content("$test/docs/company.sql"));

for my $page (glob("$test/../docs/*/*.md")) {
    my $name = basename($page, '.md');
    next unless -e "$test/docs/$name.sql";
    my $database = $name eq 'health-and-schedule' ? 'shop' : $name; # pg_cron's own
    $cluster->query('postgres', qq{CREATE DATABASE "$database" TEMPLATE company});
    my %preparation = preparation(content("$test/docs/$name.sql"));
    my @examples = examples(content($page));
    my $script = "\\cd $test/docs\n\\set SHOW_CONTEXT never\n\\set VERBOSITY verbose\n" . delete $preparation{''};
    for (@examples) {
        $script .= delete $preparation{$_->{heading}} // '';
        $script .= "\\c - $_->{login}\n" if $_->{login} ne 'postgres';
        $script .= "\\echo ==== $_->{line}\n$_->{sql}\\pset expanded off\n\\pset tuples_only off\n\\echo ==== end\n";
        $script .= "\\c - postgres\n" if $_->{login} ne 'postgres';
    }
    is(join(', ', keys %preparation), '', "$name.md has the headings that its preparation names");
    my $out = '';
    {
        local %ENV = (%ENV, PGHOST => $cluster->host, PGPORT => 5432, PGUSER => 'postgres', PAGER => '');
        utf8::encode($script);
        IPC::Run::run(['psql', '-X', '-q', '-d', $database], \$script, '>&', \$out, IPC::Run::timeout(120));
    }
    utf8::decode($out);
    my %answers = $out =~ /^==== (\d+)\n(.*?)^==== end\n/msg;
    $out =~ s/^==== \d+\n.*?^==== end\n//msg;
    is($out, '', "$name.md: its preparation is silent");
    for (@examples) {
        my $answer = essence($answers{$_->{line}} // 'the session has ended');
        if (defined $_->{answer}) {
            is($answer, essence($_->{answer}), "$name.md, line $_->{line}");
        } else {
            unlike($answer, qr/^ERROR/m, "$name.md, line $_->{line}");
        }
    }
}

done_testing;
