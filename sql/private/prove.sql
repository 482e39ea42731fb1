-- The parts of prove_isolation(): running a statement as the partner's login would, judging what came of it, and the
-- attacks themselves. Everything that is tried is rolled back.

CREATE OR REPLACE FUNCTION opsadmin_private.rehearse(site text, tenant_id bigint, tenant_key text, permissions text[], statement text, shares_plan boolean,
  OUT row_count bigint, OUT answer text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_rehearse';
COMMENT ON FUNCTION opsadmin_private.rehearse IS 'Runs a statement as a site''s login would; must be called in a subtransaction that is rolled back';
REVOKE ALL ON FUNCTION opsadmin_private.rehearse FROM PUBLIC;

-- Runs a statement as a partner of a tenant, or as internal staff, and takes it back. code is NULL when it ran, else the
-- SQLSTATE. Without permissions nothing is bound.
CREATE OR REPLACE FUNCTION opsadmin_private.attempt(tenant opsadmin.tenant, permissions text[], statement text, shares_plan boolean DEFAULT false, site text DEFAULT 'partner',
  OUT code text, OUT message text, OUT row_count bigint, OUT answer text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT r.row_count, r.answer INTO attempt.row_count, attempt.answer
  FROM opsadmin_private.rehearse(site, tenant.id, tenant.key, permissions, statement, shares_plan) AS r;
  RAISE transaction_rollback;
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE <> '40000' THEN
    code := SQLSTATE;
    message := SQLERRM;
    row_count := 0;
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.attempt IS 'Runs a statement as a partner of a tenant or as internal staff, takes it back and tells what came of it';
REVOKE ALL ON FUNCTION opsadmin_private.attempt FROM PUBLIC;

-- What an attempt proves. expected: zero or one (the answer), none (no row changed), refused (an error that refuses),
-- reference (the same, or that of a foreign key), oracle (an error or no row tells whether a key is in use), silent (no
-- error about a value). Constraints are checked after policies, so that their errors tell that a row got past those.
CREATE OR REPLACE FUNCTION opsadmin_private.judge(expected text, code text, message text, row_count bigint, answer text, OUT verdict text, OUT detail text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
      WHEN $2 IN ('42501', 'OA001', 'OA002', 'OA005', 'OA403') OR $1 = 'reference' AND $2 = '23503' THEN 'held'
      WHEN $1 = 'oracle' AND ($2 = '23505' OR $2 IS NULL AND $4 = 0) THEN 'residual'
      WHEN $1 = 'silent' AND $2 LIKE '22%' OR $1 IN ('refused', 'none') AND $2 LIKE '23%' THEN 'broken'
      WHEN $2 IS NOT NULL THEN 'not_run'
      WHEN $1 IN ('oracle', 'silent') OR $1 = 'zero' AND $5 = '0' OR $1 = 'one' AND $5 = '1' OR $1 = 'none' AND $4 = 0 THEN 'held'
      ELSE 'broken' END,
    CASE
      WHEN $1 = 'oracle' AND ($2 = '23505' OR $2 IS NULL AND $4 = 0) THEN 'one bit a guess: whether the value is in use by any tenant'
      WHEN $2 IS NOT NULL THEN $2 || ': ' || $3
      WHEN $1 = 'zero' THEN $5 || ' rows of other tenants'
      WHEN $1 = 'one' THEN 'its own row was found ' || coalesce($5, '0') || ' times'
      WHEN $1 = 'silent' THEN 'no row of another tenant was looked at'
      WHEN $1 IN ('none', 'oracle') THEN $4 || ' rows'
      ELSE 'it ran' || coalesce(', ' || $4 || ' rows', '') END
$$;
COMMENT ON FUNCTION opsadmin_private.judge IS 'What an attempt proves: held, broken, residual or not_run';
REVOKE ALL ON FUNCTION opsadmin_private.judge FROM PUBLIC;

-- Tries a statement and judges it.
CREATE OR REPLACE FUNCTION opsadmin_private.try(tenant opsadmin.tenant, permissions text[], statement text, expected text, shares_plan boolean DEFAULT false,
  OUT verdict text, OUT detail text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT j.verdict, j.detail
  FROM opsadmin_private.attempt($1, $2, $3, $5) AS a, LATERAL opsadmin_private.judge($4, a.code, a.message, a.row_count, a.answer) AS j
$$;
COMMENT ON FUNCTION opsadmin_private.try IS 'Tries a statement as a partner of a tenant and judges what came of it';
REVOKE ALL ON FUNCTION opsadmin_private.try FROM PUBLIC;

-- Attacks that need no table, with what each must come to.
CREATE OR REPLACE FUNCTION opsadmin_private.prove_session(tenant opsadmin.tenant) RETURNS TABLE (vector text, verdict text, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT v.name, t.verdict, t.detail
    FROM (VALUES
      ('forged context: bind_context()', '{*}'::text[], 'SELECT opsadmin_private.bind_context(''partner'', NULL, NULL, 1, NULL, ''{*}'', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)', 'refused'),
      ('forged context: begin_as()', NULL, 'SELECT opsadmin.begin_as(tenant => ''x'')', 'refused'),
      ('forged context: rehearse()', '{*}', 'SELECT opsadmin_private.rehearse(''internal'', NULL, NULL, ''{*}'', ''SELECT 1'', false)', 'refused'),
      ('forged context: execute_as()', '{*}', 'SELECT opsadmin_private.execute_as(10, ''SELECT 1'')', 'refused'),
      ('no context: a table of opsadmin', NULL, 'SELECT count(*) FROM opsadmin.tenant', 'refused'),
      ('no context: a function', NULL, 'SELECT opsadmin.context()', 'refused'),
      ('lasting: SET', '{*}', 'SET work_mem = 1024', 'refused'),
      ('lasting: set_config()', '{*}', 'SELECT set_config(''search_path'', ''x'', false)', 'refused'),
      ('lasting: cursor WITH HOLD', '{*}', 'DECLARE opsadmin_c CURSOR WITH HOLD FOR SELECT 1', 'refused'),
      ('lasting: PREPARE', '{*}', 'PREPARE opsadmin_p AS SELECT 1', 'refused'),
      ('lasting: LISTEN', '{*}', 'LISTEN opsadmin_l', 'refused'),
      ('lasting: temporary table', '{*}', 'CREATE TEMPORARY TABLE opsadmin_t (id integer)', 'refused'),
      ('lasting: large object', '{*}', 'SELECT lo_creat(-1)', 'refused'),
      ('lasting: advisory lock', '{*}', 'SELECT pg_advisory_lock(1)', 'refused'),
      ('lasting: ALTER ROLE', '{*}', 'ALTER ROLE CURRENT_USER SET work_mem = 1024', 'refused'),
      ('other sessions: pg_stat_activity', '{*}', 'SELECT query FROM pg_stat_activity', 'refused'),
      ('other sessions: pg_terminate_backend()', '{*}', 'SELECT pg_terminate_backend(pg_backend_pid())', 'refused'),
      ('other sessions: pg_export_snapshot()', '{*}', 'SELECT pg_export_snapshot()', 'refused'),
      ('other sessions: pg_locks', '{*}', 'SELECT count(*) FROM pg_locks', 'refused'),
      ('statistics: settings that show plans', '{*}', 'SET LOCAL debug_print_plan = on', 'refused'),
      ('code: DO', '{*}', 'DO $do$BEGIN END$do$', 'refused'),
      ('code: CREATE FUNCTION', '{*}', 'CREATE FUNCTION pg_temp.opsadmin_f() RETURNS integer LANGUAGE sql AS ''SELECT 1''', 'refused'),
      ('code: COPY TO PROGRAM', '{*}', 'COPY (SELECT 1) TO PROGRAM ''true''', 'refused'),
      ('own tables: tenants', '{*}', format('SELECT count(*) FROM opsadmin.tenant WHERE id <> %s', tenant.id), 'zero'),
      ('own tables: audit log', '{*}', format('SELECT count(*) FROM opsadmin.audit_log WHERE tenant_id <> %s', tenant.id), 'zero'),
      ('own tables: jobs', '{*}', format('SELECT count(*) FROM opsadmin.bulk_job j JOIN opsadmin.job o ON o.id = j.id WHERE o.tenant_id IS DISTINCT FROM %s', tenant.id), 'zero'),
      ('own tables: key figures', '{*}', format('SELECT count(*) FROM opsadmin.daily_kpi WHERE tenant_id <> %s', tenant.id), 'zero'),
      ('own tables: secrets', '{*}', 'SELECT count(*) FROM opsadmin.secret', 'refused'),
      ('own tables: actors', '{*}', 'SELECT count(*) FROM opsadmin.actor', 'refused')
    ) AS v (name, permissions, statement, expected),
    LATERAL opsadmin_private.try(tenant, v.permissions, v.statement, v.expected) AS t;
  -- A rehearsal cannot SET ROLE at all: what the login could become is read from the catalog.
  RETURN QUERY
    SELECT 'membership of ' || login.name, CASE WHEN found.roles IS NULL THEN 'held' ELSE 'broken' END,
           coalesce('it may become ' || found.roles, 'it may become nobody else')
    FROM (VALUES ('opsadmin_partner_login', 'opsadmin_partner'), ('opsadmin_internal_login', 'opsadmin_internal')) AS login (name, site_role)
    CROSS JOIN LATERAL (
      SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) AS roles FROM pg_roles r
      WHERE r.rolname NOT IN (login.name, login.site_role) AND pg_has_role(login.name, r.oid, 'MEMBER')) AS found;
  RETURN QUERY
    SELECT 'attributes of ' || r.rolname, CASE WHEN r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication THEN 'broken' ELSE 'held' END,
           concat_ws(', ', CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
                     CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN NOT (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication) THEN 'none that bypasses policies' END)
    FROM pg_roles r WHERE r.rolname IN ('opsadmin_partner', 'opsadmin_partner_login', 'opsadmin_internal', 'opsadmin_internal_login') ORDER BY 1;
  RETURN QUERY VALUES
    ('connection pools', 'not_run', 'needs several sessions: make check runs test/tap/pgbouncer.pl'),
    ('replayed tickets', 'not_run', 'needs two sessions: make check runs test/tap/tickets.pl'),
    ('SET ROLE, PREPARE TRANSACTION', 'not_run', 'need a session of the login: make check runs test/tap/statements.pl'),
    ('deferred triggers and constraints', 'not_run', 'need a commit: make check runs test/tap/statements.pl'),
    ('COPY to and from the client', 'not_run', 'needs a client: make check runs test/tap/statements.pl'),
    ('timing and total sizes', 'residual', 'how long a statement takes, and the size of a table over all tenants, can be seen');
END
$$;
COMMENT ON FUNCTION opsadmin_private.prove_session IS 'Tries the attacks that need no table';
REVOKE ALL ON FUNCTION opsadmin_private.prove_session FROM PUBLIC;

-- The first column of the first row that a query on the company's tables answers. As internal staff: functions, views
-- and types of the company must not run as the superuser who proves.
CREATE OR REPLACE FUNCTION opsadmin_private.look(query text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  seen record;
BEGIN
  SELECT * INTO seen FROM opsadmin_private.attempt(NULL, '{*}', query, site => 'internal');
  IF seen.code IS NOT NULL THEN
    RAISE data_exception USING MESSAGE = seen.code || ': ' || seen.message;
  END IF;
  RETURN seen.answer;
END
$$;
COMMENT ON FUNCTION opsadmin_private.look IS 'What a query on the company''s tables answers to internal staff';
REVOKE ALL ON FUNCTION opsadmin_private.look FROM PUBLIC;

-- What the attacks on a table need of it: two tenants that have rows, and conditions that find a row of each.
CREATE OR REPLACE FUNCTION opsadmin_private.proof_rows(target regclass, OUT own opsadmin.tenant, OUT other opsadmin.tenant, OUT own_row text, OUT other_row text, OUT other_values text[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  protection opsadmin.protected_table;
  keys record;
  found jsonb;
BEGIN
  SELECT p.* INTO protection FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target;
  SELECT * INTO keys FROM opsadmin_private.key_columns(target);
  found := opsadmin_private.look(format(
    'SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(''id'', f.id, ''key'', f.key)) FROM (SELECT t.id, p.key FROM pg_catalog.jsonb_to_recordset(%1$L) AS t(id bigint, tenant %2$s)'
    ' CROSS JOIN LATERAL (SELECT ARRAY[%3$s] AS key FROM %4$s AS target WHERE target.%5$I = t.tenant LIMIT 1) AS p ORDER BY t.id LIMIT 2) AS f',
    (SELECT jsonb_agg(jsonb_build_object('id', t.id, 'tenant', k.tenant)) FROM opsadmin.tenant t, LATERAL opsadmin_private.key_of_type(coalesce(t.key, t.id::text), protection.tenant_type) AS k(tenant)
     WHERE k.tenant IS NOT NULL),
    protection.tenant_type, (SELECT string_agg(format('target.%I::text', n), ', ' ORDER BY o) FROM unnest(keys.names) WITH ORDINALITY AS k (n, o)),
    opsadmin_private.qualified_name(target), protection.tenant_column))::jsonb;
  SELECT t.* INTO own FROM opsadmin.tenant t WHERE t.id = (found -> 0 ->> 'id')::bigint;
  SELECT t.* INTO other FROM opsadmin.tenant t WHERE t.id = (found -> 1 ->> 'id')::bigint;
  IF found -> 0 IS NOT NULL THEN
    own_row := opsadmin_private.key_row(keys.names, keys.types) || ' = ' || opsadmin_private.key_row(keys.names, keys.types, ARRAY(SELECT jsonb_array_elements_text(found -> 0 -> 'key')));
  END IF;
  IF found -> 1 IS NOT NULL THEN
    other_values := ARRAY(SELECT jsonb_array_elements_text(found -> 1 -> 'key'));
    other_row := opsadmin_private.key_row(keys.names, keys.types) || ' = ' || opsadmin_private.key_row(keys.names, keys.types, other_values);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.proof_rows IS 'Two tenants that have rows in a table, and a condition over the alias target that finds a row of each, with the key of the second';
REVOKE ALL ON FUNCTION opsadmin_private.proof_rows FROM PUBLIC;

-- The SELECT of a row of the alias target with other values in some columns, for INSERT; and its column list.
CREATE OR REPLACE FUNCTION opsadmin_private.copy_of_row(target regclass, condition text, replaced jsonb, OUT columns text, OUT query text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum),
         format('SELECT %s FROM %s AS target WHERE %s', string_agg(coalesce($3 ->> a.attname::text, format('target.%I', a.attname)), ', ' ORDER BY a.attnum),
                opsadmin_private.qualified_name($1), $2)
  FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
$$;
COMMENT ON FUNCTION opsadmin_private.copy_of_row IS 'The SELECT of a row with other values in some columns, and its column list';
REVOKE ALL ON FUNCTION opsadmin_private.copy_of_row FROM PUBLIC;

-- Adds a canary to a table in which one tenant alone has rows: a copy of its row under a new key, for another tenant. It is
-- put in by the table's owner, whose constraints and defaults are the owner's code. Returns why it could not, NULL when it did.
CREATE OR REPLACE FUNCTION opsadmin_private.plant_canary(target regclass, protection opsadmin.protected_table, own opsadmin.tenant, own_row text, skip_triggers boolean) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  keys record;
  canary_key text;
  copied record;
  replaced jsonb;
BEGIN
  SELECT opsadmin_private.key_of_type(coalesce(t.key, t.id::text), protection.tenant_type) INTO canary_key
  FROM opsadmin.tenant t WHERE t.id <> own.id AND opsadmin_private.key_of_type(coalesce(t.key, t.id::text), protection.tenant_type) IS NOT NULL ORDER BY t.id LIMIT 1;
  IF canary_key IS NULL THEN
    RETURN 'there is no second tenant';
  END IF;
  SELECT * INTO keys FROM opsadmin_private.key_columns(target);
  SELECT jsonb_object_agg(k.column_name, CASE
      WHEN k.type_name IN ('smallint', 'integer', 'bigint') THEN format('(SELECT pg_catalog.max(%I) + 1 FROM %s)', k.column_name, opsadmin_private.qualified_name(target))
      WHEN k.type_name = 'uuid' THEN 'pg_catalog.gen_random_uuid()'
      ELSE format('%L', 'canary ' || left(opsadmin_private.random_token(), 8)) END) INTO replaced
  FROM unnest(keys.names, keys.types) AS k (column_name, type_name) WHERE k.column_name <> protection.tenant_column;
  SELECT * INTO copied FROM opsadmin_private.copy_of_row(target, own_row, coalesce(replaced, '{}') || jsonb_build_object(protection.tenant_column, format('%L::%s', canary_key, protection.tenant_type)));
  BEGIN
    PERFORM set_config('session_replication_role', CASE WHEN skip_triggers THEN 'replica' ELSE 'origin' END, true);
    PERFORM opsadmin_private.execute_as((SELECT c.relowner FROM pg_class c WHERE c.oid = target),
      format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE %s', opsadmin_private.qualified_name(target), copied.columns, copied.query));
    PERFORM set_config('session_replication_role', 'origin', true);
  EXCEPTION WHEN OTHERS THEN
    RETURN 'the canary cannot be planted: ' || SQLERRM;
  END;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION opsadmin_private.plant_canary IS 'Copies a row for another tenant under a new key; returns why it could not';
REVOKE ALL ON FUNCTION opsadmin_private.plant_canary FROM PUBLIC;
