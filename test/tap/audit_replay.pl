# A random workload of three sessions, with savepoints, errors and kill -9 of the server: who replays the audit log
# from an empty table gets exactly the table's content, and finds each row as the log says it was. OPSADMIN_SEED repeats a run.
# topic: audit
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

my $seed = $ENV{OPSADMIN_SEED} // int(rand(2**31));
srand($seed);
diag("OPSADMIN_SEED=$seed");

my $cluster = OpsadminCluster->new(settings => ['autovacuum = off', 'deadlock_timeout = 20ms'])->start;
$cluster->create_database('shop', 'empty');
$cluster->query('shop', <<'SQL');
SET client_min_messages = error;
CREATE TABLE item (id int, tenant_id int, price numeric, name text, at timestamptz, flags boolean[], PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE item_high PARTITION OF item FOR VALUES FROM (100) TO (MAXVALUE);
SELECT opsadmin.audit('item');
-- Takes the changes back from the log alone. The order of ids is that of the changes.
CREATE TABLE replayed (LIKE item);
CREATE FUNCTION replay() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    entry record;
    row_before replayed;
    changed int;
BEGIN
    TRUNCATE replayed;
    FOR entry IN SELECT * FROM opsadmin.audit_log ORDER BY id LOOP
        IF entry.op = 'TRUNCATE' THEN
            DELETE FROM replayed WHERE (id < 100) = (entry.before ->> 'table' = 'public.item_low');
        ELSIF entry.op = 'INSERT' THEN
            INSERT INTO replayed SELECT (jsonb_populate_record(NULL::replayed, entry.after)).*;
        ELSE
            SELECT * INTO row_before FROM replayed WHERE id = (entry.target_pk ->> 'id')::int;
            IF NOT to_jsonb(row_before) @> entry.before THEN
                RETURN format('entry %s: %s is not %s', entry.id, to_jsonb(row_before), entry.before);
            END IF;
            DELETE FROM replayed WHERE id = (entry.target_pk ->> 'id')::int;
            GET DIAGNOSTICS changed = ROW_COUNT;
            IF changed <> 1 THEN
                RETURN format('entry %s: %s rows %s', entry.id, changed, entry.target_pk);
            END IF;
            IF entry.op = 'UPDATE' THEN
                INSERT INTO replayed SELECT (jsonb_populate_record(row_before, entry.after)).*;
            END IF;
        END IF;
    END LOOP;
    RETURN (SELECT coalesce(string_agg(to_jsonb(d)::text, ', '), 'the same')
            FROM ((TABLE item EXCEPT ALL TABLE replayed) UNION ALL (TABLE replayed EXCEPT ALL TABLE item)) AS d);
END
$$;
SQL

sub any_of { $_[int rand @_] }
sub id { int rand 200 }

# One statement; some fail, some change many rows, some move rows to the other partition.
sub statement {
    my ($from, $to) = sort { $a <=> $b } id(), id();
    my $table = any_of(qw(item item item item_low item_high));
    return any_of(
        "INSERT INTO item SELECT n, n % 3, random() * 100, 'n' || n, clock_timestamp(), '{t,NULL}' FROM generate_series($from, $to) AS n ON CONFLICT (id) DO UPDATE SET price = excluded.price",
        "INSERT INTO item VALUES (" . id() . ", 1, 'NaN', repeat('x', 3000), 'infinity')",
        "UPDATE $table SET price = price + 1, at = clock_timestamp() WHERE id BETWEEN $from AND $to",
        "UPDATE $table SET name = repeat(md5(id::text), 100) WHERE id = " . id(),
        "UPDATE item SET id = id + 400 WHERE id = " . id(),
        "UPDATE item SET id = 199 - id WHERE id IN (" . id() . ')',
        "UPDATE item SET price = 1 / (id - " . id() . ") WHERE id BETWEEN $from AND $to",
        "DELETE FROM $table WHERE id = " . id(),
        "DELETE FROM item WHERE id >= 400",
        "WITH gone AS (DELETE FROM item WHERE id = " . id() . " RETURNING id) UPDATE item SET name = 'of ' || gone.id FROM gone WHERE item.id = (gone.id + 7) % 200",
        "MERGE INTO item i USING generate_series($from, $from + 3) AS n ON i.id = n WHEN MATCHED AND n % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET price = -n WHEN NOT MATCHED THEN INSERT (id, tenant_id) VALUES (n, 2)",
        int(rand 15) ? 'SELECT 1' : "TRUNCATE $table",
    );
}

sub transaction {
    my @steps = ('BEGIN');
    my $savepoints = 0;
    for (0 .. int rand 6) {
        push @steps, 'SAVEPOINT s' . ++$savepoints if rand() < 0.4;
        push @steps, statement();
        # What has failed is taken back, or takes the whole transaction along.
        push @steps, any_of('RELEASE', 'ROLLBACK TO') . ' s' . $savepoints-- if $savepoints && rand() < 0.6;
    }
    return join('; ', @steps, any_of('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'));
}

for my $round (1 .. 4) {
    my @sessions = map { $cluster->session('shop') } 1 .. 3;
    for (1 .. 25) {
        $_->send(join ";\n", map { transaction() } 1 .. 4) for @sessions;
        $_->wait for @sessions;
    }
    if ($round % 2) {
        # In the middle of a transaction of each.
        $_->send(join ";\n", map { transaction() } 1 .. 50) for @sessions;
        $cluster->wait_for('shop', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'});
        $cluster->kill9;
        $cluster->start;
    } else {
        $_->quit for @sessions;
    }
    is($cluster->query('shop', 'SELECT replay()'), 'the same', "round $round: the log gives the table, seed $seed");
}
cmp_ok($cluster->query('shop', 'SELECT count(*) FROM opsadmin.audit_log'), '>', 1000, 'from many entries');
is($cluster->query('shop', 'SELECT count(*) FROM opsadmin.audit_log WHERE xact IS NULL'), 0, 'each has its header');
# Another truth is found to be none.
$cluster->query('shop', q{ALTER TABLE item DISABLE TRIGGER ALL; INSERT INTO item VALUES (-1, 1)});
isnt($cluster->query('shop', 'SELECT replay()'), 'the same', 'a change past the log is found');
done_testing;
