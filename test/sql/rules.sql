-- Rules that every object of opsadmin keeps, read from the catalog: comments, grants, search paths.
SELECT plan(32);

CREATE VIEW own_function AS
SELECT p.oid::regprocedure::text AS name, p.oid, p.prosecdef, p.proacl, p.proowner, p.proconfig, p.prokind, p.prosrc, p.provolatile, p.proparallel, l.lanname
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace);

CREATE VIEW own_relation AS
SELECT c.oid::regclass::text AS name, c.oid, c.relkind, c.relacl, c.relowner, c.relrowsecurity
FROM pg_class c
WHERE c.relnamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace);

SELECT cmp_ok(count(*), '>', 80::bigint, 'the sweep sees the functions') FROM own_function;

-- Comments.
SELECT is_empty($$SELECT name FROM own_function WHERE obj_description(oid, 'pg_proc') IS NULL$$, 'every function and procedure has a comment');
SELECT is_empty($$SELECT name FROM own_relation WHERE relkind IN ('r', 'p', 'v', 'm') AND obj_description(oid, 'pg_class') IS NULL$$,
                'every table and view has a comment');
SELECT is_empty($$SELECT t.oid::regtype FROM pg_type t
                  LEFT JOIN pg_class c ON c.oid = t.typrelid
                  WHERE t.typnamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace)
                    AND t.typelem = 0 AND (c.oid IS NULL OR c.relkind = 'c') AND obj_description(t.oid, 'pg_type') IS NULL$$,
                'every type has a comment');
SELECT is_empty($$SELECT n.nspname FROM pg_namespace n WHERE n.nspname IN ('opsadmin', 'opsadmin_private') AND obj_description(n.oid, 'pg_namespace') IS NULL$$,
                'both schemas have a comment');
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname LIKE 'opsadmin\_%' AND shobj_description(oid, 'pg_authid') IS NULL$$, 'every role has a comment');

-- A body is read with the settings of its caller: only in E'' does a backslash mean the same to all of them.
SELECT is_empty($$SELECT name FROM own_function WHERE lanname IN ('sql', 'plpgsql') AND regexp_replace(prosrc, E'\\mE''([^''\\\\]|\\\\.|'''')*''', '', 'g') LIKE E'%\\\\%'$$,
                'no text means something else with standard_conforming_strings = off');

-- Ownership by the extension, so that DROP EXTENSION leaves nothing and pg_dump writes nothing twice.
SELECT is_empty($$SELECT name FROM own_function f
                  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e')$$,
                'every function belongs to the extension');
SELECT is_empty($$SELECT name FROM own_relation r WHERE relkind IN ('r', 'v')
                  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype = 'e')$$,
                'every table and view belongs to the extension');

-- Grants.
SELECT is_empty($$SELECT f.name FROM own_function f CROSS JOIN aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a WHERE a.grantee = 0$$,
                'PUBLIC may execute nothing');
SELECT is_empty($$SELECT r.name FROM own_relation r CROSS JOIN aclexplode(r.relacl) AS a WHERE a.grantee = 0$$, 'PUBLIC has no right on a table, view or sequence');
SELECT is_empty($$SELECT n.nspname FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) AS a
                  WHERE n.nspname IN ('opsadmin', 'opsadmin_private') AND a.grantee = 0$$, 'PUBLIC has no right on the schemas');
SELECT is_empty($$SELECT r.name, a.grantee::regrole, a.privilege_type FROM own_relation r CROSS JOIN aclexplode(r.relacl) AS a
                  WHERE a.privilege_type <> 'SELECT' AND a.grantee::regrole::text LIKE 'opsadmin\_%'$$,
                'no role of opsadmin may write to a table, view or sequence of opsadmin');
SELECT is_empty($$SELECT c.oid::regclass, t.attname, a.grantee::regrole FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN aclexplode(t.attacl) AS a
                  WHERE c.relnamespace = 'opsadmin'::regnamespace AND a.privilege_type <> 'SELECT'$$, 'nor to a column of one');
SELECT is_empty($$SELECT n.nspname, a.grantee::regrole FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) AS a
                  WHERE n.nspname IN ('opsadmin', 'opsadmin_private') AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner$$,
                'nobody else may create objects in the schemas');
SELECT is_empty($$SELECT r.name FROM own_relation r
                  WHERE r.relkind = 'r' AND NOT r.relrowsecurity AND has_table_privilege('opsadmin_partner', r.oid, 'SELECT')
                    AND r.name NOT IN ('opsadmin.kpi', 'opsadmin.target')$$,
                'a table that partners may read has row-level security, but for the two without anything of a tenant');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'opsadmin'::regnamespace AND c.relkind = 'v'
                  AND NOT coalesce(c.reloptions::text[] @> '{security_invoker=true}', false)$$, 'every view reads as its caller');

-- Functions.
SELECT is_empty($$SELECT name FROM own_function WHERE lanname IN ('sql', 'plpgsql') AND prokind <> 'p'
                  AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)$$,
                'every function of SQL and PL/pgSQL pins its search_path');
SELECT is_empty($$SELECT name FROM own_function WHERE lanname = 'c' AND proconfig IS NOT NULL$$, 'no C function has a SET clause');
SELECT set_eq($$SELECT name FROM own_function WHERE prokind = 'p' AND lanname <> 'c' AND proconfig IS NULL$$,
                  ARRAY['opsadmin.run_jobs()', 'opsadmin.run_kpis()', 'opsadmin.run_worker(integer)', 'opsadmin.schedule(integer,interval)'],
                  'the procedures that COMMIT, and nothing else, are without a search_path');
SELECT is_empty($$SELECT name FROM own_function WHERE prokind = 'p' AND prosecdef$$, 'no procedure is SECURITY DEFINER: it could not COMMIT');
SELECT is_empty($$SELECT DISTINCT f.name, m[1] FROM own_function f
                  CROSS JOIN regexp_matches(regexp_replace(f.prosrc, '--[^\n]*', '', 'g'), '([a-z_.]*)\m(now|clock_timestamp|format|ceil|hashtext|date_trunc|make_interval|generate_series|pg_sleep|current_setting)\(', 'g') AS m
                  WHERE f.prokind = 'p' AND f.lanname <> 'c' AND m[1] <> 'pg_catalog.'$$, 'they qualify the functions that they call');
SELECT is_empty($$SELECT name FROM own_function WHERE name ~ '^opsadmin\.(current_|context\(|can\()'
                  AND NOT (provolatile = 's' AND proparallel = 's' AND lanname = 'c' AND (SELECT p.proleakproof FROM pg_proc p WHERE p.oid = own_function.oid))$$,
                'the readers of the context are C, STABLE, LEAKPROOF and PARALLEL SAFE');

-- Who catches errors begins a subtransaction, and no parallel query can: neither where it is called nor by whom.
SELECT is_empty($$WITH RECURSIVE body AS (SELECT oid::regproc::text AS name, proparallel, regexp_replace(prosrc, E'''[^'']*''', '', 'g') AS text FROM own_function WHERE lanname IN ('sql', 'plpgsql')),
                  catching AS (SELECT name FROM body WHERE text ~ E'\\mEXCEPTION\\s+WHEN\\M'
                               UNION SELECT b.name FROM catching c JOIN body b ON b.text ~ (E'\\m' || replace(c.name, '.', E'\\.') || E'\\('))
                  SELECT name FROM catching JOIN body USING (name) WHERE proparallel <> 'u'$$, 'functions that catch errors are PARALLEL UNSAFE');

-- What runs with the rights of the extension's owner, and who may call it.
SELECT set_eq($$SELECT DISTINCT f.oid::regproc::text FROM own_function f CROSS JOIN unnest(ARRAY['opsadmin_internal', 'opsadmin_partner']) AS role
                    WHERE f.prosecdef AND has_function_privilege(role, f.oid, 'EXECUTE')$$,
                  ARRAY['opsadmin.annotate_audit', 'opsadmin.audit_event', 'opsadmin.cancel_job', 'opsadmin.choose_tenant', 'opsadmin.get_job', 'opsadmin.kpi_ranking',
                        'opsadmin.kpi_series', 'opsadmin.kpi_summary', 'opsadmin.list_findings', 'opsadmin.list_job_errors',
                        'opsadmin.list_jobs', 'opsadmin.list_requests', 'opsadmin.list_resources', 'opsadmin.me', 'opsadmin.pause_job',
                        'opsadmin.resume_job', 'opsadmin.retry_job', 'opsadmin.run_action', 'opsadmin_private.audited_row',
                        'opsadmin_private.compile_count', 'opsadmin_private.compile_list', 'opsadmin_private.find_audit',
                        'opsadmin_private.make_cursor', 'opsadmin_private.newest_audit', 'opsadmin_private.read_cursor',
                        'opsadmin_private.job_actor', 'opsadmin_private.row_changes'],
                  'the definer functions that the site roles may call are these');
SELECT set_eq($$SELECT f.oid::regproc::text FROM own_function f
                    WHERE EXISTS (SELECT FROM aclexplode(f.proacl) AS a WHERE a.grantee IN ('opsadmin_internal_login'::regrole, 'opsadmin_partner_login'::regrole))$$,
                  ARRAY['opsadmin.accept_invitation', 'opsadmin.begin_request', 'opsadmin.begin_with_ticket', 'opsadmin.metrics', 'opsadmin.record_request', 'opsadmin.sign_in', 'opsadmin.sign_out', 'opsadmin.touch_session'],
                  'the gateway''s logins may call these besides');
SELECT set_eq($$SELECT f.oid::regproc::text FROM own_function f
                    WHERE EXISTS (SELECT FROM aclexplode(f.proacl) AS a WHERE a.grantee = 'opsadmin_worker'::regrole)$$,
                  ARRAY['opsadmin.error_codes', 'opsadmin.refresh_kpi', 'opsadmin.run_jobs', 'opsadmin.run_kpis', 'opsadmin.run_maintenance', 'opsadmin.run_worker', 'opsadmin.verify_kpi',
                        'opsadmin_private.begin_refresh', 'opsadmin_private.kpi_sources', 'opsadmin_private.note_source_failure', 'opsadmin_private.refresh_source',
                        'opsadmin_private.lock_worker_slot', 'opsadmin_private.next_retry', 'opsadmin_private.note_worker', 'opsadmin_private.run_next_step',
                        'opsadmin_private.unlock_worker_slot', 'opsadmin_private.wait_for_work'],
                  'the worker may call these');
SELECT set_eq($$SELECT f.oid::regproc::text FROM own_function f
                    WHERE f.name ~ '^opsadmin_private' AND f.lanname = 'c' AND EXISTS (SELECT FROM aclexplode(f.proacl) AS a WHERE a.grantee <> f.proowner)$$,
                  ARRAY['opsadmin_private.beginning', 'opsadmin_private.context_is_bound', 'opsadmin_private.lock_worker_slot', 'opsadmin_private.raw_size', 'opsadmin_private.unlock_worker_slot', 'opsadmin_private.wait_for_work'],
                  'of the private C functions only the harmless ones are granted to anybody');
SELECT is_empty($$SELECT p.proname, a FROM pg_proc p CROSS JOIN unnest(p.proargnames) AS a JOIN pg_get_keywords() k ON k.word = a
                  WHERE p.pronamespace = 'opsadmin'::regnamespace AND k.catcode = 'R'$$, 'no parameter or result column of a public function is a reserved word');

-- The roles.
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname LIKE 'opsadmin\_%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)$$,
                'no role of opsadmin is privileged');
SELECT set_eq($$SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'opsadmin\_%' AND rolcanlogin$$,
                  ARRAY['opsadmin_internal_login', 'opsadmin_partner_login', 'opsadmin_worker'], 'these may log in');

-- Configuration survives pg_dump.
SELECT is_empty($$SELECT name FROM own_relation r WHERE relkind = 'r' AND name <> 'opsadmin.worker_run'
                  AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'opsadmin' AND r.oid = ANY (e.extconfig))$$,
                'pg_dump saves every table but the workers'' presence');

SELECT * FROM finish();
