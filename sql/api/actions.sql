-- Actions: bulk changes that a DBA defines and staff run by name.

-- define_action(name, target, changes, params, condition, label, sites): changes is what stands after SET in an
-- UPDATE of target, with parameters as params.<name>, for example 'price = round(price * (1 - params.percent / 100), 2)';
-- params is a list of {"name","type","label","min","max","required","default"} with types integer, numeric, text,
-- boolean or date; condition further limits the rows; on_error says what a row that fails does: stop the job, or be skipped
-- and listed in job_error. OA425 when it does not fit, OA430 without a primary key.
CREATE OR REPLACE FUNCTION opsadmin.define_action(name text, target regclass, changes text, params jsonb DEFAULT '[]', condition text DEFAULT NULL,
  label jsonb DEFAULT NULL, sites text[] DEFAULT '{internal,partner}', on_error text DEFAULT 'stop') RETURNS void
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
  PERFORM opsadmin_private.require_on_error(on_error);
  PERFORM opsadmin_private.check_update(target, changes, condition, checked, example);
  INSERT INTO opsadmin.action (name, target_id, changes, params, condition, on_error, label, sites)
  VALUES (define_action.name, opsadmin_private.ensure_target(target), define_action.changes, checked, define_action.condition, define_action.on_error,
          opsadmin_private.label(define_action.label, define_action.name), define_action.sites)
  ON CONFLICT ON CONSTRAINT action_pkey DO UPDATE
    SET target_id = excluded.target_id, changes = excluded.changes, params = excluded.params, condition = excluded.condition, on_error = excluded.on_error, label = excluded.label, sites = excluded.sites;
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
  INSERT INTO opsadmin.job (name, label, target_id, target_name, actor_id, actor_name, is_system, site, tenant_id, run_as, permission, changes, condition, params, params_item,
                            selected_keys, selection_summary, on_error, reason, ip, method, path, request_id)
  SELECT action, found_action.label, t.id, t.name, (bound ->> 'actor_id')::bigint, bound ->> 'actor_name', bound ->> 'actor_id' IS NULL, bound ->> 'site', (bound ->> 'tenant_id')::bigint,
         'opsadmin_' || (bound ->> 'site'), action || ':run', found_action.changes,
         concat_ws(' AND ',
           (SELECT opsadmin_private.tenant_predicate(p.tenant_column, p.tenant_type, 'target') FROM opsadmin.protected_table p
            WHERE p.target_id = t.id AND opsadmin.current_tenant() IS NOT NULL),
           chosen.condition, '(' || found_action.condition || ')'),
         run_action.params, opsadmin_private.params_item(found_action.params, run_action.params), chosen.selected_keys, chosen.summary, found_action.on_error, bound ->> 'reason', (bound ->> 'ip')::inet, bound ->> 'method', bound ->> 'path', bound ->> 'request_id'
  FROM opsadmin.target t WHERE t.id = found_action.target_id
  RETURNING id INTO job_id;
  PERFORM opsadmin_private.wake_workers();
  RETURN job_id;
END
$$;
COMMENT ON FUNCTION opsadmin.run_action IS 'Starts an action on the selected rows and returns the job''s id';
REVOKE ALL ON FUNCTION opsadmin.run_action FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.run_action TO opsadmin_internal, opsadmin_partner;

-- Starts a job from SQL text as the calling role.
CREATE OR REPLACE FUNCTION opsadmin_private.start_bulk(kind text, target regclass, changes text, condition text, on_error text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bound jsonb := CASE WHEN opsadmin_private.context_is_bound() THEN opsadmin.context() ELSE '{}' END;
  found_target integer := opsadmin_private.ensure_target(target);
  job_id bigint;
BEGIN
  INSERT INTO opsadmin.job (name, label, target_id, target_name, actor_id, actor_name, site, tenant_id, run_as, kind, changes, condition, params, params_item, selection_summary, on_error)
  SELECT 'bulk_' || kind, opsadmin_private.label(NULL, 'bulk_' || kind), t.id, t.name, (bound ->> 'actor_id')::bigint, coalesce(bound ->> 'actor_name', session_user),
         bound ->> 'site', (bound ->> 'tenant_id')::bigint, current_user, kind, changes, coalesce('(' || condition || ')', 'true'), '{}', '',
         coalesce(left(condition, 200), 'all'), start_bulk.on_error
  FROM opsadmin.target t WHERE t.id = found_target
  RETURNING id INTO job_id;
  PERFORM opsadmin_private.wake_workers();
  RETURN job_id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.start_bulk IS 'Starts a job from SQL text as the calling role';
REVOKE ALL ON FUNCTION opsadmin_private.start_bulk FROM PUBLIC;

-- bulk_update(target, changes, condition, on_error) starts a job from SQL text, for a DBA: changes is what stands after
-- SET, condition what stands after WHERE (NULL: every row). It runs as the calling role, whose rights hold. on_error: a row
-- that fails stops the job, or is skipped and listed in job_error. OA420, OA425, OA430, OA436.
CREATE OR REPLACE FUNCTION opsadmin.bulk_update(target regclass, changes text, condition text DEFAULT NULL, on_error text DEFAULT 'stop') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_root(target);
  PERFORM opsadmin_private.require_on_error(on_error);
  PERFORM opsadmin_private.check_update(target, changes, condition, '[]', '{}');
  RETURN opsadmin_private.start_bulk('update', target, changes, condition, on_error);
END
$$;
COMMENT ON FUNCTION opsadmin.bulk_update IS 'Starts a bulk change from SQL text and returns the job''s id; for DBAs';
REVOKE ALL ON FUNCTION opsadmin.bulk_update FROM PUBLIC;

-- bulk_delete(target, condition, on_error) starts a job that deletes rows, like bulk_update(). condition has no default:
-- whoever means every row says 'true'. OA420, OA425, OA430, OA436.
CREATE OR REPLACE FUNCTION opsadmin.bulk_delete(target regclass, condition text, on_error text DEFAULT 'stop') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_root(target);
  PERFORM opsadmin_private.require_on_error(on_error);
  PERFORM opsadmin_private.key_columns(target);
  IF coalesce(btrim(condition), '') = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'condition is empty', HINT = 'It is what stands after WHERE; ''true'' means every row.';
  END IF;
  BEGIN
    EXECUTE 'EXPLAIN (COSTS OFF) ' || opsadmin_private.job_statement('delete', target, '', '', '(' || condition || E'\n)');
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the condition does not fit the table: ' || SQLERRM,
      HINT = 'condition is what stands after WHERE, over the alias target.';
  END;
  RETURN opsadmin_private.start_bulk('delete', target, '', condition, on_error);
END
$$;
COMMENT ON FUNCTION opsadmin.bulk_delete IS 'Starts a bulk deletion from SQL text and returns the job''s id; for DBAs';
REVOKE ALL ON FUNCTION opsadmin.bulk_delete FROM PUBLIC;

-- trust_triggers(target, triggers) lets jobs on the table run its triggers without the limits of a security-restricted
-- operation (no temporary tables, LISTEN, cursors WITH HOLD). It takes effect when every enabled trigger of the table and
-- its children is named; '{}' takes it back. Trust a trigger only if you trust who may replace its function. OA420, OA436.
CREATE OR REPLACE FUNCTION opsadmin.trust_triggers(target regclass, triggers name[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  unknown name;
BEGIN
  PERFORM opsadmin_private.require_root(target);
  SELECT n INTO unknown FROM unnest(triggers) AS n WHERE NOT EXISTS (SELECT FROM opsadmin_private.user_triggers(target) AS u WHERE u.trigger_name = n) LIMIT 1;
  IF FOUND OR triggers IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('the table has no trigger "%s"', unknown),
      HINT = E'Name enabled triggers of the table, as \\d shows them.';
  END IF;
  UPDATE opsadmin.target t SET trusted_triggers = triggers WHERE t.id = opsadmin_private.ensure_target(target);
END
$$;
COMMENT ON FUNCTION opsadmin.trust_triggers IS 'Lets jobs run the named triggers of a table without the limits of a security-restricted operation';
REVOKE ALL ON FUNCTION opsadmin.trust_triggers FROM PUBLIC;
