-- An event trigger of opsadmin that is disabled: changes of the schema that take isolation away go unnoticed.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_disabled_event_trigger() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'disabled_event_trigger', e.evtname::text, 'it does not fire: opsadmin does not notice changes of the schema', format('ALTER EVENT TRIGGER %I ENABLE;', e.evtname)
  FROM pg_event_trigger e
  JOIN pg_depend d ON d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e'
  JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND x.oid = d.refobjid AND x.extname = 'opsadmin'
  WHERE e.evtenabled NOT IN ('O', 'A')
$$;
COMMENT ON FUNCTION opsadmin_private.rule_disabled_event_trigger IS 'Event triggers of opsadmin that do not fire';
REVOKE ALL ON FUNCTION opsadmin_private.rule_disabled_event_trigger FROM PUBLIC;
