-- Puts the company's tables under isolation by tenant. protect_plan() returns the steps, protect() runs them.

-- Roles that can use the table or a column of it, or own a view on it, and would see no rows under row-level
-- security; "public" stands for PUBLIC.
CREATE OR REPLACE FUNCTION opsadmin_private.roles_without_rows(target regclass, known name[]) RETURNS TABLE (role_name name, why text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(r.rolname, 'public'), string_agg(DISTINCT found.why, ', ')
  FROM (
    SELECT c.relowner AS role, 'owner' AS why FROM pg_class c WHERE c.oid = $1
    UNION ALL
    SELECT a.grantee, 'granted ' || lower(a.privilege_type)
    FROM (SELECT c.relacl AS acl FROM pg_class c WHERE c.oid = $1
          UNION ALL SELECT t.attacl FROM pg_attribute t WHERE t.attrelid = $1) AS granted
    CROSS JOIN aclexplode(granted.acl) AS a
    WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    UNION ALL
    SELECT v.relowner, 'owner of ' || v.oid::regclass
    FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass JOIN pg_class v ON v.oid = w.ev_class
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND v.oid <> $1
  ) AS found
  LEFT JOIN pg_roles r ON r.oid = found.role
  WHERE (r.oid IS NULL OR NOT r.rolsuper AND NOT r.rolbypassrls) AND coalesce(r.rolname, 'public') <> ALL ($2)
    AND coalesce(r.rolname, 'public') NOT IN ('opsadmin_internal', 'opsadmin_partner')
  GROUP BY 1 ORDER BY 1
$$;
COMMENT ON FUNCTION opsadmin_private.roles_without_rows IS 'Roles that can use a table today and would see no rows under row-level security';
REVOKE ALL ON FUNCTION opsadmin_private.roles_without_rows FROM PUBLIC;

-- The policies that protect() has made on a table.
CREATE OR REPLACE FUNCTION opsadmin_private.own_policies(target regclass) RETURNS SETOF name
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.polname FROM pg_policy p
  WHERE p.polrelid = $1 AND p.polname IN ('opsadmin_partner', 'opsadmin_partner_floor', 'opsadmin_internal', 'opsadmin_trusted')
$$;
COMMENT ON FUNCTION opsadmin_private.own_policies IS 'The policies that protect() has made on a table';
REVOKE ALL ON FUNCTION opsadmin_private.own_policies FROM PUBLIC;

-- protect_plan(target, tenant_column, trusted_roles, excluded_roles) returns the steps of protect() as SQL,
-- in their order. Raises what protect() raises, but for the size of the table.
CREATE OR REPLACE FUNCTION opsadmin.protect_plan(target regclass, tenant_column name DEFAULT 'tenant_id', trusted_roles name[] DEFAULT '{}', excluded_roles name[] DEFAULT '{}')
RETURNS SETOF text LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  table_name text;
  schema_name name;
  tenant_type text;
  predicate text;
  lost text;
  first_lost name;
  leftover boolean;
BEGIN
  PERFORM opsadmin_private.require_plain_table(target);
  table_name := opsadmin_private.qualified_name(target);
  tenant_type := opsadmin_private.tenant_column_type(target, tenant_column);
  PERFORM opsadmin_private.key_columns(target);
  IF EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA434', MESSAGE = format('table "%s" is protected already', target),
      HINT = 'opsadmin.unprotect() takes the protection away.';
  END IF;
  SELECT string_agg(format('"%s" (%s)', role_name, why), ', '), min(role_name::text) INTO lost, first_lost
  FROM opsadmin_private.roles_without_rows(target, trusted_roles || excluded_roles);
  IF lost IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA433', MESSAGE = format('roles can use "%s" today and would see no rows', target),
      DETAIL = 'They are ' || lost || '.',
      HINT = format('Name each in trusted_roles (sees all rows, as today) or excluded_roles (sees none), for example trusted_roles => ''{%s}''.', first_lost);
  END IF;
  SELECT n.nspname INTO schema_name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
  predicate := opsadmin_private.tenant_predicate(tenant_column, tenant_type);

  -- What a DROP EXTENSION ... CASCADE has left goes; row-level security that is on with it was opsadmin's own.
  RETURN QUERY SELECT format('DROP POLICY %I ON %s', policy, table_name) FROM opsadmin_private.own_policies(target) AS policy;
  leftover := FOUND;
  -- Policies first: at no time is row-level security on without them.
  RETURN NEXT format('CREATE POLICY opsadmin_partner ON %s AS PERMISSIVE FOR ALL TO opsadmin_partner USING (%s) WITH CHECK (%s)', table_name, predicate, predicate);
  RETURN NEXT format('CREATE POLICY opsadmin_partner_floor ON %s AS RESTRICTIVE FOR ALL TO opsadmin_partner USING (%s) WITH CHECK (%s)', table_name, predicate, predicate);
  RETURN NEXT format('CREATE POLICY opsadmin_internal ON %s AS PERMISSIVE FOR ALL TO opsadmin_internal USING (true) WITH CHECK (true)', table_name);
  IF cardinality(trusted_roles) > 0 THEN
    RETURN NEXT format('CREATE POLICY opsadmin_trusted ON %s AS PERMISSIVE FOR ALL TO %s USING (true) WITH CHECK (true)', table_name,
                       (SELECT string_agg(quote_ident(r), ', ') FROM unnest(trusted_roles) AS r));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attname = tenant_column AND a.atthasdef) THEN
    RETURN NEXT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT opsadmin.current_tenant_key_%s()', table_name, tenant_column,
                       CASE tenant_type WHEN 'integer' THEN 'int4' WHEN 'bigint' THEN 'int8' ELSE tenant_type END);
  END IF;
  RETURN NEXT format('GRANT USAGE ON SCHEMA %I TO opsadmin_internal, opsadmin_partner', schema_name);
  RETURN NEXT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO opsadmin_internal, opsadmin_partner', table_name);
  RETURN NEXT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', table_name);
  RETURN NEXT (SELECT format('SELECT opsadmin_private.register_protection(%L, %L, %L, %L, %L, %L, %L)', table_name, tenant_column,
                             (SELECT a.atthasdef FROM pg_attribute a WHERE a.attrelid = target AND a.attname = tenant_column),
                             c.relrowsecurity AND NOT leftover, c.relforcerowsecurity AND NOT leftover, trusted_roles, excluded_roles)
               FROM pg_class c WHERE c.oid = target);
END
$$;
COMMENT ON FUNCTION opsadmin.protect_plan IS 'The steps of protect() as SQL';
REVOKE ALL ON FUNCTION opsadmin.protect_plan FROM PUBLIC;

-- The last step of protect(): notes in the registry that the table is protected, and what unprotect() has to restore.
CREATE OR REPLACE FUNCTION opsadmin_private.register_protection(target regclass, tenant_column name, had_default boolean, had_row_security boolean,
  had_force boolean, trusted_roles name[], excluded_roles name[]) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO opsadmin.protected_table (target_id, tenant_column, tenant_type, had_default, had_row_security, had_force, trusted_roles, excluded_roles)
  VALUES (opsadmin_private.ensure_target($1), $2, opsadmin_private.tenant_column_type($1, $2), $3, $4, $5, $6, $7)
$$;
COMMENT ON FUNCTION opsadmin_private.register_protection IS 'Notes in the registry that a table is protected';
REVOKE ALL ON FUNCTION opsadmin_private.register_protection FROM PUBLIC;

-- Puts a table under isolation: partners see and write only their tenant's rows, internal staff and trusted
-- roles all rows. Takes an ACCESS EXCLUSIVE lock, waiting at most 3 s. Raises OA430 without a primary key,
-- OA431/OA432 for the tenant column, OA433 for roles that would lose their rows, OA434 when it is protected,
-- OA436 for other kinds of tables, OA437 above 1 GB.
CREATE OR REPLACE FUNCTION opsadmin.protect(target regclass, tenant_column name DEFAULT 'tenant_id', trusted_roles name[] DEFAULT '{}', excluded_roles name[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
  steps text[];
  step text;
BEGIN
  SELECT array_agg(s) INTO steps FROM opsadmin.protect_plan(target, tenant_column, trusted_roles, excluded_roles) AS s;
  IF pg_table_size(target) > 1024 ^ 3 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA437', MESSAGE = format('table "%s" is larger than 1 GB', target),
      HINT = 'Run the steps of opsadmin.protect_plan() yourself, in one transaction, at a quiet time.';
  END IF;
  FOREACH step IN ARRAY steps LOOP
    EXECUTE step;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = target AND a.attname = tenant_column AND i.indpred IS NULL AND i.indisvalid) THEN
    RAISE WARNING USING MESSAGE = format('no index of "%s" begins with "%s"', target, tenant_column),
      DETAIL = 'Every query of a partner looks for its tenant.',
      HINT = format('CREATE INDEX CONCURRENTLY ON %s (%I);', opsadmin_private.qualified_name(target), tenant_column);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.protect IS 'Puts a table under isolation by tenant';
REVOKE ALL ON FUNCTION opsadmin.protect FROM PUBLIC;

-- Takes the protection away and restores what was there; OA435 when the table is not protected.
CREATE OR REPLACE FUNCTION opsadmin.unprotect(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
  was opsadmin.protected_table;
  table_name text := opsadmin_private.qualified_name(target);
  policy name;
  own_default name;
BEGIN
  SELECT p.* INTO was FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', target),
      HINT = 'See opsadmin.protected_table.';
  END IF;
  -- The grants first: at no time may a site role use the table without the policies.
  EXECUTE format('REVOKE ALL ON %s FROM opsadmin_internal, opsadmin_partner', table_name);
  IF NOT was.had_row_security THEN
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', table_name);
  END IF;
  IF NOT was.had_force THEN
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', table_name);
  END IF;
  IF NOT was.had_default THEN
    -- The column may have another name by now, be gone, or have a default of the company's own.
    FOR own_default IN SELECT a.attname FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                       WHERE d.adrelid = target AND pg_get_expr(d.adbin, d.adrelid) ~ '^\(?opsadmin\.current_tenant_key_' LOOP
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', table_name, own_default);
    END LOOP;
  END IF;
  FOR policy IN SELECT opsadmin_private.own_policies(target) LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy, table_name);
  END LOOP;
  DELETE FROM opsadmin.protected_table p WHERE p.target_id = was.target_id;
END
$$;
COMMENT ON FUNCTION opsadmin.unprotect IS 'Takes the protection of a table away and restores what was there';
REVOKE ALL ON FUNCTION opsadmin.unprotect FROM PUBLIC;
