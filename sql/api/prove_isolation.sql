-- The proof of isolation on the live schema: attacks, each as the partner's login would run it and each taken back.

-- prove_isolation(target, plant, skip_triggers) tries to cross from one tenant to another: by every protected table, or by
-- target alone. It uses rows that are there, of two tenants; where one tenant alone has rows, plant => true copies one
-- of them for another tenant under a new key. skip_triggers says whether the company's triggers fire for the copy, and
-- must be given where there are any. Nothing stays. For superusers. verdict is held, broken, residual (what detail
-- bounds) or not_run (for the reason in detail). OA420 without skip_triggers, OA435 for a table that is not protected.
CREATE OR REPLACE FUNCTION opsadmin.prove_isolation(target regclass DEFAULT NULL, plant boolean DEFAULT false, skip_triggers boolean DEFAULT NULL)
RETURNS TABLE (object text, vector text, verdict text, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' SET jit = off AS $$
DECLARE
  protection record;
  rows record;
  any_tenant opsadmin.tenant;
  user_triggers text;
  why text;
  found jsonb := '[]';
BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
    RAISE insufficient_privilege USING MESSAGE = 'prove_isolation() is for superusers', HINT = 'It becomes whoever it proves something about.';
  END IF;
  IF target IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = prove_isolation.target) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', target), HINT = 'See opsadmin.protected_table.';
  END IF;
  SELECT string_agg(format('"%s" on %s', g.tgname, g.tgrelid::regclass), ', ' ORDER BY g.tgrelid::regclass::text, g.tgname) INTO user_triggers
  FROM pg_trigger g JOIN opsadmin.target t ON t.relation = g.tgrelid JOIN opsadmin.protected_table p ON p.target_id = t.id
  WHERE NOT g.tgisinternal AND g.tgname NOT LIKE E'opsadmin\\_%' AND g.tgenabled <> 'D' AND t.relation = coalesce(prove_isolation.target, t.relation);
  IF plant AND skip_triggers IS NULL AND user_triggers IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'skip_triggers is not given', DETAIL = format('Planting would fire %s.', user_triggers),
      HINT = 'skip_triggers => true plants without them, and without foreign keys; skip_triggers => false lets them fire. What they do is taken back, unless it left the database.';
  END IF;

  IF target IS NULL THEN
    SELECT * INTO any_tenant FROM opsadmin.tenant ORDER BY id LIMIT 1;
    any_tenant.id := coalesce(any_tenant.id, 1);
    RETURN QUERY SELECT 'session', s.vector, s.verdict, s.detail FROM opsadmin_private.prove_session(any_tenant) AS s;
  END IF;
  FOR protection IN
    SELECT t.name, t.relation, p AS protection FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id
    WHERE t.relation = coalesce(prove_isolation.target, t.relation) ORDER BY t.name
  LOOP
    -- A variable keeps what it holds when the subtransaction is rolled back.
    BEGIN
      SELECT * INTO rows FROM opsadmin_private.proof_rows(protection.relation);
      why := CASE WHEN rows.own_row IS NULL THEN 'no tenant has a row' WHEN rows.other_row IS NULL AND NOT plant THEN 'one tenant alone has rows: plant => true plants a row of another' END;
      IF why IS NULL AND rows.other_row IS NULL THEN
        why := opsadmin_private.plant_canary(protection.relation, protection.protection, rows.own, rows.own_row, skip_triggers);
        SELECT * INTO rows FROM opsadmin_private.proof_rows(protection.relation);
      END IF;
      SELECT coalesce(jsonb_agg(jsonb_build_array(v.vector, v.verdict, v.detail)), '[]') INTO found FROM (
        SELECT p.* FROM opsadmin_private.prove_paths(protection.relation, protection.protection, rows.own) AS p WHERE rows.own_row IS NOT NULL
        UNION ALL SELECT p.* FROM opsadmin_private.prove_rows(protection.relation, protection.protection, rows.own, rows.other, rows.own_row, rows.other_row, rows.other_values) AS p WHERE why IS NULL
        UNION ALL SELECT p.* FROM opsadmin_private.prove_keys(protection.relation, protection.protection, rows.own, rows.other, rows.own_row) AS p WHERE why IS NULL
        UNION ALL SELECT 'rows', 'not_run', why WHERE why IS NOT NULL) AS v;
      RAISE transaction_rollback;
    EXCEPTION WHEN OTHERS THEN
      -- One that cannot be looked at keeps nobody from the others.
      IF SQLSTATE <> '40000' THEN
        found := jsonb_build_array(jsonb_build_array('rows', 'not_run', SQLSTATE || ': ' || SQLERRM));
      END IF;
    END;
    RETURN QUERY SELECT protection.name, v ->> 0, v ->> 1, v ->> 2 FROM jsonb_array_elements(found) AS v;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.prove_isolation IS 'Tries to cross from one tenant to another on the live schema, and takes everything back';
REVOKE ALL ON FUNCTION opsadmin.prove_isolation FROM PUBLIC;
