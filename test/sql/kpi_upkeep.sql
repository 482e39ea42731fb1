-- Upkeep of KPIs: what is noted of late changes by whatever statement, that a refresh makes all equal to a recomputation, days of
-- time zones with odd midnights, tenants that change, partitions that come and go, failures, sticky and frozen values, verification.
SELECT plan(135);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('berlin', 'Berlin', 'Europe/Berlin', id => 1), opsadmin.create_tenant('new-york', 'New York', 'America/New_York', id => 2),
       opsadmin.create_tenant('keyed', 'Keyed', 'Asia/Seoul', id => 3, key => '333') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.sale (id bigint NOT NULL, tenant_id bigint NOT NULL, amount numeric, status text NOT NULL DEFAULT 'PAID', at timestamptz, closed_at timestamptz, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.sale_low PARTITION OF regress_shop.sale FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE regress_shop.sale_high PARTITION OF regress_shop.sale FOR VALUES FROM (1000) TO (2000);
CREATE INDEX ON regress_shop.sale (tenant_id, at);
CREATE INDEX ON regress_shop.sale (tenant_id, closed_at);
SELECT opsadmin.protect('regress_shop.sale') \g /dev/null
SELECT opsadmin.define_kpi('orders', 'regress_shop.sale', 'at') \g /dev/null
SELECT opsadmin.define_kpi('revenue', 'regress_shop.sale', 'at', 'sum(amount)', 'status = ''PAID''', 'money') \g /dev/null
SELECT opsadmin.define_kpi('closed', 'regress_shop.sale', 'closed_at') \g /dev/null
SELECT opsadmin.define_kpi('average', 'regress_shop.sale', 'at', 'sum(amount) / count(*)', 'status = ''PAID''', 'money') \g /dev/null
CREATE VIEW recomputed AS
SELECT t.id AS tenant_id, k.kpi, opsadmin_private.local_day(CASE k.kpi WHEN 'closed' THEN s.closed_at ELSE s.at END, t.time_zone) AS day,
       CASE k.kpi WHEN 'revenue' THEN coalesce(sum(s.amount) FILTER (WHERE s.status = 'PAID'), 0) WHEN 'average' THEN coalesce(sum(s.amount) FILTER (WHERE s.status = 'PAID') / nullif(count(*) FILTER (WHERE s.status = 'PAID'), 0), 0) ELSE count(*) END AS value
FROM regress_shop.sale s JOIN opsadmin.tenant t ON coalesce(t.key, t.id::text) = s.tenant_id::text CROSS JOIN unnest(ARRAY['orders', 'revenue', 'closed', 'average']) AS k (kpi)
WHERE CASE k.kpi WHEN 'closed' THEN s.closed_at ELSE s.at END <= clock_timestamp() AND opsadmin_private.local_day(CASE k.kpi WHEN 'closed' THEN s.closed_at ELSE s.at END, t.time_zone) >= '0001-01-01' GROUP BY 1, 2, 3;
CREATE VIEW wrong AS
SELECT coalesce(r.tenant_id, d.tenant_id) AS tenant_id, coalesce(r.kpi, d.kpi) AS kpi, coalesce(r.day, d.day) AS day, r.value AS recomputed, d.value AS stored
FROM recomputed r FULL JOIN (SELECT * FROM opsadmin.daily_kpi WHERE kpi IN ('orders', 'revenue', 'closed', 'average')) AS d ON d.tenant_id = r.tenant_id AND d.kpi = r.kpi AND d.day = r.day
WHERE coalesce(r.value, 0) IS DISTINCT FROM coalesce(d.value, 0);
-- How many notes a statement leaves, by tenant; then all is refreshed, and right.
CREATE FUNCTION notes() RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(format('%s×%s', n, coalesce(tenant_key, 'all')), ' ' ORDER BY tenant_key), 'none') FROM (SELECT tenant_key, count(*) AS n FROM opsadmin.kpi_dirty GROUP BY tenant_key) AS d
$$;
CREATE FUNCTION is_right(why text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    PERFORM opsadmin.refresh_kpi();
    EXIT WHEN NOT EXISTS (SELECT FROM opsadmin.kpi_backlog WHERE not_before < clock_timestamp()) AND NOT EXISTS (SELECT FROM opsadmin.kpi_dirty);
  END LOOP;
  RETURN NEXT is_empty('SELECT * FROM wrong', why);
END
$$;
SELECT opsadmin.refresh_kpi() \g /dev/null

-- Statements.
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgfoid = 'opsadmin.kpi_trigger'::regproc AND tgenabled = 'A'), 12::bigint, 'define_kpi() puts four triggers on each table of the tree');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (1, 1, 10, now()), (2, 2, 20, now()), (3, 333, 30, now());
UPDATE regress_shop.sale SET amount = amount + 1;
SELECT is(notes(), 'none', 'what happens today leaves no note');
SELECT is_right('and is counted');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) SELECT 100 + n, 1, n, date_trunc('day', now()) - interval '10 days' + n * interval '1 second' FROM generate_series(1, 50) AS n;
SELECT is(notes(), '1×1', 'fifty late rows of one stretch leave one note');
SELECT is_right('INSERT');
INSERT INTO regress_shop.sale (id, tenant_id, at) VALUES (200, 333, now() - interval '5 days'), (201, 4, now() - interval '5 days'), (202, 1, NULL), (203, 1, 'infinity'), (204, 1, '-infinity'), (205, 2, now() + interval '3 days');
SELECT is(notes(), '1×333 1×4', 'a key is noted as it stands, also of nobody; not NULL, infinite times and days to come');
SELECT is_right('none of them is counted but the first');
SELECT is((SELECT count(*) FROM opsadmin.daily_kpi WHERE tenant_id = 3 AND kpi = 'orders' AND value = 1), 2::bigint, 'which is');
UPDATE regress_shop.sale SET amount = 1000 WHERE id = 120;
SELECT is(notes(), '1×1', 'UPDATE of another column');
SELECT is_right('changes a sum');
UPDATE regress_shop.sale SET status = 'OPEN' WHERE id BETWEEN 110 AND 115;
SELECT is_right('UPDATE of a column of the filter');
UPDATE regress_shop.sale SET at = at - interval '30 days' WHERE id = 121;
SELECT is(notes(), '2×1', 'UPDATE of the time dirties both days');
SELECT is_right('which are both computed');
UPDATE regress_shop.sale SET at = now() WHERE id = 122;
UPDATE regress_shop.sale SET at = now() - interval '8 days' WHERE id = 1;
SELECT is(notes(), '2×1', 'into today, and out of it');
SELECT is_right('are noted for the closed day');
UPDATE regress_shop.sale SET tenant_id = 2 WHERE id = 123;
SELECT is(notes(), '1×1 1×2', 'UPDATE of the tenant dirties both tenants');
SELECT is_right('which are both computed');
UPDATE regress_shop.sale SET closed_at = at WHERE id BETWEEN 130 AND 135;
SELECT is_right('a second time column');
UPDATE regress_shop.sale SET id = 1500 WHERE id = 124;
SELECT is_right('a row that moves to another partition');
DELETE FROM regress_shop.sale WHERE id IN (125, 126);
SELECT is(notes(), '1×1', 'DELETE');
SELECT is_right('takes away');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (127, 1, 0, now()), (300, 2, 7, now() - interval '4 days') ON CONFLICT (id) DO UPDATE SET amount = 77;
SELECT is(notes(), '1×1 1×2', 'INSERT ON CONFLICT');
SELECT is_right('inserts and updates');
MERGE INTO regress_shop.sale s USING (VALUES (128), (129), (301)) AS v (id) ON s.id = v.id WHEN MATCHED AND s.id = 128 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = 5
  WHEN NOT MATCHED THEN INSERT (id, tenant_id, at, amount) VALUES (v.id, 333, now() - interval '6 days', 1);
SELECT is_right('MERGE');
COPY regress_shop.sale (id, tenant_id, amount, at) FROM stdin;
1600	2	1.5	2026-01-01 12:00+00
1601	2	2.5	2026-01-02 12:00+00
\.
SELECT is(notes(), '2×2', 'COPY');
SELECT is_right('to partitions');
INSERT INTO regress_shop.sale_high (id, tenant_id, amount, at) VALUES (1602, 1, 1, '2026-01-03 12:00+00');
UPDATE regress_shop.sale_high SET amount = 9 WHERE id = 1600;
DELETE FROM regress_shop.sale_high WHERE id = 1601;
SELECT is(notes(), '1×1 2×2', 'what is sent to a partition');
SELECT is_right('is noted there');
BEGIN;
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (400, 1, 1, now() - interval '3 days');
SAVEPOINT a;
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (401, 2, 1, now() - interval '3 days');
ROLLBACK TO a;
COMMIT;
SELECT is(notes(), '1×1', 'a rolled back savepoint takes its notes along');
SELECT is_right('and its rows');
BEGIN;
DELETE FROM regress_shop.sale WHERE id = 400;
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT is((SELECT count(*) FROM opsadmin.kpi_dirty), 0::bigint, 'a refresh in the same transaction sees the note');
ROLLBACK;
SELECT is_right('and gives it back when it is rolled back');
SET session_replication_role = replica;
DELETE FROM regress_shop.sale WHERE id = 131;
RESET session_replication_role;
SELECT is_right('also as a replica');
TRUNCATE regress_shop.sale_high;
SELECT is(notes(), '1×all', 'TRUNCATE of a partition dirties everything');
SELECT is_right('which is computed again');
TRUNCATE regress_shop.sale;
SELECT is_right('TRUNCATE of all of it');
SELECT is_empty('SELECT * FROM opsadmin.daily_kpi WHERE value <> 0', 'leaves nothing');
SELECT is((SELECT count(*) FROM opsadmin.kpi_backlog WHERE reason <> 'tenant'), 0::bigint, 'and nothing is owed');

-- Which rows are read. Not the whole table: each tenant's open day is a range of the index.
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) SELECT n, 1 + n % 2, n, now() - n * interval '1 hour' FROM generate_series(1, 900) AS n;
SELECT opsadmin.refresh_kpi() \g /dev/null
ANALYZE regress_shop.sale;
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT sum(seq_scan) AS scans FROM pg_stat_xact_user_tables WHERE relname LIKE 'sale\_%' \gset
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT is((SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname LIKE 'sale\_%'), :scans::numeric, 'a refresh scans no table');
COMMIT;
SELECT is(opsadmin_private.single_call(e), c, 'one call: ' || e) FROM (VALUES ('count(*)', 'count'), ('count(DISTINCT a)', 'count distinct'), ('public.f(a)', 'f'), ('percentile_cont(0.5) WITHIN GROUP (ORDER BY a)', 'percentile_cont'),
  ('sum(a) + 1', NULL), ('sum(a) FILTER (WHERE b)', NULL), ('sum(a) OVER ()', NULL), ('sum(a)::int', NULL), ('a', NULL)) AS v (e, c);

-- Days of odd length, whichever index there is.
INSERT INTO opsadmin.tenant (id, slug, name, time_zone) VALUES (11, 'z1', 'z1', 'Europe/Berlin'), (12, 'z2', 'z2', 'America/New_York'), (13, 'z3', 'z3', 'Australia/Lord_Howe'), (14, 'z4', 'z4', 'America/Sao_Paulo'), (15, 'z5', 'z5', 'Pacific/Apia');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at)
SELECT -row_number() OVER (), t.id, 1, at FROM opsadmin.tenant t CROSS JOIN (VALUES (timestamptz '2026-03-06'), ('2026-03-27'), ('2026-04-03'), ('2026-10-02'), ('2026-10-23'), ('2026-10-30'), ('2018-11-02'), ('2018-02-16'), ('2011-12-28'), ('2024-02-27')) AS d (day)
CROSS JOIN LATERAL generate_series(d.day, d.day + interval '4 days', '30 minutes') AS at WHERE t.id > 10;
SELECT is_right('all days of Berlin, New York, Lord Howe, São Paulo and Apia');
CREATE FUNCTION count_of(slug text, day date) RETURNS numeric LANGUAGE sql AS $$SELECT value FROM opsadmin.daily_kpi k JOIN opsadmin.tenant t ON t.id = k.tenant_id WHERE t.slug = $1 AND k.day = $2 AND k.kpi = 'orders'$$;
SELECT is(count_of(slug, day), half_hours::numeric, format('%s on %s', zone, day)) FROM (VALUES ('Berlin', 'z1', date '2026-03-29', 46), ('Berlin', 'z1', '2026-10-25', 50), ('New York', 'z2', '2026-03-08', 46), ('New York', 'z2', '2026-11-01', 50),
  ('Lord Howe', 'z3', '2026-04-05', 49), ('Lord Howe', 'z3', '2026-10-04', 47), ('São Paulo', 'z4', '2018-11-04', 46), ('São Paulo', 'z4', '2018-02-17', 50), ('Apia', 'z5', '2011-12-29', 48), ('Apia', 'z5', '2011-12-31', 48), ('Berlin', 'z1', '2024-02-29', 48)) AS v (zone, slug, day, half_hours);
SELECT is(count_of('z5', '2011-12-30'), NULL, 'Apia had no 2011-12-30');
DROP INDEX regress_shop.sale_tenant_id_at_idx;
CREATE INDEX ON regress_shop.sale (at);
UPDATE regress_shop.sale SET amount = 2 WHERE id < 0;
SELECT is_right('the same with an index on the time alone');
DROP INDEX regress_shop.sale_at_idx;
UPDATE regress_shop.sale SET amount = 3 WHERE id < 0;
SELECT is_right('and without any');
CREATE INDEX ON regress_shop.sale (tenant_id, at);

-- Tenants that come and change.
DELETE FROM regress_shop.sale WHERE at < '2026-01-01';
SELECT opsadmin.refresh_kpi() \g /dev/null
DELETE FROM opsadmin.daily_kpi WHERE day < '2025-12-31';
UPDATE opsadmin.tenant SET time_zone = 'Asia/Kolkata' WHERE id = 11;
UPDATE opsadmin.tenant SET time_zone = 'Pacific/Kiritimati' WHERE id = 12;
SELECT is_right('a tenant that changes its time zone');
UPDATE opsadmin.tenant SET time_zone = 'Pacific/Pago_Pago' WHERE id = 12;
SELECT is_right('and to the other end of the world');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (-100000, 16, 1, '2026-01-05 12:00+00'), (-100001, 17, 1, '2026-02-05 12:00+00');
SELECT opsadmin.create_tenant('late', 'Late', id => 16), opsadmin.create_tenant('later', 'Later', 'Asia/Seoul', id => 18, key => '17') \g /dev/null
SELECT is_right('tenants that come after their rows');
SELECT ok((SELECT count(*) > 0 FROM opsadmin.kpi_backlog WHERE reason = 'tenant' AND not_before > now()), 'their last days are owed once more when all that knew them otherwise has ended');
UPDATE opsadmin.kpi_backlog SET not_before = now() - interval '1 minute';
SELECT is_right('which changes nothing');
DELETE FROM regress_shop.sale WHERE id < 0;
DELETE FROM opsadmin.tenant WHERE id > 10;

-- Times at the edges of what a timestamptz holds belong to no day, in any zone: they stop nobody's refresh, nor its backlog.
CREATE TABLE edge (n serial, at timestamptz);
INSERT INTO edge (at) VALUES ('4714-11-24 00:00+00 BC'), ('4714-11-24 23:00+00 BC'), ('4714-11-26 00:00+00 BC'), ('4000-06-01 12:00+00 BC'), ('0001-12-20 12:00+00 BC'), ('10000-01-02 00:00+00'), ('294276-12-30 12:00+00'), ('294276-12-31 23:59:59.999999+00');
SELECT opsadmin.create_tenant('east', 'East', 'Pacific/Kiritimati', id => 21), opsadmin.create_tenant('west', 'West', 'Pacific/Pago_Pago', id => 22) \g /dev/null
SELECT opsadmin.refresh_kpi() \g /dev/null
INSERT INTO regress_shop.sale (id, tenant_id, amount, at, closed_at) SELECT -1000 * t.id - e.n, t.id, 1, e.at, e.at FROM edge e, (VALUES (1), (2), (333), (21), (22), (4)) AS t (id);
SELECT is(notes(), 'none', 'times at the edges are noted for nobody');
SELECT is_right('and counted for nobody');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) SELECT -30000 - 10 * t.id - n, t.id, 1, timestamptz '0001-12-31 00:00+00 BC' + n * interval '6 hours' FROM generate_series(0, 9) AS n, (VALUES (1), (2), (21), (22)) AS t (id);
SELECT is_right('the year 1 is counted, in each zone from its own beginning');
SELECT results_eq($$SELECT tenant_id, min(day), max(day) FROM opsadmin.daily_kpi WHERE day < '0001-01-05' AND value > 0 GROUP BY 1 ORDER BY 1$$,
  $$VALUES (1::bigint, date '0001-01-01', date '0001-01-02'), (2, '0001-01-01', '0001-01-02'), (21, '0001-01-01', '0001-01-01'), (22, '0001-01-01', '0001-01-02')$$, 'as any other');
UPDATE regress_shop.sale SET at = '4714-11-24 00:00+00 BC' WHERE id BETWEEN 10 AND 20;
SELECT is_right('UPDATE of the time to an edge takes the row from its day');
UPDATE regress_shop.sale SET at = now() - interval '3 days' WHERE id BETWEEN 10 AND 20;
SELECT is_right('and back again');
SELECT opsadmin_private.owe_days(s.target_id, 'missed') FROM opsadmin.kpi_source s \g /dev/null
SELECT is_right('all days computed anew');
SELECT opsadmin_private.owe_days(s.target_id, 'missed') FROM opsadmin.kpi_source s \g /dev/null
INSERT INTO opsadmin.kpi_backlog (target_id, tenant_id, first_day, last_day, reason) SELECT s.target_id, 1, '-infinity', current_date - 3, 'tenant' FROM opsadmin.kpi_source s;
DO 'BEGIN FOR n IN 1 .. 20 LOOP PERFORM opsadmin.refresh_kpi(); END LOOP; END';
SELECT is((SELECT count(*) FROM opsadmin.kpi_backlog WHERE not_before < clock_timestamp()), 0::bigint, 'what is owed of one tenant and of all does not follow its zeros back to the year 1');
SELECT is(opsadmin.refresh_kpi(NULL, '4714-11-24 BC', '4714-11-30 BC'), 0, 'the first days that there are can be asked for, and have no values');
SELECT is(opsadmin.refresh_kpi('orders', '4714-11-24 BC', '4714-11-30 BC'), 0, 'of one KPI, too');
SELECT is_empty('SELECT * FROM opsadmin.verify_kpi(60, 300)', 'verify_kpi() finds nothing');
SELECT is_empty('SELECT * FROM opsadmin.health() WHERE rule = ''kpi''', 'nor does health()');
CREATE TABLE regress_shop.sale_edge (LIKE regress_shop.sale INCLUDING ALL);
INSERT INTO regress_shop.sale_edge (id, tenant_id, amount, at) SELECT 5000 + n, 1, 1, at FROM edge;
ALTER TABLE regress_shop.sale ATTACH PARTITION regress_shop.sale_edge FOR VALUES FROM (5000) TO (6000);
SELECT is_right('a partition with such rows that is attached');
DROP TABLE regress_shop.sale_edge;
SELECT is_right('and dropped');

-- A time zone that the server does not know, which its files may have lost: one tenant has no days, and all others have theirs.
UPDATE opsadmin.tenant SET time_zone = 'KST' WHERE id = 21;
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) SELECT -50000 - t.id, t.id, 1, now() - interval '4 days' FROM (VALUES (2), (21)) AS t (id);
SELECT ok(opsadmin.refresh_kpi() > 0, 'a tenant without a time zone stops no refresh');
SELECT is_empty('SELECT * FROM wrong WHERE tenant_id <> 21', 'and the others have their values');
SELECT matches((SELECT problem FROM opsadmin.health() WHERE rule = 'kpi' AND object = 'east'), 'KST', 'health() tells of it');
SELECT lives_ok(format('SELECT opsadmin_private.kpi_values(k, 21, %L, %L, ''day'') FROM opsadmin.kpi k', current_date - 5, current_date), 'its values can be read');
UPDATE opsadmin.tenant SET time_zone = 'Asia/Seoul' WHERE id = 21;
SELECT is_right('with a time zone it has its own again');
DELETE FROM regress_shop.sale WHERE id < 0;
DELETE FROM opsadmin.tenant WHERE id > 20;
SELECT is_right('all of it is taken away');

-- What stops a refresh is told at once.
CREATE FUNCTION regress_shop.fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'regress: no more'; END $$;
CREATE TRIGGER fails BEFORE UPDATE ON opsadmin.kpi_source FOR EACH ROW WHEN (NEW.failure IS NULL) EXECUTE FUNCTION regress_shop.fails();
CALL opsadmin.run_kpis();
SELECT is((SELECT array_agg(level || ' ' || object || ' ' || (problem LIKE '%regress: no more%')) FROM opsadmin.health() WHERE rule = 'kpi'), '{error regress_shop.sale true}', 'health() says why a source is not refreshed');
DROP TRIGGER fails ON opsadmin.kpi_source;
CALL opsadmin.run_kpis();
SELECT is_empty('SELECT * FROM opsadmin.health() WHERE rule = ''kpi''', 'until it is');

-- A database whose transactions are read-only, and see one state of it, unless they say otherwise.
UPDATE regress_shop.sale SET amount = amount + 1 WHERE id = 500;
SET default_transaction_read_only = on;
SET default_transaction_isolation = 'repeatable read';
CALL opsadmin.run_kpis();
RESET default_transaction_read_only;
RESET default_transaction_isolation;
SELECT is_empty('SELECT * FROM wrong', 'is refreshed like any other');

-- Partitions that come and go.
CREATE TABLE regress_shop.sale_new PARTITION OF regress_shop.sale FOR VALUES FROM (2000) TO (3000);
INSERT INTO regress_shop.sale_new (id, tenant_id, amount, at) VALUES (2000, 1, 1, now() - interval '20 days');
SELECT is(notes() LIKE '%×1%', true, 'a new partition has the triggers at once');
SELECT is_right('and counts');
CREATE TABLE regress_shop.sale_old (LIKE regress_shop.sale INCLUDING ALL);
INSERT INTO regress_shop.sale_old (id, tenant_id, amount, at) VALUES (3000, 1, 1, now() - interval '50 days'), (3001, 2, 1, '2026-01-01 12:00+00');
ALTER TABLE regress_shop.sale ATTACH PARTITION regress_shop.sale_old FOR VALUES FROM (3000) TO (4000);
SELECT is_right('one that is attached with its rows');
ALTER TABLE regress_shop.sale DETACH PARTITION regress_shop.sale_old;
SELECT is_right('and one that is detached');
ALTER TABLE regress_shop.sale DISABLE TRIGGER opsadmin_kpi_insert;
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (700000 % 997, 1, 1, now() - interval '20 days') ON CONFLICT DO NOTHING;
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (950, 1, 1, now() - interval '20 days');
SELECT is_right('a trigger that was disabled is mended, and what it missed is computed');

-- Verification finds what happened past the triggers.
SELECT is_empty('SELECT * FROM opsadmin.verify_kpi(60, 300)', 'verify_kpi() finds nothing');
UPDATE opsadmin.daily_kpi SET value = value + 1 WHERE kpi = 'orders' AND day = current_date - 20;
SELECT isnt_empty('SELECT * FROM opsadmin.verify_kpi(60, 10000)', 'or what is wrong');
SELECT is_empty('SELECT * FROM wrong', 'and puts it right');
SELECT is((SELECT array_agg(DISTINCT day) FROM opsadmin.kpi_repair), ARRAY[current_date - 20], 'it is recorded');
SELECT ok(EXISTS (SELECT FROM opsadmin.health() WHERE rule = 'kpi' AND object = 'orders' AND level = 'error'), 'health() tells of it');
SELECT ok(EXISTS (SELECT FROM opsadmin.kpi_backlog WHERE reason = 'mismatch'), 'and all those days are computed anew');
SELECT is(failure('SELECT opsadmin.verify_kpi(0)'), 'OA420', 'no day is no range');
SELECT opsadmin.refresh_kpi() \g /dev/null

-- Failures hold up neither other KPIs nor other tenants, and are tried again.
SELECT opsadmin.define_kpi('ratio', 'regress_shop.sale', 'at', 'sum(100 / amount)') \g /dev/null
SELECT opsadmin.refresh_kpi() \g /dev/null
UPDATE regress_shop.sale SET amount = 0 WHERE id = 500;
SELECT is_right('a KPI that divides by zero does not stop the others');
SELECT is((SELECT count(*) FROM opsadmin.kpi_failure WHERE kpi = 'ratio' AND message = 'division by zero' AND tenant_id IS NOT NULL), 1::bigint, 'it is noted with the tenant');
SELECT matches((SELECT problem FROM opsadmin.health() WHERE rule = 'kpi' AND object = 'ratio'), 'could not be computed .* division by zero', 'health() tells of it');
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) SELECT 960, tenant_id, 1, at - interval '5 days' FROM regress_shop.sale WHERE id = 500;
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT is((SELECT d.value FROM opsadmin.daily_kpi d JOIN regress_shop.sale s ON s.id = 960 JOIN opsadmin.tenant t ON t.id = s.tenant_id WHERE d.kpi = 'ratio' AND d.tenant_id = t.id AND d.day = opsadmin_private.local_day(s.at, t.time_zone)),
          (SELECT sum(100 / o.amount) FROM regress_shop.sale o JOIN regress_shop.sale s ON s.id = 960 AND o.tenant_id = s.tenant_id JOIN opsadmin.tenant t ON t.id = s.tenant_id WHERE opsadmin_private.local_day(o.at, t.time_zone) = opsadmin_private.local_day(s.at, t.time_zone)), 'its other days go on');
UPDATE regress_shop.sale SET amount = 1 WHERE id = 500;
UPDATE opsadmin.kpi_backlog SET not_before = now() - interval '1 minute' WHERE reason = 'failed';
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT is_empty('SELECT * FROM opsadmin.kpi_failure', 'when it can be computed again it is');
SELECT opsadmin.drop_kpi('ratio') \g /dev/null
CREATE FUNCTION regress_shop.sound(n numeric) RETURNS numeric LANGUAGE plpgsql AS $$BEGIN ASSERT n <> 0, 'not sound'; RETURN n; END$$;
SELECT opsadmin.define_kpi('sound', 'regress_shop.sale', 'at', 'sum(regress_shop.sound(amount))') \g /dev/null
UPDATE regress_shop.sale SET amount = 0 WHERE id = 500;
SELECT is_right('nor does one that an ASSERT refuses');
SELECT is((SELECT message FROM opsadmin.kpi_failure WHERE kpi = 'sound'), 'not sound', 'that is noted, too');
UPDATE regress_shop.sale SET amount = 1 WHERE id = 500;
SELECT opsadmin.drop_kpi('sound') \g /dev/null
SELECT opsadmin.define_kpi('huge', 'regress_shop.sale', 'at', 'sum(9223372036854775807 + id * 0)') \g /dev/null
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT is((SELECT sum(value) FROM opsadmin.daily_kpi WHERE kpi = 'huge'), (SELECT 9223372036854775807 * sum(value) FROM opsadmin.daily_kpi WHERE kpi = 'orders'), 'sums do not overflow');
SELECT opsadmin.drop_kpi('huge') \g /dev/null

-- A time column that has gone, and come back: what changed meanwhile left no notes, and is computed all the same.
ALTER TABLE regress_shop.sale RENAME closed_at TO gone;
UPDATE regress_shop.sale SET gone = at WHERE id BETWEEN 600 AND 620;
SELECT is(opsadmin.refresh_kpi() > 0, true, 'a KPI whose column has gone does not stop the others');
SELECT is((SELECT array_agg(kpi) FROM opsadmin.kpi_failure), '{closed}', 'it has failed');
UPDATE opsadmin.kpi_backlog SET not_before = now() - interval '1 minute' WHERE reason = 'failed';
SELECT is(opsadmin.refresh_kpi() > 0, true, 'nor does it when it is tried again');
ALTER TABLE regress_shop.sale RENAME gone TO closed_at;
UPDATE opsadmin.kpi_backlog SET not_before = now() - interval '1 minute' WHERE reason = 'failed';
SELECT is_right('with the column the values come back');

-- A changed definition serves the old values until they are computed anew.
SELECT opsadmin.define_kpi('revenue', 'regress_shop.sale', 'at', 'sum(amount) * 2', 'status = ''PAID''', 'money') \g /dev/null
SELECT is_empty('SELECT * FROM wrong', 'the values of the former definition are served');
SELECT is((SELECT reason FROM opsadmin.kpi_backlog WHERE kpi = 'revenue'), 'changed', 'until those of the new one, which are owed');
SELECT opsadmin.define_kpi('revenue', 'regress_shop.sale', 'at', 'sum(amount)', 'status = ''PAID''', 'money') \g /dev/null
SELECT is_right('are computed');

-- Sticky KPIs keep what a day had when it ended.
CREATE TABLE regress_shop.person (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, seen_at timestamptz NOT NULL);
CREATE INDEX ON regress_shop.person (tenant_id, seen_at);
SELECT opsadmin.protect('regress_shop.person') \g /dev/null
INSERT INTO regress_shop.person SELECT n, 1, now() FROM generate_series(1, 5) AS n;
SELECT opsadmin.define_kpi('active', 'regress_shop.person', 'seen_at', sticky => true) \g /dev/null
SELECT opsadmin.refresh_kpi() \g /dev/null
-- Yesterday, it was the same.
INSERT INTO opsadmin.daily_kpi SELECT tenant_id, kpi, day - 1, value, now(), false FROM opsadmin.daily_kpi WHERE kpi = 'active';
DELETE FROM regress_shop.person WHERE id < 3;
SELECT opsadmin.refresh_kpi(), opsadmin.refresh_kpi('active', current_date - 2, current_date + 1) \g /dev/null
SELECT results_eq($$SELECT value, final FROM opsadmin.daily_kpi WHERE kpi = 'active' AND tenant_id = 1 ORDER BY day DESC LIMIT 2$$, 'VALUES (3::numeric, false), (5, true)', 'the open day follows its source, yesterday stays');
SELECT opsadmin.drop_kpi('active') \g /dev/null
SELECT is_empty($$SELECT FROM pg_trigger WHERE tgrelid = 'regress_shop.person'::regclass AND tgname LIKE 'opsadmin_kpi%'$$, 'the last KPI of a table takes the triggers along');

-- KPIs by query.
SELECT is(failure(format('SELECT opsadmin.define_kpi_query(%s)', arguments)), 'OA425', why) FROM (VALUES ('''q'', ''SELECT nothing''', 'a query that fails'), ('''q'', ''SELECT 1, 2''', 'two columns'), ('''q'', ''SELECT now()''', 'no number'), ('''q'', NULL', 'no query')) AS v (arguments, why);
SELECT opsadmin.define_kpi_query('per_person', $$SELECT count(*)::numeric / nullif((SELECT count(*) FROM regress_shop.person p WHERE p.tenant_id = bucket.tenant_id), 0)
  FROM regress_shop.sale s WHERE s.tenant_id = bucket.tenant_id AND s.at >= bucket.starts_at AND s.at < bucket.ends_at$$) \g /dev/null
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT is_empty($$SELECT FROM opsadmin.daily_kpi q JOIN opsadmin.daily_kpi o USING (tenant_id, day) WHERE q.kpi = 'per_person' AND o.kpi = 'orders' AND q.value <> CASE WHEN q.tenant_id = 1 THEN o.value / 3 ELSE 0 END$$, 'a KPI by query is computed for each day');
SELECT is((SELECT count(*) FROM opsadmin.daily_kpi WHERE kpi = 'per_person' AND tenant_id = 1 AND day < current_date - 80), 10::bigint, 'of the last ninety');
INSERT INTO regress_shop.person VALUES (1, 1, now());
SELECT opsadmin.verify_kpi() \g /dev/null
SELECT is((SELECT count(*) FROM opsadmin.daily_kpi q JOIN opsadmin.daily_kpi o USING (tenant_id, day) WHERE q.kpi = 'per_person' AND o.kpi = 'orders' AND q.tenant_id = 1 AND day BETWEEN current_date - 30 AND current_date - 2 AND q.value <> o.value / 4), 0::bigint, 'verify_kpi() computes it anew');
SELECT opsadmin.drop_kpi('per_person') \g /dev/null

-- Frozen days keep their values when the source is purged.
INSERT INTO regress_shop.sale (id, tenant_id, amount, at) VALUES (970, 1, 1, now() - interval '15 days');
SELECT is(failure('SELECT opsadmin.freeze_kpi(current_date - 10)'), 'OA420', 'days that are owed are not frozen');
SELECT is(failure('SELECT opsadmin.freeze_kpi(current_date - 10, ''nothing'')'), 'OA410', 'nor those of nothing');
SELECT opsadmin.refresh_kpi() \g /dev/null
SELECT lives_ok('SELECT opsadmin.freeze_kpi(current_date - 10)', 'freeze_kpi()');
CREATE TEMPORARY TABLE kept AS SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi WHERE day < current_date - 10;
DELETE FROM regress_shop.sale WHERE at < current_date - 12;
SELECT opsadmin.refresh_kpi(), opsadmin.refresh_kpi('orders', current_date - 30, current_date - 11) \g /dev/null
SELECT is_empty('SELECT * FROM kept EXCEPT SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi', 'keeps the values of days before');
SELECT opsadmin.freeze_kpi(NULL) \g /dev/null
SELECT is_right('until it is told otherwise');

-- As the worker.
SET SESSION AUTHORIZATION opsadmin_worker;
SELECT ok(opsadmin.refresh_kpi() > 0 AND NOT EXISTS (SELECT FROM opsadmin.verify_kpi(10, 10)), 'the worker may refresh and verify');
CALL opsadmin.run_kpis();
RESET SESSION AUTHORIZATION;
SELECT is(failure_as('opsadmin_internal', 'SELECT * FROM opsadmin.kpi_dirty'), '42501', 'nobody else reads what is owed');
SELECT is(failure($$CREATE TRIGGER t AFTER INSERT ON regress_shop.person EXECUTE FUNCTION opsadmin.kpi_trigger('1', 'tenant_id', 'seen_at'); INSERT INTO regress_shop.person VALUES (77, 1, now())$$), '39P01', 'nobody makes the trigger by hand');

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
