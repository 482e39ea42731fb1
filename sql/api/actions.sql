-- Actions: bulk changes that a DBA defines and staff run by name.

-- define_action(name, target, changes, params, condition, label, sites): changes is what stands after SET in an
-- UPDATE of target, with parameters as params.<name>, for example 'price = round(price * (1 - params.percent / 100), 2)';
-- params is a list of {"name","type","label","min","max","required","default"} with types integer, numeric, text,
-- boolean or date; condition further limits the rows. OA425 when it does not fit, OA430 without a primary key.
CREATE OR REPLACE FUNCTION opsadmin.define_action(name text, target regclass, changes text, params jsonb DEFAULT '[]', condition text DEFAULT NULL,
  label jsonb DEFAULT NULL, sites text[] DEFAULT '{internal,partner}') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  param jsonb;
  definition jsonb;
  checked jsonb := '[]'::jsonb;
  example jsonb := '{}'::jsonb;
BEGIN
  PERFORM opsadmin_private.require_name(name, 'an action');
  PERFORM opsadmin_private.require_root(target);
  IF jsonb_typeof(params) <> 'array' OR NOT sites <@ '{internal,partner}' OR cardinality(sites) = 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'params is a list of objects, and sites are internal and partner',
      HINT = 'For example params => ''[{"name":"percent","type":"numeric","min":1,"max":90}]''.';
  END IF;
  FOR param IN SELECT jsonb_array_elements(params) LOOP
    PERFORM opsadmin_private.require_name(param ->> 'name', 'a parameter');
    IF coalesce(param ->> 'type', '') NOT IN ('integer', 'numeric', 'text', 'boolean', 'date') THEN
      RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('parameter "%s" has no type that is known', param ->> 'name'),
        HINT = 'Types are integer, numeric, text, boolean and date.';
    END IF;
    IF param - '{name,type,label,min,max,required,default}'::text[] <> '{}' THEN
      RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('parameter "%s" has a member that is not known', param ->> 'name'),
        HINT = 'Members are name, type, label, min, max, required and default.';
    END IF;
    definition := jsonb_build_object('name', param -> 'name', 'type', param -> 'type', 'label', opsadmin_private.label(param -> 'label', param ->> 'name'),
      'required', coalesce(param -> 'required', 'true')) || (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(param) WHERE key IN ('min', 'max', 'default'));
    IF jsonb_typeof(definition -> 'required') <> 'boolean' OR example ? (param ->> 'name') THEN
      RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('parameter "%s" is defined twice, or "required" is not true or false', param ->> 'name'),
        HINT = 'Name each parameter once.';
    END IF;
    BEGIN
      PERFORM opsadmin_private.check_params(jsonb_build_array(definition || '{"required":false}'), jsonb_build_object(param ->> 'name', param -> value_of))
      FROM unnest('{default,min,max}'::text[]) AS value_of;
    EXCEPTION WHEN SQLSTATE 'OA420' THEN
      RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('default, min and max of parameter "%s" do not fit', param ->> 'name'),
        DETAIL = SQLERRM || '.', HINT = 'Each is a value of the parameter''s type; min is not above max, and default lies between them.';
    END;
    checked := checked || definition;
    example := example || jsonb_build_object(param ->> 'name', NULL);
  END LOOP;
  PERFORM opsadmin_private.check_update(target, changes, condition, checked, example);
  INSERT INTO opsadmin.action (name, target_id, changes, params, condition, label, sites)
  VALUES (define_action.name, opsadmin_private.ensure_target(target), define_action.changes, checked, define_action.condition,
          opsadmin_private.label(define_action.label, define_action.name), define_action.sites)
  ON CONFLICT ON CONSTRAINT action_pkey DO UPDATE
    SET target_id = excluded.target_id, changes = excluded.changes, params = excluded.params, condition = excluded.condition, label = excluded.label, sites = excluded.sites;
END
$$;
COMMENT ON FUNCTION opsadmin.define_action IS 'Defines a bulk change that staff may run by name, or changes it';
REVOKE ALL ON FUNCTION opsadmin.define_action FROM PUBLIC;

-- Drops an action; jobs that were started go on. OA406 when it does not exist.
CREATE OR REPLACE FUNCTION opsadmin.drop_action(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM opsadmin.action a WHERE a.name = drop_action.name;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA406', MESSAGE = format('action "%s" does not exist', name),
      HINT = 'See opsadmin.action.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.drop_action IS 'Drops an action';
REVOKE ALL ON FUNCTION opsadmin.drop_action FROM PUBLIC;

-- Starts an action on the selected rows and returns the job's id at once. Raises OA406, OA403, OA420 (with a
-- pointer to the parameter), OA421, OA422, OA423. token is for actions that must be confirmed; none must yet.
CREATE OR REPLACE FUNCTION opsadmin.run_action(action text, params jsonb DEFAULT '{}', selection jsonb DEFAULT NULL, token text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_action opsadmin.action;
  found_resource opsadmin.resource;
  chosen record;
  bound jsonb := opsadmin.context();
  job_id bigint;
BEGIN
  SELECT * INTO found_action FROM opsadmin.action a WHERE a.name = action AND opsadmin.current_site() = ANY (a.sites);
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA406', MESSAGE = format('action "%s" does not exist', left(coalesce(action, 'NULL'), 100)),
      HINT = 'opsadmin.list_resources() names the actions of a resource.';
  END IF;
  PERFORM opsadmin_private.require_permission(action || ':run');
  SELECT * INTO found_resource FROM opsadmin.resource r WHERE r.target_id = found_action.target_id AND opsadmin.current_site() = ANY (r.sites);
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA405', MESSAGE = format('the table of action "%s" is no resource here', action), HINT = 'A DBA can opsadmin.expose() it.';
  END IF;
  params := opsadmin_private.check_params(found_action.params, coalesce(params, '{}'));
  SELECT * INTO chosen FROM opsadmin_private.compile_selection(found_resource, selection);
  INSERT INTO opsadmin.job (name, label, target_id, target_name, actor_id, actor_name, site, tenant_id, run_as, permission, changes, condition, params, params_item,
                            selection_summary, reason, ip, method, path, request_id)
  SELECT action, found_action.label, t.id, t.name, (bound ->> 'actor_id')::bigint, bound ->> 'actor_name', bound ->> 'site', (bound ->> 'tenant_id')::bigint,
         'opsadmin_' || (bound ->> 'site'), action || ':run', found_action.changes,
         concat_ws(' AND ',
           (SELECT opsadmin_private.tenant_predicate(p.tenant_column, p.tenant_type, 'target') FROM opsadmin.protected_table p
            WHERE p.target_id = t.id AND opsadmin.current_tenant() IS NOT NULL),
           chosen.condition, '(' || found_action.condition || ')'),
         run_action.params, opsadmin_private.params_item(found_action.params, run_action.params), chosen.summary, bound ->> 'reason', (bound ->> 'ip')::inet, bound ->> 'method', bound ->> 'path', bound ->> 'request_id'
  FROM opsadmin.target t WHERE t.id = found_action.target_id
  RETURNING id INTO job_id;
  PERFORM opsadmin_private.wake_workers();
  RETURN job_id;
END
$$;
COMMENT ON FUNCTION opsadmin.run_action IS 'Starts an action on the selected rows and returns the job''s id';
REVOKE ALL ON FUNCTION opsadmin.run_action FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.run_action TO opsadmin_internal, opsadmin_partner;

-- bulk_update(target, changes, condition) starts a job from SQL text, for a DBA: changes is what stands after
-- SET, condition what stands after WHERE (NULL: every row). It runs as the calling role, whose rights hold.
CREATE OR REPLACE FUNCTION opsadmin.bulk_update(target regclass, changes text, condition text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bound jsonb := CASE WHEN opsadmin_private.context_is_bound() THEN opsadmin.context() ELSE '{}' END;
  found_target integer;
  job_id bigint;
BEGIN
  PERFORM opsadmin_private.require_root(target);
  PERFORM opsadmin_private.check_update(target, changes, condition, '[]', '{}');
  found_target := opsadmin_private.ensure_target(target);
  INSERT INTO opsadmin.job (name, label, target_id, target_name, actor_id, actor_name, site, tenant_id, run_as, changes, condition, params, params_item, selection_summary)
  SELECT 'bulk_update', opsadmin_private.label(NULL, 'bulk_update'), t.id, t.name, (bound ->> 'actor_id')::bigint, coalesce(bound ->> 'actor_name', session_user),
         bound ->> 'site', (bound ->> 'tenant_id')::bigint, current_user, bulk_update.changes, coalesce('(' || bulk_update.condition || ')', 'true'), '{}', '',
         coalesce(left(bulk_update.condition, 200), 'all')
  FROM opsadmin.target t WHERE t.id = found_target
  RETURNING id INTO job_id;
  PERFORM opsadmin_private.wake_workers();
  RETURN job_id;
END
$$;
COMMENT ON FUNCTION opsadmin.bulk_update IS 'Starts a bulk change from SQL text and returns the job''s id; for DBAs';
REVOKE ALL ON FUNCTION opsadmin.bulk_update FROM PUBLIC;
