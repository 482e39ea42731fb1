package BulkJob;

# A protected and audited table of 40,000 prices, and a job over it whose outcome tells whether any row was
# changed twice or not at all. Each chunk takes a while, after its rows and audit entries are written and
# before it commits, so that a test can kill in the middle. Judges only by what is committed.

use strict;
use warnings;
use Test::More;

our $rows = 40_000;
our $chunks = 20;
# Chunks of 2,000 rows, however long each takes.
our @settings = ('opsadmin.job_chunk_rows = 2000', 'opsadmin.job_lock_budget = 60s');

sub prepare {
    my ($cluster, $database, $seconds) = @_;
    $cluster->query($database, <<"SQL");
SELECT opsadmin.create_tenant('acme', 'Acme'), opsadmin.create_tenant('globex', 'Globex'),
       opsadmin.create_actor('ops\@example.com', 'Ops'), opsadmin.grant_role('ops\@example.com', 'ops');
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, price numeric NOT NULL);
CREATE INDEX ON item (tenant_id);
INSERT INTO item SELECT n, 1 + n % 2, 1000 + n FROM generate_series(1, $rows) AS n;
CREATE TABLE item_before AS SELECT * FROM item;
SELECT opsadmin.protect('item'), opsadmin.audit('item'), opsadmin.expose('item'),
       opsadmin.define_action('lower', 'item', 'price = price - params.amount', '[{"name":"amount","type":"integer"}]');
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep($seconds); RETURN NULL; END';
CREATE TRIGGER take_time AFTER UPDATE ON item FOR EACH STATEMENT EXECUTE FUNCTION take_time();
SQL
    return;
}

# Starts the job on every row and returns its id.
sub start {
    my ($cluster, $database) = @_;
    $cluster->query($database, 'TRUNCATE item_before; INSERT INTO item_before SELECT * FROM item');
    my $answer = $cluster->query($database,
        q{BEGIN; SELECT opsadmin.begin_as('ops@example.com'); SELECT opsadmin.run_action('lower', '{"amount":1}', '{"filter":null}'); COMMIT});
    $answer =~ s/\s//g;
    return $answer;
}

# Waits until at least so many chunks are done, and returns how many are.
sub wait_for_chunks {
    my ($cluster, $database, $job, $number) = @_;
    my $done = "SELECT processed / 2000 FROM opsadmin.bulk_job WHERE id = $job";
    $cluster->wait_for($database, "SELECT ($done) >= $number");
    return $cluster->query($database, $done);
}

# Tests that what is committed agrees, whether the job is done or was stopped in the middle.
sub is_consistent {
    my ($cluster, $database, $job, $name) = @_;
    my ($processed, $lowered, $entries, $headers) = split /\|/, $cluster->query($database, <<"SQL");
SELECT (SELECT processed FROM opsadmin.bulk_job WHERE id = $job),
       (SELECT count(*) FROM item JOIN item_before b USING (id) WHERE item.price = b.price - 1),
       (SELECT count(*) FROM opsadmin.audit_log WHERE job_id = $job),
       (SELECT count(DISTINCT header_id) FROM opsadmin.audit_log WHERE job_id = $job) * 2000
SQL
    ok($processed == $lowered && $lowered == $entries && $entries == $headers, "$name: rows, audit and progress agree ($processed)")
        or diag("processed $processed, lowered $lowered, entries $entries, headers for $headers");
    return $processed;
}

sub is_done_exactly_once {
    my ($cluster, $database, $job, $name) = @_;
    is($cluster->query($database, <<"SQL"), "DONE|$rows|$rows|$rows|0|0||", "$name: the job is done, its counters are exact");
SELECT state, total, processed, changed, skipped, failed, error, wait_reason FROM opsadmin.bulk_job WHERE id = $job
SQL
    is($cluster->query($database, <<'SQL'), "$rows|$rows|0", "$name: every row was changed exactly once");
SELECT count(*), count(*) FILTER (WHERE i.price = b.price - 1 AND i.tenant_id = b.tenant_id),
       count(*) FILTER (WHERE i.id IS NULL OR b.id IS NULL)
FROM item i FULL JOIN item_before b USING (id)
SQL
    is($cluster->query($database, <<"SQL"), "$rows|$rows|$rows|$rows|0", "$name: one audit entry a row, with what it was and is");
SELECT count(*), count(DISTINCT a.target_pk), count(DISTINCT a.id),
       count(*) FILTER (WHERE a.op = 'UPDATE' AND a.actor_name = 'Ops' AND a.action = 'lower' AND a.target = 'public.item'
                        AND (a.before ->> 'price')::numeric = b.price AND (a.after ->> 'price')::numeric = b.price - 1),
       (SELECT count(*) FROM opsadmin.audit_entry e WHERE NOT EXISTS (SELECT FROM opsadmin.audit_header h WHERE h.id = e.header_id))
FROM opsadmin.audit_log a LEFT JOIN item_before b ON b.id = (a.target_pk ->> 'id')::bigint AND b.tenant_id = a.tenant_id
WHERE a.job_id = $job
SQL
    return;
}


# --- A smaller table, on which a job stops at exact places --------------------------------------------

# Twenty chunks of 100 rows, however long each takes.
our @place_settings = ('opsadmin.job_chunk_rows = 100', 'opsadmin.job_lock_budget = 60s', 'max_connections = 60');
our $place_rows = 2000;

# Where a worker passes a place it takes and returns the advisory lock (place, number), so whoever holds that lock
# stops it there. The numbers are keys of rows, chunks and jobs.
our %places = ('before a row is changed' => 1, 'after the rows were changed' => 2, 'before the commit of a chunk' => 3, 'before the commit of the end' => 4);

sub prepare_places {
    my ($cluster, $database) = @_;
    $cluster->query($database, <<"SQL");
SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2),
       opsadmin.create_actor('ops\@example.com', 'Ops'), opsadmin.grant_role('ops\@example.com', 'ops');
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, price numeric NOT NULL, touched int NOT NULL DEFAULT 0, hits int NOT NULL DEFAULT 0);
CREATE INDEX ON item (tenant_id);
INSERT INTO item SELECT n, 1 + n % 2, 1000 + n FROM generate_series(1, $place_rows) AS n;
CREATE TABLE item_before AS TABLE item;
SELECT opsadmin.protect('item'), opsadmin.audit('item'), opsadmin.expose('item'),
       opsadmin.define_action('lower', 'item', 'price = price - params.amount, touched = touched + 1', '[{"name":"amount","type":"integer","default":1}]');
CREATE FUNCTION place() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS \$\$
DECLARE
  number integer := to_jsonb(NEW) ->> TG_ARGV[1];
BEGIN
  PERFORM pg_advisory_lock_shared(TG_ARGV[0]::integer, number), pg_advisory_unlock_shared(TG_ARGV[0]::integer, number);
  RETURN NEW;
END
\$\$;
CREATE TRIGGER place_1 BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION place(1, 'id');
CREATE TRIGGER place_2 AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION place(2, 'id');
CREATE TRIGGER place_3 AFTER UPDATE ON opsadmin.job_chunk FOR EACH ROW WHEN (NEW.state = 'DONE') EXECUTE FUNCTION place(3, 'chunk_no');
CREATE TRIGGER place_4 AFTER UPDATE ON opsadmin.job FOR EACH ROW WHEN (NEW.state = 'DONE') EXECUTE FUNCTION place(4, 'id');
CREATE FUNCTION unchanged(o item_before, n item) RETURNS boolean LANGUAGE sql IMMUTABLE AS \$\$
  SELECT (n.id, n.tenant_id, n.price, n.touched, n.hits) = (o.id, o.tenant_id, o.price, o.touched, o.hits)
\$\$;
CREATE FUNCTION changed_once(o item_before, n item) RETURNS boolean LANGUAGE sql IMMUTABLE AS \$\$
  SELECT (n.id, n.tenant_id, n.price, n.touched, n.hits) = (o.id, o.tenant_id, o.price - 1, o.touched + 1, o.hits)
\$\$;
-- What is committed of a job, in one line. Each row is as it was, or was changed once and has one audit entry that says so.
CREATE FUNCTION outcome(job bigint) RETURNS TABLE (state text, processed bigint, changed bigint, once bigint, untouched bigint, other bigint, entries bigint, wrong_entries bigint)
LANGUAGE sql AS \$\$
  SELECT b.state, b.processed, b.changed, i.once, i.untouched, i.other, e.entries, e.wrong_entries
  FROM opsadmin.bulk_job b
  CROSS JOIN (SELECT count(*) FILTER (WHERE changed_once(o, n)) AS once, count(*) FILTER (WHERE unchanged(o, n)) AS untouched,
                     count(*) FILTER (WHERE changed_once(o, n) IS NOT TRUE AND unchanged(o, n) IS NOT TRUE) AS other
              FROM item_before o FULL JOIN item n USING (id)) AS i
  CROSS JOIN (SELECT count(*) AS entries,
                     count(*) FILTER (WHERE (changed_once(o, n) AND a.op = 'UPDATE' AND a.action = 'lower' AND a.actor_name = 'Ops' AND a.tenant_id = o.tenant_id AND a.number = 1
                                             AND (a.before ->> 'touched')::int = o.touched AND (a.after ->> 'touched')::int = n.touched
                                             AND (a.before ->> 'price')::numeric = o.price AND (a.after ->> 'price')::numeric = n.price) IS NOT TRUE) AS wrong_entries
              FROM (SELECT l.*, row_number() OVER (PARTITION BY l.target_pk) AS number FROM opsadmin.audit_log l WHERE l.job_id = job) AS a
              LEFT JOIN item_before o ON o.id = (a.target_pk ->> 'id')::bigint LEFT JOIN item n ON n.id = o.id) AS e
  WHERE b.id = job
\$\$;
SQL
    return;
}

# A row's key that chance picks, and the number of its chunk.
sub any_row {
    my $row = 1 + int rand $place_rows;
    return ($row, 1 + int(($row - 1) / 100));
}

# Starts the job on every row, planned, and returns its id.
sub start_planned {
    my ($cluster, $database) = @_;
    my $answer = $cluster->query($database, <<'SQL');
BEGIN; TRUNCATE item_before; INSERT INTO item_before TABLE item; COMMIT;
BEGIN; SELECT opsadmin.begin_as('ops@example.com'); SELECT opsadmin.run_action('lower', '{}', '{"filter":null}'); COMMIT;
SELECT opsadmin_private.run_next_step();
SQL
    my ($job) = $answer =~ /^(\d+)$/m;
    return $job;
}

# A session that stops workers at places, each [place, number].
sub stop_at {
    my ($cluster, $database, @at) = @_;
    my $gate = $cluster->session($database);
    $gate->query('SELECT ' . join ', ', map { "pg_advisory_lock($_->[0], $_->[1])" } @at);
    return $gate;
}

# Waits until so many workers have stopped at places, and returns their process numbers.
sub wait_at_places {
    my ($cluster, $database, $number) = @_;
    my $stopped = "FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted";
    $cluster->wait_for($database, "SELECT count(*) $stopped", $number // 1);
    return split /\n/, $cluster->query($database, "SELECT pid $stopped ORDER BY objid");
}

# Tests that what is committed agrees, done or not; returns how many rows are changed.
sub is_agreed {
    my ($cluster, $database, $job, $name) = @_;
    my ($state, $processed, $changed, $once, $untouched, $other, $entries, $wrong) = split /\|/, $cluster->query($database, "SELECT * FROM outcome($job)");
    ok($once == $processed && $once == $changed && $once == $entries && $once + $untouched == $place_rows && !$other && !$wrong,
        "$name: rows, audit and progress agree ($once, $state)")
        or diag("processed $processed, changed $changed, rows changed once $once, untouched $untouched, other $other, entries $entries, wrong ones $wrong");
    return $once;
}

# Tests that the job is done, and every row was changed once.
sub is_done {
    my ($cluster, $database, $job, $name) = @_;
    return is($cluster->query($database, "SELECT * FROM outcome($job)"), "DONE|$place_rows|$place_rows|$place_rows|0|0|$place_rows|0", "$name: done, every row exactly once");
}

# The killed ones' clients have gone, the server is there again: tests that what is committed agrees, that between so many
# rows are changed, whole chunks of them, and that the next worker does the rest.
sub survives {
    my ($cluster, $database, $job, $name, $least, $most, @sessions) = @_;
    $_->quit for @sessions;
    $cluster->wait_for($database, 'SELECT true');
    my $changed = is_agreed($cluster, $database, $job, $name);
    ok($changed % 100 == 0 && $changed >= $least && $changed <= $most, "$name: $least to $most rows are changed") or diag($changed);
    $cluster->query($database, 'CALL opsadmin.run_jobs()');
    is_done($cluster, $database, $job, $name);
    return;
}

# How often a test with kills does each: once, or twenty times in make check-long.
sub repetitions { $ENV{OPSADMIN_TEST_LONG} ? 20 : 1 }

# Seeds the random numbers, says how to have the same ones again, and returns the seed.
sub seed {
    my $seed = $ENV{OPSADMIN_TEST_SEED} // time;
    diag("OPSADMIN_TEST_SEED=$seed");
    srand $seed;
    return $seed;
}

1;
