-- KPIs: definitions, values equal to a recomputation, days of the tenant's own zone, final days, and reading them.
SELECT plan(76);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('new-york', 'New York', 'America/New_York', id => 1), opsadmin.create_tenant('seoul', 'Seoul', 'Asia/Seoul', id => 2),
       opsadmin.create_tenant('utc', 'UTC', id => 3), opsadmin.create_tenant('lettered', 'Lettered', 'Pacific/Kiritimati', id => 4, key => 'T-4') \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.define_role('no_kpi', 'partner', '{product:read}') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'no_kpi', 'utc') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.sale (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint NOT NULL, customer int, amount numeric(12, 2), status text NOT NULL DEFAULT 'PAID', at timestamptz, on_day date);
CREATE TABLE regress_shop.bare (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, at timestamptz);
CREATE TABLE regress_shop.visit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shop_key text NOT NULL, at timestamptz NOT NULL);
CREATE TABLE regress_shop.session (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shop_id uuid NOT NULL, at timestamptz NOT NULL);
SELECT opsadmin.protect('regress_shop.sale'), opsadmin.protect('regress_shop.visit', 'shop_key'), opsadmin.protect('regress_shop.session', 'shop_id') \g /dev/null

-- define_kpi() and what it refuses.
SELECT is(failure(format('SELECT opsadmin.define_kpi(%s)', arguments)), code, 'define_kpi(): ' || why)
FROM (VALUES
  ('''Bad'', ''regress_shop.sale'', ''at''', 'OA425', 'a name in upper case'), ('NULL, ''regress_shop.sale'', ''at''', 'OA425', 'no name'), ('''bad'', ''regress_shop.bare'', ''at''', 'OA435', 'a table that is not protected'),
  ('''bad'', ''regress_shop.sale'', ''nothing''', 'OA425', 'an unknown time column'), ('''bad'', ''regress_shop.sale'', ''on_day''', 'OA425', 'a time column that is a date'),
  ('''bad'', ''regress_shop.sale'', ''at'', ''amount''', 'OA425', 'a value that is no aggregate'), ('''bad'', ''regress_shop.sale'', ''at'', ''sum(nothing)''', 'OA425', 'an unknown column'),
  ('''bad'', ''regress_shop.sale'', ''at'', ''min(at)''', 'OA425', 'a value that is no number'), ('''bad'', ''regress_shop.sale'', ''at'', ''''', 'OA425', 'an empty value'), ('''bad'', ''regress_shop.sale'', ''at'', NULL', 'OA425', 'no value'),
  ('''bad'', ''regress_shop.sale'', ''at'', filter => ''amount''', 'OA425', 'a filter that is no condition'), ('''bad'', ''regress_shop.sale'', ''at'', ''count(*)'', ''true); DROP TABLE x; --''', 'OA425', 'a second statement'),
  ('''bad'', ''regress_shop.sale'', ''at'', unit => ''weight''', 'OA425', 'an unknown unit'), ('''bad'', ''regress_shop.sale'', ''at'', unit => NULL', 'OA425', 'no unit')) AS bad (arguments, code, why);
SELECT opsadmin.define_kpi('orders', 'regress_shop.sale', 'at', label => '{"en":"Orders","ko":"주문"}'), opsadmin.define_kpi('revenue', 'regress_shop.sale', 'at', 'sum(amount)', 'status = ''PAID''', 'money'),
       opsadmin.define_kpi('buyers', 'regress_shop.sale', 'at', 'count(DISTINCT customer)'), opsadmin.define_kpi('dearest', 'regress_shop.sale', 'at', 'max(target.amount)', 'target.status = ''PAID'' OR amount > 5', 'money') \g /dev/null

-- Values equal a recomputation by the tenant's own days, which need not have 24 hours.
INSERT INTO regress_shop.sale (tenant_id, customer, amount, status, at)
SELECT 1 + n % 3, n % 17, n % 7 + 0.25, CASE WHEN n % 5 = 0 THEN 'OPEN' ELSE 'PAID' END, timestamptz '2026-03-06 00:00+00' + n * interval '7 minutes' FROM generate_series(0, 1500) AS n;
INSERT INTO regress_shop.sale (tenant_id, customer, amount, at)
SELECT 1, 100, 1, t FROM unnest(ARRAY['2026-03-08 00:00 America/New_York', '2026-03-08 23:59:59.999999 America/New_York', '2026-03-09 00:00 America/New_York', '2026-03-07 23:59:59.999999 America/New_York']::timestamptz[]) AS t;
INSERT INTO regress_shop.sale (tenant_id, amount, at) VALUES (1, NULL, NULL), (1, NULL, '2026-03-10 12:00+00'), (9, 1, '2026-03-10 12:00+00');
SELECT is(opsadmin.refresh_kpi(first_day => '2026-03-05', last_day => '2026-03-15'), 4 * 4 * 11, 'refresh_kpi() stores a value for each KPI, tenant and day');
CREATE VIEW recomputed AS
SELECT t.id AS tenant_id, k.kpi, d::date AS day, coalesce(v.value, 0)::numeric AS value
FROM opsadmin.tenant t CROSS JOIN generate_series(timestamp '2026-03-05', '2026-03-15', '1 day') AS d CROSS JOIN unnest(ARRAY['orders', 'revenue', 'buyers', 'dearest']) AS k (kpi)
LEFT JOIN LATERAL (
  SELECT CASE k.kpi WHEN 'orders' THEN count(*)::numeric WHEN 'revenue' THEN sum(s.amount) FILTER (WHERE s.status = 'PAID') WHEN 'buyers' THEN count(DISTINCT s.customer)
              ELSE max(s.amount) FILTER (WHERE s.status = 'PAID' OR s.amount > 5) END AS value
  FROM regress_shop.sale s WHERE s.tenant_id = t.id AND t.id < 4 AND (s.at AT TIME ZONE t.time_zone)::date = d::date) AS v ON true;
SELECT is_empty('SELECT tenant_id, kpi, day, value FROM recomputed EXCEPT SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi', 'every value equals its recomputation');
SELECT is_empty('SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi EXCEPT SELECT tenant_id, kpi, day, value FROM recomputed', 'and there are no others');
SELECT is(value - (SELECT count(*) FROM regress_shop.sale WHERE tenant_id = 1 AND customer < 100 AND at >= '2026-03-08 05:00+00' AND at < '2026-03-09 04:00+00'), 2::numeric, 'the day on which summer time begins has 23 hours')
FROM opsadmin.daily_kpi WHERE tenant_id = 1 AND kpi = 'orders' AND day = '2026-03-08';
INSERT INTO regress_shop.sale (tenant_id, amount, at) VALUES (1, 1, '2026-11-01 00:00 America/New_York'), (1, 1, '2026-11-01 04:59:59+00'), (1, 1, '2026-11-02 04:59:59+00'), (1, 1, '2026-11-02 05:00:00+00');
SELECT opsadmin.refresh_kpi('orders', '2026-10-31', '2026-11-02') \g /dev/null
SELECT results_eq($$SELECT value FROM opsadmin.daily_kpi WHERE tenant_id = 1 AND kpi = 'orders' AND day BETWEEN '2026-10-31' AND '2026-11-02' ORDER BY day$$, $$VALUES (0::numeric), (3), (1)$$, 'the day on which it ends has 25');

-- Midnights that summer time leaves out or repeats.
SELECT opsadmin.create_tenant('azores', 'Azores', 'Atlantic/Azores', id => 10), opsadmin.create_tenant('cairo', 'Cairo', 'Africa/Cairo', id => 11), opsadmin.create_tenant('beirut', 'Beirut', 'Asia/Beirut', id => 12),
       opsadmin.create_tenant('havana', 'Havana', 'America/Havana', id => 13), opsadmin.create_tenant('lord-howe', 'Lord Howe', 'Australia/Lord_Howe', id => 14) \g /dev/null
INSERT INTO regress_shop.sale (tenant_id, amount, at)
SELECT t.id, 1, at FROM opsadmin.tenant t CROSS JOIN LATERAL (SELECT DISTINCT date_trunc('month', s) AS month FROM generate_series(timestamptz '2026-03-01', '2026-10-31', '1 month') AS s) AS m
CROSS JOIN LATERAL generate_series(m.month, m.month + interval '30 days', '20 minutes') AS at WHERE t.id >= 10 AND extract(month FROM m.month) IN (3, 4, 10);
SELECT opsadmin.refresh_kpi('orders', '2026-02-28', '2026-11-02') \g /dev/null
SELECT is_empty($$SELECT tenant_id, day, value FROM opsadmin.daily_kpi WHERE kpi = 'orders' AND tenant_id >= 10 AND value <> 0
  EXCEPT SELECT t.id, (s.at AT TIME ZONE t.time_zone)::date, count(*)::numeric FROM regress_shop.sale s JOIN opsadmin.tenant t ON t.id = s.tenant_id WHERE t.id >= 10 GROUP BY 1, 2$$, 'a row belongs to the day that its clock on the wall shows');
SELECT is(value, (24 * 3 + extra)::numeric, format('%s on %s', slug, v.day)) FROM (VALUES ('azores', date '2026-03-29', -3), ('azores', '2026-10-25', 3), ('cairo', '2026-04-24', -3), ('beirut', '2026-03-29', -3), ('havana', '2026-03-08', -3)) AS v (slug, day, extra)
JOIN opsadmin.tenant t USING (slug) JOIN opsadmin.daily_kpi k ON k.tenant_id = t.id AND k.kpi = 'orders' AND k.day = v.day;
DELETE FROM regress_shop.sale WHERE tenant_id >= 10;
DELETE FROM opsadmin.tenant WHERE id >= 10;
DELETE FROM opsadmin.daily_kpi WHERE day NOT BETWEEN '2026-03-05' AND '2026-03-15';

-- Rows that come late, change, move and go.
INSERT INTO regress_shop.sale (tenant_id, customer, amount, at) VALUES (2, 500, 1000, '2026-03-10 12:00 Asia/Seoul');
UPDATE regress_shop.sale SET status = 'OPEN' WHERE tenant_id = 3 AND amount > 5;
UPDATE regress_shop.sale SET at = at + interval '1 day' WHERE tenant_id = 1 AND customer = 3;
UPDATE regress_shop.sale SET tenant_id = 3 WHERE customer = 4;
DELETE FROM regress_shop.sale WHERE customer = 5;
SELECT is(opsadmin.refresh_kpi('orders', '2026-03-05', '2026-03-15'), 44, 'one KPI may be refreshed');
SELECT isnt_empty('SELECT tenant_id, kpi, day, value FROM recomputed EXCEPT SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi', 'which leaves the others');
SELECT opsadmin.refresh_kpi(first_day => '2026-03-05', last_day => '2026-03-15') \g /dev/null
SELECT is_empty('SELECT tenant_id, kpi, day, value FROM recomputed EXCEPT SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi', 'a refresh of the range makes all equal again');
SELECT is_empty($$SELECT tenant_id, kpi, day, value FROM opsadmin.daily_kpi WHERE day < '2026-03-16' EXCEPT SELECT tenant_id, kpi, day, value FROM recomputed$$, 'also where rows went');

-- Final days, and refreshing without days.
DELETE FROM opsadmin.daily_kpi;
INSERT INTO regress_shop.sale (tenant_id, amount, at) SELECT t.id, 1, now() - d * interval '1 day' FROM opsadmin.tenant t, generate_series(0, 5) AS d WHERE t.id < 4;
CREATE FUNCTION today(tenant_id bigint) RETURNS date LANGUAGE sql SECURITY DEFINER AS $$SELECT (clock_timestamp() AT TIME ZONE time_zone)::date FROM opsadmin.tenant WHERE id = tenant_id$$;
SELECT ok(opsadmin.refresh_kpi('orders') > 0, 'without days: the open day, and all that is owed');
SELECT is_empty('SELECT tenant_id, day FROM opsadmin.daily_kpi WHERE day = today(tenant_id) AND final', 'today is not final');
SELECT is_empty('SELECT tenant_id, day FROM opsadmin.daily_kpi WHERE day > today(tenant_id)', 'days to come have no value');
SELECT is_empty('SELECT tenant_id, day FROM opsadmin.daily_kpi WHERE day < today(tenant_id) - 1 AND NOT final', 'days that have ended are');
SELECT is(opsadmin.refresh_kpi('orders', today(3) - 1, today(3) + 5), (SELECT sum(1 + today(id) - (today(3) - 1))::int FROM opsadmin.tenant), 'not even when they are asked for');
SELECT ok(opsadmin.refresh_kpi('orders') BETWEEN 16 AND 32, 'the next time only what is not final, all KPIs of the table together');
INSERT INTO regress_shop.sale (tenant_id, amount, at) VALUES (3, 1, now()), (3, 1, now() - interval '10 days');
SELECT opsadmin.refresh_kpi('orders') \g /dev/null
SELECT results_eq($$SELECT value FROM opsadmin.daily_kpi WHERE tenant_id = 3 AND kpi = 'orders' AND day IN (today(3) - 10, today(3)) ORDER BY day$$, 'VALUES (1::numeric), (2)', 'today''s new row is counted, and a late one for a final day');
SELECT opsadmin.refresh_kpi('orders', today(3) - 10, today(3) - 10) \g /dev/null
SELECT results_eq($$SELECT value, final FROM opsadmin.daily_kpi WHERE tenant_id = 3 AND kpi = 'orders' AND day = today(3) - 10$$, 'VALUES (1::numeric, true)', 'which may be asked for as well');

-- Tenants whose key cannot stand in the source's column have no rows there, and hold nobody up.
INSERT INTO regress_shop.visit (shop_key, at) VALUES ('T-4', '2026-03-10 12:00 Pacific/Kiritimati'), ('3', '2026-03-10 12:00+00');
SELECT opsadmin.create_tenant('hooli', 'Hooli', id => 5, key => '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01') \g /dev/null
INSERT INTO regress_shop.session (shop_id, at) VALUES ('5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', '2026-03-10 12:00+00');
SELECT opsadmin.define_kpi('visits', 'regress_shop.visit', 'at'), opsadmin.define_kpi('sessions', 'regress_shop.session', 'at') \g /dev/null
SELECT is(opsadmin.refresh_kpi('sessions', '2026-03-10', '2026-03-10'), 5, 'a uuid column beside tenants without a uuid');
SELECT results_eq($$SELECT tenant_id, value FROM opsadmin.daily_kpi WHERE kpi = 'sessions' AND value <> 0$$, 'VALUES (5::bigint, 1::numeric)', 'counts for the one that has');
SELECT is(opsadmin.refresh_kpi('orders', '2026-03-10', '2026-03-10'), 5, 'a bigint column beside tenants with other keys');
SELECT set_eq($$SELECT tenant_id FROM opsadmin.daily_kpi WHERE kpi = 'orders' AND day = '2026-03-10' AND value <> 0$$, ARRAY[1, 2, 3]::bigint[], 'counts for the others');
SELECT opsadmin.refresh_kpi('visits', '2026-03-10', '2026-03-10') \g /dev/null
SELECT results_eq($$SELECT value FROM opsadmin.daily_kpi WHERE kpi = 'visits' AND tenant_id = 4$$, 'VALUES (1::numeric)', 'a text column holds the key');

-- Defining anew, dropping, and what refresh_kpi() refuses.
SELECT opsadmin.define_kpi('visits', 'regress_shop.visit', 'at', 'count(*) * 2') \g /dev/null
SELECT results_eq($$SELECT value FROM opsadmin.daily_kpi WHERE kpi = 'visits' AND tenant_id = 4 AND day = '2026-03-10'$$, 'VALUES (1::numeric)', 'values of the former definition are served');
SELECT opsadmin.refresh_kpi('visits') \g /dev/null
SELECT results_eq($$SELECT value FROM opsadmin.daily_kpi WHERE kpi = 'visits' AND tenant_id = 4 AND day = '2026-03-10'$$, 'VALUES (2::numeric)', 'until they are computed anew');
SELECT lives_ok($$SELECT opsadmin.drop_kpi('sessions')$$, 'drop_kpi()');
SELECT is_empty($$SELECT FROM opsadmin.daily_kpi WHERE kpi = 'sessions'$$, 'drops the values');
SELECT is(failure($$SELECT opsadmin.drop_kpi('sessions')$$), 'OA410', 'twice');
SELECT is(failure(format('SELECT opsadmin.refresh_kpi(%s)', arguments)), code, 'refresh_kpi(): ' || why)
FROM (VALUES ('''nothing''', 'OA410', 'an unknown KPI'), ('NULL, ''2026-03-02'', ''2026-03-01''', 'OA420', 'a range from its end'), ('NULL, NULL, ''2026-03-01''', 'OA420', 'a last day alone'),
             ('NULL, ''1900-01-01''', 'OA420', 'more than ten years')) AS bad (arguments, code, why);
ALTER TABLE regress_shop.visit RENAME at TO seen_at;
SELECT is(opsadmin.refresh_kpi(first_day => '2026-03-08', last_day => '2026-03-10'), (SELECT 3 * count(*) FROM opsadmin.tenant, opsadmin.kpi WHERE kpi.name <> 'visits')::int, 'a KPI that does not fit its table any more holds up no other');
ALTER TABLE regress_shop.visit RENAME seen_at TO at;

-- Reading.
DELETE FROM opsadmin.daily_kpi;
SELECT opsadmin.refresh_kpi(first_day => '2026-03-08', last_day => '2026-03-10') \g /dev/null
SELECT is(failure($$SELECT opsadmin.kpi_series('orders', '2026-03-08', '2026-03-10')$$), 'OA001', 'without a context');
BEGIN;
UPDATE opsadmin.daily_kpi SET value = 7 WHERE kpi = 'orders' AND day = '2026-03-09';
UPDATE opsadmin.daily_kpi SET value = 'NaN' WHERE kpi = 'orders' AND day = '2026-03-09' AND tenant_id = 3;
SELECT opsadmin_private.bind_actor('internal', NULL, NULL, '{*}') \g /dev/null
SELECT is(value, 7::numeric * (SELECT count(*) - 1 FROM opsadmin.tenant), 'one tenant''s NaN is not that of all') FROM opsadmin.kpi_series('orders', '2026-03-09', '2026-03-09');
ROLLBACK;
BEGIN;
UPDATE opsadmin.daily_kpi SET value = 'NaN' WHERE kpi = 'orders' AND day = '2026-03-09' AND tenant_id = 3;
SELECT opsadmin.begin_as(tenant => 'utc') \g /dev/null
SELECT is(value, 'NaN'::numeric, 'but its own') FROM opsadmin.kpi_series('orders', '2026-03-09', '2026-03-09');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure(statement), 'OA403', 'without the permission: ' || statement) FROM unnest(ARRAY['SELECT opsadmin.kpi_series(''orders'', ''2026-03-08'', ''2026-03-10'')', 'SELECT opsadmin.kpi_summary()']) AS statement;
SELECT is_empty('SELECT * FROM opsadmin.daily_kpi', 'nor are there rows in the table');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'utc') \g /dev/null
SELECT results_eq('SELECT DISTINCT tenant_id FROM opsadmin.daily_kpi', ARRAY[3]::bigint[], 'a partner sees its own values in the table');
SELECT results_eq($$SELECT day, value, final FROM opsadmin.kpi_series('orders', '2026-03-06', '2026-03-11')$$,
                  $$SELECT d::date, coalesce(k.value, 0), true FROM generate_series(timestamp '2026-03-06', '2026-03-11', '1 day') AS d
                    LEFT JOIN opsadmin.daily_kpi k ON k.day = d::date AND k.kpi = 'orders' ORDER BY d$$, 'kpi_series() has a row a day, with 0 where there is none');
SELECT is(failure($$SELECT opsadmin.kpi_series('orders', '2026-03-08', '2026-03-10', 'seoul')$$), 'OA404', 'not another''s');
SELECT is(failure($$SELECT opsadmin.kpi_series('orders', '2026-03-08', '2026-03-10', 'utc')$$), NULL, 'its own by name');
SELECT is(failure(format('SELECT opsadmin.kpi_series(%s)', arguments)), code, 'kpi_series(): ' || why)
FROM (VALUES ('''nothing'', ''2026-03-08'', ''2026-03-10''', 'OA410', 'an unknown KPI'), ('''orders'', NULL, ''2026-03-10''', 'OA420 /first_day', 'no first day'), ('''orders'', ''2026-03-08'', NULL', 'OA420 /first_day', 'no last day'),
             ('''orders'', ''2026-03-10'', ''2026-03-08''', 'OA420 /first_day', 'a range from its end'), ('''orders'', ''2025-03-01'', ''2026-03-08''', 'OA420 /first_day', 'more than 367 days')) AS bad (arguments, code, why);
SELECT is(opsadmin.kpi_summary() ->> 'today', today(3)::text, 'kpi_summary() knows the tenant''s today');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(value, (SELECT sum(k.value) FROM opsadmin.daily_kpi k WHERE k.kpi = 'revenue' AND k.day = '2026-03-09'), 'staff without a tenant get the sum')
FROM opsadmin.kpi_series('revenue', '2026-03-09', '2026-03-09');
SELECT is(value, (SELECT k.value FROM opsadmin.daily_kpi k WHERE k.kpi = 'revenue' AND k.day = '2026-03-09' AND k.tenant_id = 2), 'or one tenant''s')
FROM opsadmin.kpi_series('revenue', '2026-03-09', '2026-03-09', 'seoul');
SELECT is(failure($$SELECT opsadmin.kpi_series('orders', '2026-03-08', '2026-03-10', 'nowhere')$$), 'OA404', 'that exists');
SELECT is(jsonb_path_query_array(opsadmin.kpi_summary()::jsonb, '$.kpis[*].kpi'), '["orders","revenue","buyers","dearest","visits"]', 'KPIs in the order of their definition');
SELECT is(json_array_length(opsadmin.kpi_summary() -> 'periods'), 14, 'the last 14 days without asking');
SELECT is(opsadmin.kpi_summary() ->> 'today', (now() AT TIME ZONE 'UTC')::date::text, 'today is UTC''s for staff without a tenant');
SELECT is(failure('SELECT opsadmin.refresh_kpi()'), '42501', 'staff do not refresh');
ROLLBACK;

-- As the worker.
SET SESSION AUTHORIZATION opsadmin_worker;
SELECT ok(opsadmin.refresh_kpi() > 0, 'the worker refreshes, without any right on the tables');
RESET SESSION AUTHORIZATION;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
