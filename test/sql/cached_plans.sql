-- Plans that are kept across contexts, sites and no context in one session: each execution asks the context that
-- is bound then, and the role that is current then (the class of CVE-2016-2193 and CVE-2024-10976).
SELECT plan(23);
\ir include/failure.psql

SELECT opsadmin.create_tenant('acme', 'Acme', id => 11), opsadmin.create_tenant('globex', 'Globex', id => 12) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'ops') \g /dev/null
CREATE TABLE item (tenant_id bigint NOT NULL, id bigint NOT NULL, name text NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO item SELECT 11 + n % 4 / 3, n, 'item ' || n FROM generate_series(1, 200) AS n;
SELECT opsadmin.protect('item') \g /dev/null
ANALYZE item;

-- What a tenant sees: 150 rows of tenant 11, 50 of tenant 12, all 200 on the internal site.
CREATE FUNCTION in_plpgsql() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(*) || ' ' || coalesce(string_agg(DISTINCT tenant_id::text, ',' ORDER BY tenant_id::text), '-') FROM item);
END
$$;
CREATE FUNCTION in_sql() RETURNS text LANGUAGE sql AS $$SELECT count(*) || ' ' || coalesce(string_agg(DISTINCT tenant_id::text, ',' ORDER BY tenant_id::text), '-') FROM item$$;
-- A SQL function that cannot be inlined keeps a plan of its own within a statement.
CREATE FUNCTION rows_in_sql() RETURNS SETOF item LANGUAGE sql VOLATILE ROWS 100 AS $$SELECT * FROM item$$;
CREATE FUNCTION by_cursor() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    all_items CURSOR FOR SELECT tenant_id FROM item ORDER BY tenant_id;
    found text[] := '{}';
    number int := 0;
BEGIN
    FOR row IN all_items LOOP
        number := number + 1;
        IF NOT row.tenant_id::text = ANY (found) THEN
            found := found || row.tenant_id::text;
        END IF;
    END LOOP;
    RETURN number || ' ' || array_to_string(found, ',');
END
$$;
CREATE FUNCTION as_definer() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS $$SELECT opsadmin.current_tenant()$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO opsadmin_internal, opsadmin_partner;
CREATE VIEW item_view WITH (security_invoker) AS SELECT * FROM item;
GRANT SELECT ON item_view TO opsadmin_internal, opsadmin_partner;

\set tenants 'coalesce(string_agg(DISTINCT tenant_id::text, \',\' ORDER BY tenant_id::text), \'-\')'
PREPARE direct AS SELECT count(*) || ' ' || :tenants FROM item;
PREPARE by_key(bigint) AS SELECT count(*) || ' ' || :tenants FROM item WHERE tenant_id = coalesce($1, tenant_id) AND id > 0;
PREPARE by_subquery AS SELECT count(*) || ' ' || :tenants FROM (SELECT tenant_id FROM item WHERE id IN (SELECT id FROM item)) AS inner_items;
PREPARE by_cte AS WITH kept AS MATERIALIZED (SELECT tenant_id FROM item) SELECT count(*) || ' ' || :tenants FROM kept;
PREPARE by_inlined_cte AS WITH kept AS (SELECT tenant_id FROM item) SELECT count(*) || ' ' || :tenants FROM kept;
PREPARE by_sublink AS SELECT (SELECT count(*) FROM item) || ' ' || (SELECT :tenants FROM item);
PREPARE by_lateral AS SELECT count(*) || ' ' || :tenants FROM (VALUES (1)) AS one (n), LATERAL (SELECT tenant_id FROM item WHERE id > n - 1) AS items;
PREPARE by_view AS SELECT count(*) || ' ' || :tenants FROM item_view;
PREPARE by_set_operation AS SELECT count(*) || ' ' || :tenants FROM (SELECT tenant_id, id FROM item UNION SELECT tenant_id, id FROM item) AS both_sides;
PREPARE by_function AS SELECT count(*) || ' ' || :tenants FROM rows_in_sql();
PREPARE by_plpgsql AS SELECT in_plpgsql();
PREPARE by_sql AS SELECT in_sql();
PREPARE by_plpgsql_cursor AS SELECT by_cursor();
PREPARE by_definer AS SELECT as_definer()::text;
PREPARE changed AS WITH done AS (UPDATE item SET name = name RETURNING tenant_id) SELECT count(*) || ' ' || :tenants FROM done;
PREPARE deleted AS WITH done AS (DELETE FROM item WHERE id < 0 OR true RETURNING tenant_id) SELECT count(*) || ' ' || :tenants FROM done;

-- Who asks, so that each kind follows each other one. Neither actor nor tenant: without a context, as the role.
CREATE TABLE turn (number int, role text, actor text, tenant text, items text, bound text);
INSERT INTO turn VALUES (1, NULL, NULL, 'acme', '150 11', '11'), (2, NULL, NULL, 'globex', '50 12', '12'), (3, NULL, NULL, 'acme', '150 11', '11'), (4, NULL, 'kim@example.com', NULL, '200 11,12', NULL),
    (5, NULL, NULL, 'globex', '50 12', '12'), (6, NULL, 'kim@example.com', 'globex', '200 11,12', '12'), (7, NULL, NULL, 'acme', '150 11', '11'), (8, 'postgres', NULL, NULL, '200 11,12', 'OA001'),
    (9, NULL, NULL, 'globex', '50 12', '12'), (10, 'opsadmin_partner', NULL, NULL, 'OA001', 'OA001'), (11, 'postgres', NULL, NULL, '200 11,12', 'OA001'), (12, NULL, 'kim@example.com', NULL, '200 11,12', NULL),
    (13, 'opsadmin_partner', NULL, NULL, 'OA001', 'OA001'), (14, NULL, NULL, 'acme', '150 11', '11');
CREATE TABLE answer (mode text, statement text, number int, said text);
GRANT INSERT ON answer TO opsadmin_internal, opsadmin_partner;
UPDATE turn SET role = current_user WHERE role = 'postgres';

DO $$
<<cached_plans>>
DECLARE
    plan_mode text;
    turn turn;
    statement text;
    said text;
    answers text[];
    number int;
BEGIN
    FOREACH plan_mode IN ARRAY ARRAY['auto', 'force_generic_plan', 'force_custom_plan', 'force_generic_plan'] LOOP
        PERFORM set_config('plan_cache_mode', plan_mode, false);
        FOREACH number IN ARRAY ARRAY(SELECT t.number FROM turn t ORDER BY t.number) LOOP
            SELECT * INTO turn FROM turn t WHERE t.number = cached_plans.number;
            IF turn.role IS NULL THEN
                PERFORM opsadmin.begin_as(turn.actor, turn.tenant);
            ELSE
                EXECUTE format('SET LOCAL ROLE %I', turn.role);
            END IF;
            answers := '{}';
            FOREACH statement IN ARRAY ARRAY['direct', 'by_key(NULL)', 'by_subquery', 'by_cte', 'by_inlined_cte', 'by_sublink', 'by_lateral', 'by_view', 'by_set_operation', 'by_function', 'by_plpgsql',
                                             'by_sql', 'by_plpgsql_cursor', 'by_definer', 'changed', 'deleted'] LOOP
                BEGIN
                    EXECUTE 'EXECUTE ' || statement INTO said;
                    RAISE 'undo';
                EXCEPTION
                    WHEN raise_exception THEN NULL;
                    WHEN OTHERS THEN said := SQLSTATE;
                END;
                answers := answers || ARRAY[ARRAY[statement, said]];
            END LOOP;
            -- A role of a site can write nothing without a context.
            IF turn.role IS NOT NULL THEN
                RESET ROLE;
            END IF;
            INSERT INTO answer SELECT plan_mode, answers[i][1], number, answers[i][2] FROM generate_subscripts(answers, 1) AS i;
            COMMIT;
        END LOOP;
    END LOOP;
END
$$;
RESET plan_cache_mode;
SELECT is_empty(format($$SELECT a.mode, a.number, a.said, t.items FROM answer a JOIN turn t USING (number) WHERE a.statement = %L AND a.said IS DISTINCT FROM t.items$$, statement), 'each execution sees what its context allows: ' || statement)
FROM (SELECT DISTINCT statement FROM answer WHERE statement <> 'by_definer') AS statements;
SELECT is_empty($$SELECT a.mode, a.number, a.said, t.bound FROM answer a JOIN turn t USING (number) WHERE a.statement = 'by_definer' AND a.said IS DISTINCT FROM t.bound$$, 'as does what runs as its definer');
SELECT is(count(*), 4 * 14 * 16::bigint, 'all of them were asked') FROM answer;
SELECT is_empty('SELECT name FROM pg_prepared_statements WHERE generic_plans < 20', 'every statement ran with plans that are kept');
SELECT is(custom_plans > 10, true, 'and one with a parameter also with others') FROM pg_prepared_statements WHERE name = 'by_key';
SELECT is(in_plpgsql(), '200 11,12', 'nothing was changed');

-- Cursors of SQL: what a cursor sees was decided when it was opened, and it ends with its context.
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
DECLARE all_items CURSOR FOR SELECT tenant_id FROM item;
RESET ROLE;
MOVE 10 FROM all_items;
SELECT in_plpgsql() AS as_superuser \gset
FETCH all_items \gset
SET LOCAL ROLE opsadmin_partner;
SELECT is(:tenant_id, 11, 'a cursor goes on as it was opened');
COMMIT;
SELECT is(:'as_superuser'::text, '200 11,12', 'though the role has changed meanwhile');
SELECT is((SELECT count(*) FROM pg_cursors WHERE name = 'all_items'), 0::bigint, 'and ends with the transaction');

SELECT * FROM finish();
