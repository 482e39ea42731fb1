-- Whether everything that opsadmin needs is there. Each finding has the SQL or the setting that mends it.

CREATE OR REPLACE FUNCTION opsadmin.health() RETURNS SETOF opsadmin.finding
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  libraries text[] := regexp_split_to_array(current_setting('shared_preload_libraries'), E'[\\s,"]+');
  cron_database text := current_setting('cron.database_name', true);
  worker record;
  kpi record;
BEGIN
  IF NOT 'opsadmin' = ANY (libraries) THEN
    RETURN NEXT ('error', 'preload', 'opsadmin', 'opsadmin is not in shared_preload_libraries',
      format('ALTER SYSTEM SET shared_preload_libraries = %s; -- then restart the server', array_to_string(libraries || 'opsadmin'::text, ', ')))::opsadmin.finding;
  END IF;

  IF NOT 'pg_cron' = ANY (libraries) THEN
    RETURN NEXT ('error', 'cron', 'pg_cron', 'pg_cron is not in shared_preload_libraries: no job and no KPI runs by itself',
      format('ALTER SYSTEM SET shared_preload_libraries = %s; -- then restart the server', array_to_string('pg_cron'::text || libraries, ', ')))::opsadmin.finding;
  ELSIF cron_database <> current_database() THEN
    RETURN NEXT ('error', 'cron', 'pg_cron', format('pg_cron runs in database "%s", not in this one', cron_database),
      format('ALTER SYSTEM SET cron.database_name = %L; -- then restart the server', current_database()))::opsadmin.finding;
  ELSIF NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_cron') THEN
    RETURN NEXT ('error', 'cron', 'pg_cron', 'the extension pg_cron is not installed in this database', 'CREATE EXTENSION pg_cron;')::opsadmin.finding;
  ELSIF opsadmin_private.scheduled_jobs() = 0 THEN
    RETURN NEXT ('error', 'schedule', 'pg_cron', 'no worker is scheduled', 'CALL opsadmin.schedule();')::opsadmin.finding;
  ELSIF opsadmin_private.misdirected_jobs() IS NOT NULL THEN
    RETURN NEXT ('error', 'schedule', 'pg_cron', format('pg_cron looks for this server at %s; it is at host "%s", port %s', opsadmin_private.misdirected_jobs(),
      current_setting('cron.host'), current_setting('port')), 'CALL opsadmin.schedule();')::opsadmin.finding;
  ELSE
    SELECT max(w.connected_at) AS last_seen, max(w.connected_at) > clock_timestamp() - interval '3 minutes' AS alive INTO worker FROM opsadmin.worker_run w;
    IF worker.alive IS NOT TRUE THEN
      RETURN NEXT ('error', 'worker', 'opsadmin_worker',
        coalesce('the last worker connected at ' || date_trunc('second', worker.last_seen), 'no worker has connected yet'),
        'Look at SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 5; and allow opsadmin_worker in pg_hba.conf: local '
        || quote_ident(current_database()) || ' opsadmin_worker peer map=opsadmin')::opsadmin.finding;
    END IF;
  END IF;

  RETURN QUERY
    SELECT f.level, 'roles', f.object, f.problem, f.remedy
    FROM (SELECT * FROM opsadmin_private.rule_privileged_role() UNION ALL SELECT * FROM opsadmin_private.rule_role_membership()
          UNION ALL SELECT * FROM opsadmin_private.rule_predefined_role()) AS f;
  RETURN QUERY
    SELECT 'error', 'roles', r.rolname::text, 'the role may not connect to this database', format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), r.rolname)
    FROM pg_roles r JOIN pg_database d ON d.datname = current_database()
    WHERE r.rolname IN ('opsadmin_worker', 'opsadmin_internal_login', 'opsadmin_partner_login') AND NOT has_database_privilege(r.oid, d.oid, 'CONNECT')
    ORDER BY r.rolname;
  RETURN QUERY SELECT f.level, 'isolation', f.object, f.problem, f.remedy FROM opsadmin_private.rule_missing_tenant_column() AS f;
  RETURN QUERY
    SELECT CASE WHEN c.column_name = ANY (d.redact) THEN 'error' ELSE 'warning' END, 'audit', t.name, format('table "%s" has no column "%s" any more, which audit() was told of', t.name, c.column_name),
           format('SELECT opsadmin.audit(%L, redact => ''{…}'', ignore => ''{…}'', keep => ''{…}''); -- with the columns that there are now', opsadmin_private.qualified_name(t.relation))
    FROM opsadmin.audited_table d JOIN opsadmin.target t ON t.id = d.target_id CROSS JOIN LATERAL unnest(d.redact || d.ignore || d.keep) AS c(column_name)
    WHERE NOT EXISTS (SELECT FROM opsadmin_private.tree_members(t.relation) AS m JOIN pg_attribute a ON a.attrelid = m WHERE a.attname = c.column_name AND NOT a.attisdropped);
  RETURN QUERY SELECT * FROM opsadmin_private.audit_findings();
  RETURN QUERY
    SELECT 'error', 'upkeep', f.step, format('the upkeep has failed since %s: %s', date_trunc('second', f.failed_since), f.message), 'SELECT opsadmin.run_maintenance();'
    FROM opsadmin.upkeep_failure f;

  -- The triggers by what they do: they may have other names by now. A trigger's type is a sum of bits; where tables
  -- inherit, one by row is for all changes.
  RETURN QUERY
    SELECT 'error', 'audit', CASE WHEN m.relation = t.relation THEN t.name ELSE m.relation::text END,
           format('not every %s is in the log: its trigger is gone, replaced, disabled in some sessions or tied to an extension', string_agg(event.name, ', ' ORDER BY event.bit)),
           format('SELECT opsadmin.audit(%L, redact => %L, ignore => %L, keep => %L, replicated => %L);', opsadmin_private.qualified_name(t.relation), d.redact, d.ignore, d.keep, d.replicated)
    FROM opsadmin.audited_table d JOIN opsadmin.target t ON t.id = d.target_id CROSS JOIN LATERAL opsadmin_private.tree_members(t.relation) AS m(relation)
    CROSS JOIN (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) AS event (name, bit)
    WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = m.relation AND g.tgfoid = 'opsadmin.audit_trigger'::regproc
                                                 AND g.tgtype = CASE WHEN opsadmin_private.is_inherited(t.relation) AND event.name <> 'TRUNCATE' THEN 1 + 4 + 8 + 16 ELSE event.bit END
                                                 AND g.tgenabled = 'A' AND g.tgqual IS NULL
                                                 AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_trigger'::regclass AND x.objid = g.oid AND x.deptype = 'x'))
    GROUP BY t.name, t.relation, m.relation, d.redact, d.ignore, d.keep, d.replicated;

  RETURN QUERY
    SELECT 'error', 'audit', m.relation::text, format('trigger "%s" is not opsadmin''s: it may write changes a second time, and what is redacted', g.tgname),
           format('SELECT opsadmin.audit(%L, redact => %L, ignore => %L, keep => %L, replicated => %L);', opsadmin_private.qualified_name(t.relation), d.redact, d.ignore, d.keep, d.replicated)
    FROM opsadmin.audited_table d JOIN opsadmin.target t ON t.id = d.target_id CROSS JOIN LATERAL opsadmin_private.tree_members(t.relation) AS m(relation)
    JOIN pg_trigger g ON g.tgrelid = m.relation AND g.tgfoid = 'opsadmin.audit_trigger'::regproc AND g.tgparentid = 0
    WHERE EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = g.tgrelid AND o.tgfoid = g.tgfoid AND o.tgtype = g.tgtype AND o.tgname LIKE E'opsadmin\\_audit\\_%' AND o.oid <> g.oid);

  RETURN QUERY
    SELECT 'warning', 'resource', r.name, format('table "%s" is not protected: nobody can read the resource', t.name),
           format('SELECT opsadmin.protect(%L);', opsadmin_private.qualified_name(t.relation))
    FROM opsadmin.resource r JOIN opsadmin.target t ON t.id = r.target_id
    WHERE NOT EXISTS (SELECT FROM opsadmin.protected_table p WHERE p.target_id = t.id);
  RETURN QUERY
    SELECT 'warning', 'resource', r.name, format('table "%s" has no column "%s" any more: the resource cannot be read', t.name, c.column_name),
           format('SELECT opsadmin.expose(%L, %L);', opsadmin_private.qualified_name(t.relation), r.name)
    FROM opsadmin.resource r JOIN opsadmin.target t ON t.id = r.target_id JOIN opsadmin.resource_column c ON c.resource_name = r.name
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attname = c.column_name AND NOT a.attisdropped);

  RETURN QUERY
    SELECT 'warning', 'resource', r.name, format('"%s" is not the primary key of table "%s" any more: rows cannot be selected one by one', r.key_column, t.name),
           format(CASE cardinality(x.key) WHEN 1 THEN 'SELECT opsadmin.expose(%L, %L);' ELSE 'SELECT opsadmin.unexpose(%L); -- or make it the key again' END,
                  opsadmin_private.qualified_name(t.relation), r.name)
    FROM opsadmin.resource r JOIN opsadmin.target t ON t.id = r.target_id
    CROSS JOIN LATERAL (SELECT array_agg(a.attname) AS key FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                        WHERE i.indrelid = t.relation AND i.indisprimary) AS x
    WHERE x.key <> ARRAY[r.key_column];

  RETURN QUERY
    SELECT 'warning', 'kpi', k.name, format('table "%s" %s: the KPI is not refreshed', t.name, CASE WHEN t.relation IS NULL THEN 'was dropped' ELSE 'is not protected' END),
           CASE WHEN t.relation IS NULL THEN format('SELECT opsadmin.drop_kpi(%L);', k.name)
                ELSE format('SELECT opsadmin.protect(%L);', opsadmin_private.qualified_name(t.relation)) END
    FROM opsadmin.kpi k JOIN opsadmin.target t ON t.id = k.target_id
    WHERE NOT EXISTS (SELECT FROM opsadmin.protected_table p WHERE p.target_id = t.id);
  FOR kpi IN SELECT k.*, t.relation FROM opsadmin.kpi k JOIN opsadmin.target t ON t.id = k.target_id JOIN opsadmin.protected_table p ON p.target_id = t.id LOOP
    BEGIN
      PERFORM opsadmin_private.plan_kpi(kpi.relation, kpi.time_column, kpi.value, kpi.filter);
    EXCEPTION WHEN OTHERS THEN
      RETURN NEXT ('warning', 'kpi', kpi.name, SQLERRM || ': the KPI is not refreshed',
        format('SELECT opsadmin.define_kpi(%L, %L, …); -- as the table is now', kpi.name, opsadmin_private.qualified_name(kpi.relation)))::opsadmin.finding;
    END;
  END LOOP;

  RETURN QUERY SELECT * FROM opsadmin_private.kpi_findings();

  BEGIN
    PERFORM opsadmin_private.sign('health', '');
  EXCEPTION WHEN OTHERS THEN
    RETURN NEXT ('error', 'key', current_setting('opsadmin.key_file'), SQLERRM, 'SELECT opsadmin_private.ensure_key();')::opsadmin.finding;
  END;
END
$$;
COMMENT ON FUNCTION opsadmin.health IS 'What opsadmin needs and does not have; no row means that all is well';
REVOKE ALL ON FUNCTION opsadmin.health FROM PUBLIC;
