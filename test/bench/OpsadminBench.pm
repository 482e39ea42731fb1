# What the benchmarks share: CPU times from /proc, and a table of medians and ratios.
package OpsadminBench;
use strict;
use warnings;
use Exporter 'import';
use POSIX ();

our @EXPORT = qw(cpu_seconds tree_cpu_seconds children_cpu_seconds report);

# The CPU seconds of one process with one thread so far, to the nanosecond.
sub cpu_seconds {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/schedstat" or die "schedstat of $pid: $!";
    return (split ' ', <$file>)[0] / 1e9;
}

# The CPU seconds of a process, its threads, its living children and those it has waited for, to 10 ms.
sub tree_cpu_seconds {
    my ($root) = @_;
    my $ticks = 0;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my ($pid, $rest) = (<$file> // next) =~ /^(\d+) \(.*\) (.*)$/s or next;
        my @fields = split ' ', $rest;
        $ticks += $fields[11] + $fields[12] if $pid == $root || $fields[1] == $root;
        $ticks += $fields[13] + $fields[14] if $pid == $root;
    }
    return $ticks / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

# The CPU seconds of the children that this process has waited for.
sub children_cpu_seconds {
    my @times = times;
    return $times[2] + $times[3];
}

# Prints the median of each variant and its ratio to the floor's.
sub report {
    my ($floor, %seconds) = @_;
    my %median = map { my @sorted = sort { $a <=> $b } @{ $seconds{$_} }; $_ => $sorted[$#sorted / 2] } keys %seconds;
    printf "%-26s %8.3f s CPU   %5.2f of %s   (%s)\n", $_, $median{$_}, $median{$_} / $median{$floor}, $floor,
        join ' ', map { sprintf '%.3f', $_ } @{ $seconds{$_} }
        for sort { $median{$a} <=> $median{$b} } keys %seconds;
}

1;
