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

1;
