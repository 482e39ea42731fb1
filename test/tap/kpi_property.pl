# A random workload of three sessions and two refreshers: inserts, updates of time, amount, status and tenant, deletes,
# TRUNCATE, tenants that change their time zones, savepoints, rollbacks, kill -9 of the server. After each round the
# stored values equal a recomputation. OPSADMIN_SEED repeats a run.
# topic: kpi
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

my $seed = $ENV{OPSADMIN_SEED} // int(rand(2**31));
srand($seed);
diag("OPSADMIN_SEED=$seed");

my $cluster = OpsadminCluster->new(settings => ['deadlock_timeout = 20ms', 'autovacuum_naptime = 1s'])->start;
$cluster->create_database('shop', 'empty');
$cluster->query('shop', <<'SQL');
SET client_min_messages = error;
SELECT opsadmin.create_tenant('t' || n, 'Tenant ' || n, zone, n) FROM (VALUES (1, 'Europe/Berlin'), (2, 'America/New_York'), (3, 'Australia/Lord_Howe'), (4, 'Pacific/Apia'), (5, 'America/Sao_Paulo')) AS t (n, zone);
CREATE TABLE sale (id int NOT NULL, tenant_id int NOT NULL, amount numeric, status text NOT NULL, at timestamptz, shipped_at timestamptz, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE sale_low PARTITION OF sale FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE sale_high PARTITION OF sale FOR VALUES FROM (100) TO (MAXVALUE);
CREATE INDEX ON sale (tenant_id, at);
SELECT opsadmin.protect('sale', trusted_roles => '{}');
SELECT opsadmin.define_kpi('orders', 'sale', 'at');
SELECT opsadmin.define_kpi('revenue', 'sale', 'at', 'sum(amount)', 'status = ''PAID''', 'money');
SELECT opsadmin.define_kpi('kinds', 'sale', 'at', 'count(DISTINCT status)');
SELECT opsadmin.define_kpi('average', 'sale', 'at', 'sum(amount) / count(amount)', 'amount > 0', 'money');
SELECT opsadmin.define_kpi('shipped', 'sale', 'shipped_at');
CREATE VIEW wrong AS
SELECT coalesce(r.tenant_id, d.tenant_id) AS tenant_id, coalesce(r.kpi, d.kpi) AS kpi, coalesce(r.day, d.day) AS day, r.value AS recomputed, d.value AS stored
FROM (SELECT t.id AS tenant_id, k.kpi, opsadmin_private.local_day(m.at, t.time_zone) AS day,
             coalesce(CASE k.kpi WHEN 'revenue' THEN sum(amount) FILTER (WHERE status = 'PAID') WHEN 'kinds' THEN count(DISTINCT status) WHEN 'average' THEN sum(amount) FILTER (WHERE amount > 0) / nullif(count(*) FILTER (WHERE amount > 0), 0)
                                 ELSE count(*) END, 0)::numeric AS value
      FROM sale s JOIN opsadmin.tenant t ON t.id = s.tenant_id CROSS JOIN unnest(ARRAY['orders', 'revenue', 'kinds', 'average', 'shipped']) AS k (kpi)
      CROSS JOIN LATERAL (SELECT CASE k.kpi WHEN 'shipped' THEN s.shipped_at ELSE s.at END AS at) AS m
      WHERE isfinite(m.at) AND opsadmin_private.local_day(m.at, t.time_zone) <= opsadmin_private.local_day(clock_timestamp(), t.time_zone) GROUP BY 1, 2, 3) AS r
FULL JOIN opsadmin.daily_kpi d ON d.tenant_id = r.tenant_id AND d.kpi = r.kpi AND d.day = r.day
WHERE coalesce(r.value, 0) IS DISTINCT FROM coalesce(d.value, 0);
SQL

sub any_of { $_[int rand @_] }
sub id { int rand 200 }

# A moment: mostly of the last days, sometimes today, around changes of the clocks, at the edges of time, or none.
sub moment {
    return any_of(
        ("clock_timestamp() - random() * interval '6 days'") x 4, 'clock_timestamp()', "clock_timestamp() - random() * interval '1 day'",
        "date_trunc('year', now()) + interval '85 days' + random() * interval '10 days'", "clock_timestamp() - random() * interval '200 days'",
        "'4714-11-24 00:00+00 BC'", "'0001-01-01 06:00+00'", "'294276-12-31 23:59+00'", 'NULL', "'infinity'", "'-infinity'", "clock_timestamp() + interval '2 days'");
}

# One statement; some fail, some change many rows, some move rows to another partition, tenant or day.
sub statement {
    my ($from, $to) = sort { $a <=> $b } id(), id();
    my $table = any_of(qw(sale sale sale sale_low sale_high));
    my $status = any_of(qw(PAID OPEN VOID));
    return any_of(
        "INSERT INTO sale SELECT n, 1 + n % 6, n % 7, '$status', " . moment() . ", NULL FROM generate_series($from, $to) AS n ON CONFLICT (id) DO UPDATE SET at = excluded.at, amount = excluded.amount",
        'INSERT INTO sale VALUES (' . id() . ', ' . (1 + int rand 6) . ", 1, '$status', " . moment() . ', ' . moment() . ')',
        "UPDATE $table SET amount = amount + 1 WHERE id BETWEEN $from AND $to",
        "UPDATE $table SET status = '$status' WHERE id BETWEEN $from AND $to",
        "UPDATE $table SET at = " . moment() . ' WHERE id = ' . id(),
        "UPDATE $table SET at = at + interval '7 hours', shipped_at = at WHERE id BETWEEN $from AND $to",
        'UPDATE sale SET tenant_id = ' . (1 + int rand 6) . ' WHERE id = ' . id(),
        'UPDATE sale SET id = id + 400 WHERE id = ' . id(),
        "UPDATE sale SET amount = 1 / (id - " . id() . ") WHERE id BETWEEN $from AND $to",
        "DELETE FROM $table WHERE id BETWEEN $from AND $from + 5",
        'DELETE FROM sale WHERE id >= 400',
        "MERGE INTO sale s USING generate_series($from, $from + 3) AS n ON s.id = n WHEN MATCHED AND n % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = n WHEN NOT MATCHED THEN INSERT VALUES (n, 2, 3, 'PAID', " . moment() . ', NULL)',
        int(rand 15) ? 'SELECT 1' : "TRUNCATE $table",
        int(rand 10) ? 'SELECT 1' : "UPDATE opsadmin.tenant SET time_zone = '" . any_of('Europe/Berlin', 'Asia/Kolkata', 'Pacific/Kiritimati', 'Pacific/Pago_Pago', 'America/Sao_Paulo') . "' WHERE id = " . (1 + int rand 5),
    );
}

sub transaction {
    my @steps = ('BEGIN');
    my $savepoints = 0;
    for (0 .. int rand 5) {
        push @steps, 'SAVEPOINT s' . ++$savepoints if rand() < 0.4;
        push @steps, statement();
        push @steps, any_of('RELEASE', 'ROLLBACK TO') . ' s' . $savepoints-- if $savepoints && rand() < 0.6;
    }
    return join('; ', @steps, any_of('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'));
}

# Refreshes until nothing is owed, and says what is wrong then.
sub what_is_wrong {
    for (1 .. 50) {
        my $more = $cluster->query('shop', <<'SQL');
CALL opsadmin.run_kpis();
SELECT count(*) FROM (SELECT 1 FROM opsadmin.kpi_dirty UNION ALL SELECT 1 FROM opsadmin.kpi_backlog WHERE not_before < clock_timestamp()) AS owed;
SQL
        last if $more eq '0';
    }
    return $cluster->query('shop', q{SELECT coalesce(string_agg(w::text, ' '), 'nothing') FROM (SELECT * FROM wrong LIMIT 10) AS w});
}

my @complaints;
my $values = 0;
for my $round (1 .. 6) {
    my @sessions = map { $cluster->session('shop') } 1 .. 3;
    my @refreshers = map { $cluster->session('shop') } 1 .. 2;
    for (1 .. 8) {
        $_->send(join ";\n", map { transaction() } 1 .. 5) for @sessions;
        $_->send(any_of('CALL opsadmin.run_kpis()', 'SELECT opsadmin.refresh_kpi()', 'BEGIN; SELECT opsadmin.refresh_kpi(); ROLLBACK')) for @refreshers;
        $_->wait for @sessions, @refreshers;
        # A TRUNCATE may deadlock with a refresh, which is then taken back.
        push @complaints, grep { /ERROR|WARNING/ && !/deadlock detected/ } map { $_->error } @refreshers;
    }
    if ($round % 2) {
        # In the middle of a transaction of each.
        $_->send(join ";\n", map { transaction() } 1 .. 50) for @sessions;
        $_->send(join ";\n", map { 'CALL opsadmin.run_kpis()' } 1 .. 50) for @refreshers;
        $cluster->wait_for('shop', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'});
        $cluster->kill9;
        $cluster->start;
    } else {
        $_->quit for @sessions, @refreshers;
    }
    is(what_is_wrong(), 'nothing', "round $round: the stored values are those of a recomputation, seed $seed");
    $values += $cluster->query('shop', 'SELECT count(*) FROM opsadmin.daily_kpi WHERE value <> 0');
}
is(join('', @complaints), '', 'no refresh has failed');
cmp_ok($values, '>', 50, 'there are many');
is($cluster->query('shop', q{SELECT coalesce(string_agg(message, ' '), 'none') FROM opsadmin.kpi_failure}), 'none', 'nor a KPI');
# Another truth is found to be none.
$cluster->query('shop', q{ALTER TABLE sale DISABLE TRIGGER ALL; INSERT INTO sale VALUES (100000, 1, 1, 'PAID', now() - interval '9 days')});
isnt($cluster->query('shop', 'SELECT count(*) FROM wrong'), 0, 'a change past the triggers is found');
done_testing;
