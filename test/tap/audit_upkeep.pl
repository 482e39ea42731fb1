# The upkeep of the audit log beside an open reader and four writers: partitions are made and dropped, and no writer
# waits 200 ms for a lock. The server itself tells: it logs each wait that is longer than deadlock_timeout.
# topic: audit
use strict;
use warnings;
use Test::More;
use IPC::Run ();
use OpsadminCluster;

my $cluster = OpsadminCluster->new(settings => ['log_lock_waits = on', 'deadlock_timeout = 200ms', 'autovacuum = off'])->start;
$cluster->create_database('shop', 'empty');
$cluster->query('shop', <<'SQL');
SET client_min_messages = error;
CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO item SELECT n, 0 FROM generate_series(1, 4) AS n;
SELECT opsadmin.audit('item');
-- A week that is older than any retention.
CREATE FUNCTION age(monday date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opsadmin_private.make_audit_partition('audit_entry', monday);
    INSERT INTO opsadmin.audit_entry (id, header_id, tenant_id, target_id, op) SELECT opsadmin_private.audit_id_at(monday), 0, 0, 1, 'D';
END
$$;
SQL
my $waits = sub { my @found = $cluster->log =~ /^(.*still waiting for.*)$/mg; scalar @found };

# A lock that somebody waits for is seen, or the test proves nothing.
my $blocker = $cluster->session('shop');
$blocker->query('BEGIN; LOCK TABLE item');
my $waiter = $cluster->session('shop');
$waiter->send('UPDATE item SET n = n WHERE id = 1');
$cluster->wait_for('shop', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted});
select(undef, undef, undef, 0.1) until $waits->();
$blocker->query('COMMIT');
$waiter->wait;
my $seen = $waits->();
is($seen, 1, 'a wait of 200 ms is in the log');

# Four writers, each of a row of its own, until the upkeep has run ten times.
my $script = $cluster->host . '/writer.pgbench';
open my $file, '>', $script or die $!;
print $file "UPDATE item SET n = n + 1 WHERE id = :client_id + 1;\n";
close $file;
chmod 0644, $script;
my $output = '';
my $writers;
{
    local %ENV = (%ENV, PGHOST => $cluster->host, PGPORT => 5432, PGUSER => 'postgres');
    $writers = IPC::Run::start(['pgbench', '-n', '-c', 4, '-T', 600, '-f', $script, 'shop'], '<', \undef, '>&', \$output);
}
$cluster->wait_for('shop', 'SELECT min(n) > 10 FROM item');
my $reader = $cluster->session('shop');
my ($made, $dropped) = (0, 0);
for my $round (1 .. 5) {
    $cluster->query('shop', "SELECT age(date '2020-01-06' + 7 * $round)");
    $reader->query('BEGIN; SELECT count(*) FROM opsadmin.audit_log WHERE op = $$DELETE$$');
    $made += $cluster->query('shop', "SELECT opsadmin_private.make_audit_partitions(4 + $round)");
    is($cluster->query('shop', 'SELECT opsadmin.run_maintenance()'), 0, "round $round: what an open reader uses is not dropped");
    # A writer that has begun since goes on.
    my $before = $cluster->query('shop', 'SELECT min(n) FROM item');
    $cluster->wait_for('shop', "SELECT min(n) > $before + 10 FROM item");
    $reader->query('COMMIT');
    $dropped += $cluster->query('shop', 'SELECT opsadmin.run_maintenance()');
}
is($made, 10, 'partitions were made beside the reader and the writers');
is($dropped, 5, 'and dropped when nobody read');
$writers->signal('TERM');
IPC::Run::finish($writers);
is($waits->() - $seen, 0, 'no writer has waited 200 ms for a lock');
unlike($cluster->log, qr/ERROR/, 'and none has failed') or diag(grep { /ERROR/ } split /^/, $cluster->log);
is($cluster->query('shop', q{SELECT count(*) - (SELECT sum(n) FROM item) FROM opsadmin.audit_log WHERE op = 'UPDATE'}), 0, 'every change of theirs is in the log, once');
is($cluster->query('shop', 'SELECT count(*) FROM opsadmin.audit_entry_overflow'), 0, 'none in the overflow table');
done_testing;
