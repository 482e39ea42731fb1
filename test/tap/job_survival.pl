# A job whose action, table, actor or rows change while it runs, that meets time-outs, bad rows and throttles, that shares
# its table with other workers and the queue with a hundred others: what it did is the whole of what it must do.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => [@BulkJob::place_settings, 'max_wal_size = 4GB', 'wal_receiver_status_interval = 1s'])->start;
$cluster->create_database('shop');
BulkJob::prepare_places($cluster, 'shop');
# No worker stops there in this test.
$cluster->query('shop', 'DROP TRIGGER place_2 ON item; DROP TRIGGER place_4 ON opsadmin.job');

sub progress { $cluster->query('shop', "SELECT state, total, processed, changed, skipped, failed FROM opsadmin.bulk_job WHERE id = $_[0]") }
sub run_jobs { $cluster->query('shop', 'CALL opsadmin.run_jobs()') }

# Runs the queue off with so many workers at once, and tests that none of them failed.
sub run_workers {
    my ($name, $number, $setting) = @_;
    my @workers = map { $cluster->session('shop') } 1 .. $number;
    $_->query($setting) for grep { $setting } @workers;
    $_->send('CALL opsadmin.run_jobs()') for @workers;
    $_->wait for @workers;
    is(join('', map { $_->error } @workers), '', "$name: the workers return");
    $_->quit for @workers;
    return;
}

# --- What a job works with changes ------------------------------------------------------------------

# Does five chunks of a job, then the change, then the rest, in one session, which has its plans cached. With a repair the
# job must have failed, with the error; after it the job is done by trying again.
sub changes_in_the_middle {
    my ($name, $change, $error, $repair) = @_;
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $worker = $cluster->session('shop');
    $worker->query('SELECT opsadmin_private.run_next_step(); ' x 5);
    $cluster->query('shop', $change);
    $worker->query('CALL opsadmin.run_jobs()');
    is($worker->error, '', "$name: the worker goes on");
    if (defined $error) {
        like($cluster->query('shop', "SELECT state || ': ' || error FROM opsadmin.bulk_job WHERE id = $job"), qr/^FAILED: $error/, "$name: the job fails, and says why");
        $cluster->query('shop', $repair);
        is(BulkJob::is_agreed($cluster, 'shop', $job, $name), 500, "$name: what was done stays");
        $cluster->query('shop', "SELECT opsadmin.retry_job($job)");
        $worker->query('CALL opsadmin.run_jobs()');
    }
    $worker->quit;
    BulkJob::is_done($cluster, 'shop', $job, $name);
    return;
}

changes_in_the_middle('action dropped', q{SELECT opsadmin.drop_action('lower')});
$cluster->query('shop', q{SELECT opsadmin.define_action('lower', 'item', 'price = price - params.amount, touched = touched + 1', '[{"name":"amount","type":"integer","default":1}]')});
changes_in_the_middle('column added', 'ALTER TABLE item ADD COLUMN note text NOT NULL DEFAULT \'new\'; ALTER TABLE item_before ADD COLUMN note text NOT NULL DEFAULT \'new\'');
changes_in_the_middle('column dropped', 'ALTER TABLE item DROP COLUMN note; ALTER TABLE item_before DROP COLUMN note');
changes_in_the_middle('type changed', 'ALTER TABLE item ALTER COLUMN price TYPE numeric(12,2)');
changes_in_the_middle('key column of another type', 'ALTER TABLE item ALTER COLUMN id TYPE integer');
changes_in_the_middle('column renamed', 'ALTER TABLE item RENAME COLUMN price TO cost', 'column ".*price" .*does not exist', 'ALTER TABLE item RENAME COLUMN cost TO price');
changes_in_the_middle('key in another order', 'ALTER TABLE item ALTER COLUMN id TYPE text', 'the primary key of table "public.item" was id integer_ops when the job was planned', 'ALTER TABLE item ALTER COLUMN id TYPE bigint USING id::bigint');
changes_in_the_middle('another primary key', 'ALTER TABLE item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (price)', 'the primary key of table "public.item" was id integer_ops', 'ALTER TABLE item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (id)');
changes_in_the_middle('actor disabled', 'UPDATE opsadmin.actor SET disabled_at = now()', 'the actor does not exist any more, or is disabled', 'UPDATE opsadmin.actor SET disabled_at = NULL');
changes_in_the_middle('role revoked', q{SELECT opsadmin.revoke_role('ops@example.com', 'ops')}, 'permission "lower:run" is required', q{SELECT opsadmin.grant_role('ops@example.com', 'ops')});

# Whoever has an old snapshot sees the rows as they were, wherever the job has put the new ones.
my $job = BulkJob::start_planned($cluster, 'shop');
my $reader = $cluster->session('shop');
my $sum = 'SELECT count(*), sum(price), sum(touched), md5(string_agg(id::text, \',\' ORDER BY id)) FROM item';
my $before = $reader->query("BEGIN ISOLATION LEVEL REPEATABLE READ; $sum");
run_jobs();
is($reader->query($sum), $before, 'an old snapshot: its rows stay');
$reader->query('COMMIT');
isnt($reader->query($sum), $before, 'an old snapshot: until it ends');
$reader->quit;
BulkJob::is_done($cluster, 'shop', $job, 'an old snapshot');

# The migration waits for the chunk that a worker is in the middle of.
$job = BulkJob::start_planned($cluster, 'shop');
my $gate = BulkJob::stop_at($cluster, 'shop', [1, 777]);
my $worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
BulkJob::wait_at_places($cluster, 'shop');
my $migration = $cluster->session('shop')->send('ALTER TABLE item ALTER COLUMN touched TYPE bigint');
$cluster->wait_for('shop', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE item%' AND wait_event_type = 'Lock'}, 1);
$gate->quit;
$_->wait, is($_->error, '', 'a migration that waits for a chunk'), $_->quit for $migration, $worker;
BulkJob::is_done($cluster, 'shop', $job, 'migrated behind a chunk');

# A table that is dropped, and one that is queued behind it.
$cluster->query('shop', 'CREATE TABLE doomed (id bigint PRIMARY KEY, touched int NOT NULL DEFAULT 0); INSERT INTO doomed SELECT n FROM generate_series(1, 1000) AS n');
$job = $cluster->query('shop', q{SELECT opsadmin.bulk_update('doomed', 'touched = touched + 1')});
$cluster->query('shop', 'SELECT opsadmin_private.run_next_step(); ' x 3 . 'DROP TABLE doomed');
my $other = BulkJob::start_planned($cluster, 'shop');
run_jobs();
is($cluster->query('shop', "SELECT state, changed, error FROM opsadmin.bulk_job WHERE id = $job"), 'FAILED|200|table "public.doomed" was dropped', 'a table that is dropped fails its job');
BulkJob::is_done($cluster, 'shop', $other, 'and no other');

# --- What rows a job finds --------------------------------------------------------------------------

# Five chunks are done, up to row 500 or so, when rows come, go and change their keys.
$cluster->query('shop', 'DELETE FROM item WHERE id IN (151, 152, 1551, 1552)');
$job = BulkJob::start_planned($cluster, 'shop');
$worker = $cluster->session('shop');
$worker->query('SELECT opsadmin_private.run_next_step(); ' x 5);
$cluster->query('shop', <<'SQL');
INSERT INTO item VALUES (151, 1, 100), (1551, 1, 100), (5000, 1, 100);
DELETE FROM item WHERE id IN (100, 700, 701);
UPDATE item SET id = 152 WHERE id = 800;
UPDATE item SET id = 1552 WHERE id = 801;
SQL
$worker->query('CALL opsadmin.run_jobs()');
$worker->quit;
# Of 1,996 rows two are gone and two have moved, one of them to where the job still comes, as does one that is new.
is(progress($job), 'DONE|1998|1998|1994|4|0', 'rows come, go and change their keys: the counters');
is($cluster->query('shop', <<'SQL'), '0', 'rows come, go and change their keys: the whole table');
WITH expected AS (
  SELECT CASE id WHEN 800 THEN 152 WHEN 801 THEN 1552 ELSE id END AS id, tenant_id, price - (id <> 800)::int AS price, touched + (id <> 800)::int AS touched, hits
  FROM item_before WHERE id NOT IN (100, 700, 701)
  UNION ALL VALUES (151, 1, 100, 0, 0), (1551, 1, 99, 1, 0), (5000, 1, 100, 0, 0))
SELECT count(*) FROM expected e FULL JOIN item i USING (id)
WHERE (e.tenant_id, e.price, e.touched, e.hits) IS DISTINCT FROM (i.tenant_id, i.price, i.touched, i.hits)
SQL
is($cluster->query('shop', "SELECT count(*), count(DISTINCT target_pk) FROM opsadmin.audit_log WHERE job_id = $job"), '1994|1994', 'rows come, go and change their keys: the audit entries');

$cluster->query('shop', "TRUNCATE item; INSERT INTO item SELECT n, 1 + n % 2, 1000 + n FROM generate_series(1, $BulkJob::place_rows) AS n");

# A row that is changed makes others fit: one in each chunk ahead, and one behind. And its own change makes it fit no more,
# or leaves it as fitting as before.
$cluster->query('shop', <<'SQL');
CREATE TABLE ring (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, fits boolean NOT NULL, bad boolean NOT NULL DEFAULT false, touched int NOT NULL DEFAULT 0, CHECK (NOT bad OR touched = 0));
CREATE INDEX ON ring (tenant_id);
INSERT INTO ring SELECT n, 1 + n % 2, n <= 500 AND n <> 50 OR n = 1000 FROM generate_series(1, 1000) AS n;
SELECT opsadmin.protect('ring');
CREATE FUNCTION make_others_fit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.ring SET fits = true WHERE id = CASE WHEN NEW.id <= 200 THEN NEW.id + 600 WHEN NEW.id = 450 THEN 50 END;
  RETURN NULL;
END
$$;
CREATE TRIGGER make_others_fit AFTER UPDATE ON ring FOR EACH ROW WHEN (OLD.touched < NEW.touched) EXECUTE FUNCTION make_others_fit();
SQL
for my $case (['makes itself not fit', 'touched = touched + 1, fits = false'], ['stays fitting', 'touched = touched + 1']) {
    my ($name, $changes) = @$case;
    $cluster->query('shop', 'UPDATE ring SET fits = id <= 500 AND id <> 50 OR id = 1000, touched = 0');
    $job = $cluster->query('shop', "SELECT opsadmin.bulk_update('ring', '$changes', 'fits'), opsadmin_private.run_next_step()");
    $job =~ s/\|.*//;
    $cluster->query('shop', 'UPDATE ring SET fits = true WHERE id = 650');
    run_jobs();
    is(progress($job), 'DONE|700|700|700|0|0', "a row that $name and makes others fit: the counters") or diag $cluster->query('shop', 'SELECT touched, fits, min(id), max(id), count(*) FROM ring GROUP BY 1, 2 ORDER BY 3');
    is($cluster->query('shop', q{SELECT count(*) FROM ring WHERE touched <> (id <= 500 AND id <> 50 OR id BETWEEN 601 AND 800 OR id = 1000)::int}), 0, "a row that $name and makes others fit: each once");
}
$cluster->query('shop', 'DROP TRIGGER make_others_fit ON ring');

# Bad rows, the first, the last and a whole chunk, with two workers.
$cluster->query('shop', 'UPDATE ring SET touched = 0, bad = id IN (1, 150, 1000) OR id BETWEEN 301 AND 400');
$job = $cluster->query('shop', q{SELECT opsadmin.bulk_update('ring', 'touched = touched + 1', on_error => 'skip')});
$cluster->query('shop', 'SELECT opsadmin_private.run_next_step()');
run_workers('bad rows', 2);
is(progress($job), 'DONE|1000|1000|897|0|103', 'bad rows with two workers: the counters');
is($cluster->query('shop', 'SELECT count(*) FROM ring WHERE touched <> (NOT bad)::int'), 0, 'bad rows with two workers: each of the others once');
is($cluster->query('shop', "SELECT count(*), count(DISTINCT e.key), count(*) FILTER (WHERE r.bad) FROM opsadmin.job_error e JOIN ring r ON r.id = (e.key ->> 'id')::bigint WHERE job_id = $job"),
    '103|103|103', 'bad rows with two workers: each is listed once');
$cluster->query('shop', "UPDATE ring SET bad = false WHERE id <> 1; SELECT opsadmin.retry_job($job)");
run_workers('bad rows again', 2);
is(progress($job), 'DONE|1000|1000|999|0|1', 'bad rows are tried again: the counters');
is($cluster->query('shop', 'SELECT count(*) FROM ring WHERE touched <> (NOT bad)::int'), 0, 'bad rows are tried again: each once');

# No rows.
$job = $cluster->query('shop', q{SELECT opsadmin.bulk_update('item', 'touched = 9', 'id < 0')});
run_jobs();
is(progress($job), 'DONE|0|0|0|0|0', 'no rows');
is($cluster->query('shop', "SELECT count(*) FROM opsadmin.audit_log WHERE job_id = $job"), 0, 'no rows, no audit entries');

# --- Many workers and many jobs -----------------------------------------------------------------------

# Four workers race for each of 200 chunks of one row.
$cluster->query('shop', 'UPDATE ring SET touched = 0, bad = false');
$job = $cluster->query('shop', q{SELECT opsadmin.bulk_update('ring', 'touched = touched + 1', 'id <= 200')});
$cluster->query('shop', 'SET opsadmin.job_chunk_rows = 1; SELECT opsadmin_private.run_next_step()');
is($cluster->query('shop', "SELECT count(*) FROM opsadmin.job_chunk WHERE job_id = $job"), 40, 'chunks of one row');
run_workers('four workers', 4, 'SET opsadmin.job_chunk_rows = 1');
is(progress($job), 'DONE|200|200|200|0|0', 'four workers race for 200 chunks: the counters');
is($cluster->query('shop', 'SELECT count(*) FROM ring WHERE touched <> (id <= 200)::int'), 0, 'four workers race for 200 chunks: each row once');

# Ten jobs of each of ten tenants. The first tenant has 1,500 rows, and its jobs are queued first.
$cluster->query('shop', <<'SQL');
SELECT opsadmin.create_tenant('tenant-' || n, 'Tenant ' || n, id => 100 + n) FROM generate_series(1, 10) AS n;
CREATE TABLE lot (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, touched int NOT NULL DEFAULT 0);
INSERT INTO lot SELECT n, CASE WHEN n <= 1500 THEN 101 ELSE 102 + n % 9 END FROM generate_series(1, 1590) AS n;
CREATE INDEX ON lot (tenant_id, id);
SELECT opsadmin.protect('lot'), opsadmin.audit('lot'), opsadmin.expose('lot'), opsadmin.define_action('touch', 'lot', 'touched = touched + 1');
SQL
$cluster->query('shop', join '', map { my $n = $_; map { "BEGIN; SELECT opsadmin.begin_as('ops\@example.com', 'tenant-$n', 'a test'); SELECT opsadmin.run_action('touch', '{}', '{\"filter\":null}'); COMMIT;\n" } 1 .. 10 } 1 .. 10);
run_workers('a hundred jobs', 3);
is($cluster->query('shop', q{SELECT state, tenant = 'tenant-1', count(*), sum(total), sum(changed), sum(skipped + failed) FROM opsadmin.bulk_job WHERE name = 'touch' GROUP BY 1, 2 ORDER BY 2}),
    "DONE|f|90|900|900|0\nDONE|t|10|15000|15000|0", 'a hundred jobs: the counters');
is($cluster->query('shop', 'SELECT count(*) FROM lot WHERE touched <> 10'), 0, 'a hundred jobs: each row once by each of its tenant');
is($cluster->query('shop', q{SELECT count(*), count(DISTINCT (job_id, target_pk)) FROM opsadmin.audit_log WHERE target = 'public.lot'}), '15900|15900', 'a hundred jobs: the audit entries');
# As many as the first tenant has chunks come in between: it is the order that counts, not the time.
my $finished = q{SELECT tenant, rank() OVER (ORDER BY finished_at) AS place, rank() OVER (PARTITION BY tenant ORDER BY finished_at) AS own FROM opsadmin.bulk_job WHERE name = 'touch'};
my $places = $cluster->query('shop', "SELECT min(place) FILTER (WHERE tenant = 'tenant-1' AND own = 5) > max(place) FILTER (WHERE tenant <> 'tenant-1') FROM ($finished) AS f");
is($places, 't', 'a hundred jobs: the big tenant is not half done when all the small ones are')
    or diag($cluster->query('shop', "SELECT tenant, array_agg(place ORDER BY place) FROM ($finished) AS f GROUP BY 1"));

# --- Time-outs as the database's defaults -------------------------------------------------------------

$job = BulkJob::start_planned($cluster, 'shop');
$gate = BulkJob::stop_at($cluster, 'shop', [1, 1777]);
$cluster->query('shop', "ALTER DATABASE shop SET $_") for 'statement_timeout = 2000', 'lock_timeout = 1', 'idle_in_transaction_session_timeout = 1', 'idle_session_timeout = 60000';
my (undef, undef, $error) = $cluster->psql('shop', 'CALL opsadmin.run_jobs()');
like($error, qr/canceling statement due to statement timeout/, 'time-outs: they count for run_jobs()');
is(BulkJob::is_agreed($cluster, 'shop', $job, 'time-outs'), 1700, 'time-outs: the chunk that was cancelled is not done, those before it are');
$gate->quit;
# Not for workers, which work for longer than any statement.
$cluster->query('shop', "ALTER DATABASE shop SET statement_timeout = 1");
$worker = $cluster->session('shop', user => 'opsadmin_worker');
$worker->query('CALL opsadmin.run_jobs()');
is($worker->error, '', 'time-outs: a worker has none');
$worker->quit;
$cluster->query('postgres', 'ALTER DATABASE shop RESET ALL');
BulkJob::is_done($cluster, 'shop', $job, 'time-outs');

# --- Throttles ----------------------------------------------------------------------------------------

# Sets something on a server, and waits until its sessions know.
sub set {
    my ($where, $name, $value) = @_;
    $where->query('shop', $_) for "ALTER SYSTEM SET $name = $value", 'SELECT pg_reload_conf()';
    (my $shown = $value) =~ s/^'|'$//g;
    $shown =~ s/''/'/g;
    $where->wait_for('shop', "SHOW $name", $shown);
    return;
}

# In the middle of the job what holds it up begins; it must say so, and go on when that has ended.
sub throttled {
    my ($name, $reason, $begin, $end) = @_;
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $gate = BulkJob::stop_at($cluster, 'shop', [1, 150]);
    my $worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
    BulkJob::wait_at_places($cluster, 'shop');
    # What was measured is known for a quarter of a second: no other chunk may be begun by then.
    my $next = BulkJob::stop_at($cluster, 'shop', [3, 2]);
    $begin->();
    $gate->quit;
    BulkJob::wait_at_places($cluster, 'shop');
    $cluster->query('shop', 'SELECT pg_sleep(0.3)');
    $next->quit;
    $cluster->wait_for('shop', "SELECT wait_reason ~ '$reason' FROM opsadmin.bulk_job WHERE id = $job");
    is(BulkJob::is_agreed($cluster, 'shop', $job, $name), 200, "$name: no further chunk is begun");
    $end->();
    $worker->wait;
    is($worker->error, '', "$name: the worker goes on");
    $worker->quit;
    BulkJob::is_done($cluster, 'shop', $job, $name);
    is($cluster->query('shop', "SELECT wait_reason FROM opsadmin.bulk_job WHERE id = $job"), '', "$name: it waits for nothing any more");
    return;
}

$cluster->query('shop', 'CREATE TABLE busy (why text); GRANT SELECT ON busy TO opsadmin_worker');
set($cluster, 'opsadmin.job_throttle_query', "'SELECT why FROM public.busy'");
throttled('throttle query', '^a sale$', sub { $cluster->query('shop', q{INSERT INTO busy VALUES ('a sale')}) }, sub { $cluster->query('shop', 'DELETE FROM busy') });
set($cluster, 'opsadmin.job_throttle_query', "'SELECT nothing'");
$job = BulkJob::start_planned($cluster, 'shop');
$worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
$cluster->wait_for('shop', "SELECT wait_reason FROM opsadmin.bulk_job WHERE id = $job", 'opsadmin.job_throttle_query fails: column "nothing" does not exist');
set($cluster, 'opsadmin.job_throttle_query', "''");
$worker->wait;
$worker->quit;
BulkJob::is_done($cluster, 'shop', $job, 'throttle query that fails');

set($cluster, 'opsadmin.job_max_retained_wal', "'1MB'");
throttled('retained WAL', '^replication slot "forgotten" retains [0-9]+ [kM]B of WAL$',
    sub { $cluster->query('shop', $_) for q{SELECT pg_create_physical_replication_slot('forgotten', true)}, 'CREATE TABLE filler (n int); DROP TABLE filler; SELECT pg_switch_wal()' },
    sub { $cluster->query('shop', q{SELECT pg_drop_replication_slot('forgotten')}) });

my $standby = OpsadminCluster->copy_of($cluster)->start;
$cluster->wait_for('shop', 'SELECT count(*) FROM pg_stat_replication', 1);
set($cluster, 'opsadmin.job_max_replica_lag', "'500ms'");
throttled('replica lag', '^replica ".*" is [0-9.]+ s behind$',
    sub {
        $standby->query('shop', 'SELECT pg_wal_replay_pause()');
        $standby->wait_for('shop', 'SELECT pg_get_wal_replay_pause_state()', 'paused');
        $cluster->query('shop', 'CREATE TABLE filler (n int); DROP TABLE filler');
        $cluster->wait_for('shop', q{SELECT replay_lag > interval '500 ms' FROM pg_stat_replication});
    },
    sub { $standby->query('shop', 'SELECT pg_wal_replay_resume()') });
$standby->stop('immediate');
unlike($cluster->log, qr/PANIC|terminated by signal/, 'no process died');

done_testing;
