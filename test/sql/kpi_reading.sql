-- Reading KPIs: kpi_summary() by day, week and month beside the days before, the jobs in it, kpi_ranking(), and who may read what.
SELECT plan(36);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('seoul', 'Seoul', 'Asia/Seoul', id => 1), opsadmin.create_tenant('utc', 'UTC', id => 2), opsadmin.create_tenant('idle', 'Idle', id => 3) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'partner_member', 'utc') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.sale (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint NOT NULL, amount numeric NOT NULL, at timestamptz NOT NULL);
SELECT opsadmin.protect('regress_shop.sale') \g /dev/null
SELECT opsadmin.define_kpi('sales', 'regress_shop.sale', 'at', label => '{"en":"Sales","ko":"판매"}'), opsadmin.define_kpi('mean', 'regress_shop.sale', 'at', 'avg(amount)', unit => 'money') \g /dev/null

-- A sale a day in March and April 2026, ten times as dear in April; in Seoul one of them is on the next day.
INSERT INTO regress_shop.sale (tenant_id, amount, at)
SELECT t, CASE WHEN day >= '2026-04-01' THEN 100 ELSE 10 END, day + interval '20 hours' FROM generate_series(timestamptz '2026-03-01+00', '2026-04-30+00', '1 day') AS day, unnest('{1,2}'::bigint[]) AS t;
-- And today: two in UTC, beside one a week ago.
INSERT INTO regress_shop.sale (tenant_id, amount, at) SELECT 2, 1, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - days * interval '1 day' FROM unnest('{0,0,7}'::int[]) AS days;
SELECT opsadmin.refresh_kpi(), opsadmin.refresh_kpi(first_day => '2026-02-01', last_day => '2026-04-30') \g /dev/null

-- What an actor reads.
CREATE FUNCTION pg_temp.summary(actor text, first_day date, last_day date, tenant text DEFAULT NULL, by text DEFAULT 'day') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM opsadmin.begin_as(actor);
  RETURN opsadmin.kpi_summary(first_day, last_day, tenant, by)::jsonb;
END
$$;
CREATE FUNCTION pg_temp.ranking(actor text, kpi text, first_day date, last_day date, page_size integer DEFAULT 20) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM opsadmin.begin_as(actor);
  RETURN opsadmin.kpi_ranking(kpi, first_day, last_day, page_size)::jsonb;
END
$$;

-- The range, the days before it, and the line.
SELECT pg_temp.summary('lee@example.com', '2026-04-01', '2026-04-10') AS summary \gset
SELECT is(:'summary'::jsonb - 'kpis' - 'as_of' - 'today',
          '{"first_day":"2026-04-01","last_day":"2026-04-10","previous":{"first_day":"2026-03-22","last_day":"2026-03-31"},"by":"day","jobs":[],"stale":false,
            "periods":["2026-04-01","2026-04-02","2026-04-03","2026-04-04","2026-04-05","2026-04-06","2026-04-07","2026-04-08","2026-04-09","2026-04-10"]}'::jsonb, 'the range and the days before it');
SELECT is((:'summary'::jsonb #> '{kpis,0}') - 'today'::text - 'as_of',
          '{"kpi":"sales","label":{"en":"Sales","ko":"판매"},"unit":"count","over_days":"sum","value":"10","previous":"10","change":"0.0000","final":true,
            "sparkline":["1","1","1","1","1","1","1","1","1","1"],"sparkline_final":[true,true,true,true,true,true,true,true,true,true]}'::jsonb, 'a KPI that is added up');
SELECT is((:'summary'::jsonb #>> '{kpis,1,value}')::numeric, 100::numeric, 'one that is averaged');
SELECT is(:'summary'::jsonb #>> '{kpis,1,change}', '9.0000', 'and its change');
SELECT is(:'summary'::jsonb #>> '{kpis,0,today}', '{"value": "2", "change": "1.0000", "same_weekday": "1"}', 'today beside the same weekday a week ago');
SELECT is(:'summary'::jsonb ->> 'today', (now() AT TIME ZONE 'UTC')::date::text, 'today of the tenant');
SELECT is(pg_temp.summary('lee@example.com', today - 2, today) #> '{kpis,0,sparkline_final}', '[true,true,false]', 'the open day is not final') FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS d;
SELECT is(jsonb_path_query_array(pg_temp.summary('lee@example.com', '2026-03-25', '2026-04-10', by => 'week'), '$.periods[*]'), '["2026-03-23","2026-03-30","2026-04-06"]', 'weeks have the name of their Monday');
SELECT is(pg_temp.summary('lee@example.com', '2026-03-25', '2026-04-10', by => 'week') #> '{kpis,0,sparkline}', '["5","7","5"]', 'and those that are cut count the days within the range');
SELECT is(pg_temp.summary('lee@example.com', '2026-03-25', '2026-04-10', by => 'month') #> '{kpis,0,sparkline}', '["7","10"]', 'months');
SELECT is(pg_temp.summary('kim@example.com', '2026-03-01', '2026-03-02') #> '{kpis,0,sparkline}', '["1","2"]', 'staff get the sum of the tenants, each by its own days');
SELECT is(pg_temp.summary('kim@example.com', '2026-03-01', '2026-03-02', tenant => 'seoul') #> '{kpis,0,sparkline}', '["0","1"]', 'or those of one tenant');
SELECT is(pg_temp.summary('kim@example.com', '2026-03-01', '2026-03-02', tenant => 'seoul') ->> 'today', (now() AT TIME ZONE 'Asia/Seoul')::date::text, 'whose today it is then');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.kpi_summary(tenant => 'seoul')$$), 'OA404', 'partners get no other');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.kpi_summary(tenant => 'nowhere')$$), 'OA404', 'nobody gets one that does not exist');
SELECT is(failure(format('SELECT opsadmin.kpi_summary(%s)', arguments)), code, 'kpi_summary(): ' || why)
FROM (VALUES ('''2026-03-02'', ''2026-03-01''', 'OA420 /first_day', 'a range from its end'), ('''2025-01-01'', ''2026-03-01''', 'OA420 /first_day', 'more than 367 days'),
             ('by => ''year''', 'OA420 /by', 'an unknown period'), ('by => NULL', 'OA420 /by', 'none')) AS bad (arguments, code, why);
ROLLBACK;

-- Fresh or stale.
UPDATE opsadmin.kpi_source SET refreshed_at = now() - interval '4 minutes';
SELECT is(pg_temp.summary('lee@example.com', '2026-03-01', '2026-03-02') -> 'stale', 'true', 'figures are stale when refreshes were missed');
UPDATE opsadmin.kpi_source SET refreshed_at = NULL;
SELECT is(pg_temp.summary('lee@example.com', '2026-03-01', '2026-03-02') - 'kpis' - 'periods' @> '{"stale":true,"as_of":null}', true, 'or when there was none');
UPDATE opsadmin.kpi_source SET refreshed_at = now();

-- The jobs.
CREATE FUNCTION pg_temp.add_job(tenant bigint, changed bigint, at timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO opsadmin.job (name, label, target_id, target_name, tenant_id, run_as, changes, condition, params, params_item, selection_summary, state, planned, total, processed, changed, failed, started_at, finished_at)
  SELECT 'discount', '{"en":"Discount","ko":"할인"}', id, 'regress_shop.sale', tenant, 'opsadmin_internal', '', '', '{}', '', '{}', CASE WHEN at IS NULL THEN 'RUNNING' ELSE 'DONE' END, true, changed, changed, changed, 0, now(), at
  FROM opsadmin.target WHERE relation = 'regress_shop.sale'::regclass
$$;
SELECT pg_temp.add_job(1, 100, '2026-03-10 20:00+00'), pg_temp.add_job(2, 200, '2026-03-10 20:00+00'), pg_temp.add_job(NULL, 300, '2026-03-11 20:00+00'), pg_temp.add_job(2, 99, '2026-03-10 20:00+00'), pg_temp.add_job(2, 500, NULL) \g /dev/null
SELECT is(pg_temp.summary('kim@example.com', '2026-03-10', '2026-03-12') -> 'jobs',
          '[{"id":"2","label":{"en":"Discount","ko":"할인"},"tenant":{"slug":"utc","name":"UTC"},"day":"2026-03-10","period":"2026-03-10","changed":200},
            {"id":"1","label":{"en":"Discount","ko":"할인"},"tenant":{"slug":"seoul","name":"Seoul"},"day":"2026-03-11","period":"2026-03-11","changed":100},
            {"id":"3","label":{"en":"Discount","ko":"할인"},"tenant":null,"day":"2026-03-11","period":"2026-03-11","changed":300}]'::jsonb, 'jobs that ended and changed many rows, by their tenants'' days');
SELECT is(jsonb_path_query_array(pg_temp.summary('kim@example.com', '2026-03-11', '2026-03-12'), '$.jobs[*].id'), '["1","3"]', 'within the range');
SELECT is(jsonb_path_query_array(pg_temp.summary('kim@example.com', '2026-03-01', '2026-03-31', by => 'week'), '$.jobs[*].period'), '["2026-03-09","2026-03-09","2026-03-09"]', 'each in its period');
SELECT is(jsonb_path_query_array(pg_temp.summary('kim@example.com', '2026-03-01', '2026-03-31', tenant => 'seoul'), '$.jobs[*].id'), '["1"]', 'of one tenant');
SELECT is(jsonb_path_query_array(pg_temp.summary('lee@example.com', '2026-03-01', '2026-03-31'), '$.jobs[*].id'), '["2"]', 'partners see their own');
SELECT pg_temp.add_job(2, 1000 + n, '2026-03-20 20:00+00') FROM generate_series(1, 20) AS n \g /dev/null
SELECT is((SELECT array_agg(j ->> 'changed' ORDER BY j ->> 'changed') FROM jsonb_array_elements(pg_temp.summary('kim@example.com', '2026-03-01', '2026-03-31') -> 'jobs') AS j),
          (SELECT array_agg((1000 + n)::text ORDER BY n) FROM generate_series(1, 20) AS n), 'no more than twenty, the largest');

-- The ranking.
SELECT is(pg_temp.ranking('kim@example.com', 'sales', '2026-03-01', '2026-03-02'),
          '{"rows":[{"tenant":"utc","name":"UTC","value":"2","previous":"0","change":null},{"tenant":"seoul","name":"Seoul","value":"1","previous":"0","change":null},
                    {"tenant":"idle","name":"Idle","value":"0","previous":"0","change":null}]}'::jsonb, 'the tenants, the highest first, also those with nothing');
SELECT is(pg_temp.ranking('kim@example.com', 'mean', '2026-04-01', '2026-04-30') #>> '{rows,0,change}', '9.0000', 'beside the days before');
SELECT is(jsonb_array_length(pg_temp.ranking('kim@example.com', 'sales', '2026-03-01', '2026-03-02', 1) -> 'rows'), 1, 'as many as are asked for');
SELECT is(jsonb_array_length(pg_temp.ranking('kim@example.com', 'sales', '2020-03-01', '2026-03-02') -> 'rows'), 3, 'of up to ten years');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'utc', 'ticket 7') \g /dev/null
SELECT is(jsonb_path_query_array(opsadmin.kpi_ranking('sales', '2026-03-01', '2026-03-02')::jsonb, '$.rows[*].tenant'), '["utc"]', 'who acts in a tenant sees that one');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.kpi_ranking('sales', '2026-03-01', '2026-03-02')$$), 'OA403', 'partners are not shown the others');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.kpi_ranking(%s)', arguments)), code, 'kpi_ranking(): ' || why)
FROM (VALUES ('''nothing'', ''2026-03-01'', ''2026-03-02''', 'OA410', 'an unknown KPI'), ('''sales'', ''2026-03-01'', ''2026-03-02'', 0', 'OA420 /page_size', 'no rows'),
             ('''sales'', ''2006-03-01'', ''2026-03-02''', 'OA420 /first_day', 'more than ten years')) AS bad (arguments, code, why);
ROLLBACK;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
