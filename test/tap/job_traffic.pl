# Jobs while the shop's own transactions change the same rows: deadlocks and serialization failures on both sides, with each
# isolation level as the database's default. The job changes each row exactly once, and no change of the shop's is lost.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use IPC::Run ();
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => [@BulkJob::place_settings, 'deadlock_timeout = 100ms'])->start;
$cluster->create_database('shop');
BulkJob::prepare_places($cluster, 'shop');
$cluster->query('shop', <<'SQL');
DROP TRIGGER place_2 ON item;
CREATE TABLE sale (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, first bigint NOT NULL, second bigint NOT NULL);
SQL

# Two rows in any order: sales wait for each other in circles. pgbench tries again what failed.
my $script = $cluster->host . '/sale.sql';
open(my $file, '>', $script) or die "$script: $!";
print $file <<"SQL";
\\set first random(1, $BulkJob::place_rows)
\\set second random(1, 20)
BEGIN;
UPDATE item SET hits = hits + 1 WHERE id = :first;
UPDATE item SET hits = hits + 1 WHERE id = :second;
INSERT INTO sale (first, second) VALUES (:first, :second);
COMMIT;
SQL
close $file;
my $log = '';

sub start_traffic {
    my ($seed) = @_;
    local %ENV = (%ENV, PGHOST => $cluster->host, PGPORT => 5432, PGUSER => 'postgres');
    return IPC::Run::start(['pgbench', '-n', '-c', '4', '-j', '1', '-T', '100', '--max-tries=0', "--random-seed=$seed", '-f', $script, 'shop'], '<', \undef, '>&', \$log);
}

my $seed = BulkJob::seed();
for my $level ('read committed', 'repeatable read', 'serializable') {
    $cluster->query('postgres', "ALTER DATABASE shop SET default_transaction_isolation = '$level'");
    $cluster->query('shop', 'UPDATE item SET hits = 0; TRUNCATE sale');
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $gate = BulkJob::stop_at($cluster, 'shop', [1, 150]);
    my $traffic = start_traffic($seed);
    my @workers = map { $cluster->session('shop')->send('CALL opsadmin.run_jobs()') } 1, 2;
    # A worker in the middle of a chunk, with the shop waiting for its rows.
    BulkJob::wait_at_places($cluster, 'shop');
    $cluster->wait_for('shop', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted});
    $gate->quit;
    $_->wait for @workers;
    is(join('', map { $_->error } @workers), '', "$level: the workers go on");
    $_->quit for @workers;
    # The shop goes on selling after the job, too.
    my $sales = $cluster->query('shop', 'SELECT count(*) FROM sale');
    $cluster->wait_for('shop', "SELECT count(*) > $sales FROM sale");
    $traffic->signal('TERM');
    $traffic->finish;
    $cluster->wait_for('shop', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'}, 0);
    is($cluster->query('shop', "SELECT state, total, processed, changed, skipped, failed FROM opsadmin.bulk_job WHERE id = $job"),
        "DONE|$BulkJob::place_rows|$BulkJob::place_rows|$BulkJob::place_rows|0|0", "$level: the job is done");
    is($cluster->query('shop', <<'SQL'), 0, "$level: each row was changed once, no sale is lost");
SELECT count(*) FROM item_before o FULL JOIN item n USING (id)
LEFT JOIN (SELECT id, count(*) AS hits FROM (SELECT first AS id FROM sale UNION ALL SELECT second FROM sale) AS s GROUP BY 1) AS s USING (id)
WHERE (n.price, n.touched, n.hits) IS DISTINCT FROM (o.price - 1, o.touched + 1, coalesce(s.hits, 0))
SQL
    is($cluster->query('shop', "SELECT count(*), count(DISTINCT target_pk), sum((after ->> 'touched')::int - (before ->> 'touched')::int), count(*) FILTER (WHERE after ->> 'hits' <> before ->> 'hits') FROM opsadmin.audit_log WHERE job_id = $job"),
        "$BulkJob::place_rows|$BulkJob::place_rows|$BulkJob::place_rows|0", "$level: the audit entries");
    note("$level: $sales sales during the job");
}
like($cluster->log, qr/could not serialize access due to concurrent update/, 'the shop and the job were in each other\'s way');
unlike($cluster->log, qr/PANIC|terminated by signal/, 'no process died');

done_testing;
