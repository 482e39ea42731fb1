# The discount of all products of the shop (scale 1: 50,000) as a job against one plain UPDATE of the same
# rows, audited and not: CPU of the backend, rounds interleaved, medians.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use OpsadminBench;
use OpsadminCluster;

my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 512MB', 'autovacuum = off'])->start;
$cluster->create_database('bench', 'operated-shop', $ENV{BENCH_SCALE} // 1);
$cluster->query('bench', 'CREATE TABLE shop.plain (LIKE shop.product INCLUDING ALL); INSERT INTO shop.plain SELECT * FROM shop.product; VACUUM ANALYZE');
my $session = $cluster->session('bench');
my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
my $changes = 'price = round(price * (1 - 1 / 100.0), 2), updated_at = now()';

my %cpu;
for my $round (1 .. $ENV{BENCH_ROUNDS} // 5) {
    my %variants = (
        'plain UPDATE'         => "UPDATE shop.plain SET $changes",
        'audited plain UPDATE' => "UPDATE shop.product SET $changes",
        'action and run_jobs()' => q{BEGIN; SELECT opsadmin.begin_as('ops@example.com');
            SELECT opsadmin.run_action('discount', '{"percent":1}', '{"filter":null}'); COMMIT; CALL opsadmin.run_jobs()},
    );
    for my $name (sort { $round % 2 ? $a cmp $b : $b cmp $a } keys %variants) {
        my $before = cpu_seconds($pid);
        $session->query($variants{$name});
        push @{ $cpu{$name} }, cpu_seconds($pid) - $before;
        $session->query('VACUUM shop.plain, shop.product; CHECKPOINT');
    }
}
die $session->error if $session->error =~ /ERROR/;
my ($done) = $cluster->query('bench', q{SELECT bool_and(state = 'DONE') FROM opsadmin.bulk_job});
die "a job is not done\n" unless $done eq 't';
report('plain UPDATE', %cpu);
