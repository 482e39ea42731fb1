-- Puts the company's tables under isolation by tenant. protect_plan() returns the steps, protect() runs them.

-- Roles that can use a table of the tree or a column of one, own a view on it (or a view on such a view), or a
-- SECURITY DEFINER function that names it, and would see no rows under row-level security; "public" stands for PUBLIC.
-- A function's body is text: that it names the table is a guess by its words.
CREATE OR REPLACE FUNCTION opsadmin_private.roles_without_rows(target regclass, known name[]) RETURNS TABLE (role_name name, why text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE member AS MATERIALIZED (
    SELECT c.oid, c.relowner, c.relacl, CASE WHEN c.oid <> $1 THEN ' of ' || c.oid::regclass ELSE '' END AS of_child,
           E'\\m' || regexp_replace(c.relname, E'\\W', E'\\\\\\&', 'g') || E'\\M' AS word, coalesce(k.catcode IN ('R', 'T'), false) AS reserved
    FROM opsadmin_private.tree_members($1) AS m JOIN pg_class c ON c.oid = m LEFT JOIN pg_get_keywords() AS k ON k.word = c.relname
  ), reader AS (
    SELECT m.oid, true AS definer FROM member m
    UNION
    SELECT v.oid, NOT coalesce(v.reloptions @> '{security_invoker=true}', false)
    FROM reader r JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
  ), found AS (
    SELECT m.relowner AS role, 'owner' || m.of_child AS why FROM member m
    UNION ALL
    SELECT a.grantee, 'granted ' || lower(a.privilege_type) || m.of_child
    FROM member m
    CROSS JOIN LATERAL (SELECT m.relacl AS acl UNION ALL SELECT t.attacl FROM pg_attribute t WHERE t.attrelid = m.oid) AS granted
    CROSS JOIN aclexplode(granted.acl) AS a
    WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    UNION ALL
    SELECT v.relowner, 'owner of ' || v.oid::regclass
    FROM reader r JOIN pg_class v ON v.oid = r.oid WHERE r.definer AND v.relkind IN ('v', 'm')
    UNION ALL
    SELECT p.proowner, 'owner of ' || p.oid::regprocedure
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.prosecdef AND l.lanname NOT IN ('c', 'internal') AND p.pronamespace NOT IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace)
      AND EXISTS (SELECT FROM member m
                  WHERE CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ~* CASE WHEN m.reserved THEN '"' || m.word || '"' ELSE m.word END
                             ELSE EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                                                                    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = m.oid) END)
  )
  SELECT coalesce(r.rolname, 'public'), string_agg(DISTINCT f.why, ', ')
  FROM found f
  LEFT JOIN pg_roles r ON r.oid = f.role
  WHERE (r.oid IS NULL OR NOT r.rolsuper AND NOT r.rolbypassrls) AND coalesce(r.rolname, 'public') <> ALL ($2)
    AND coalesce(r.rolname, 'public') NOT IN ('opsadmin_internal', 'opsadmin_partner')
  GROUP BY 1 ORDER BY 1
$$;
COMMENT ON FUNCTION opsadmin_private.roles_without_rows IS 'Roles that can use a table today and would see no rows under row-level security';
REVOKE ALL ON FUNCTION opsadmin_private.roles_without_rows FROM PUBLIC;

-- What protect() asks before it changes anything and reads any row; raises what protect() raises, but for the size.
CREATE OR REPLACE FUNCTION opsadmin_private.require_protectable(target regclass, tenant_column name, known_roles name[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  lost text;
  first_lost name;
BEGIN
  PERFORM opsadmin_private.require_root(target);
  PERFORM opsadmin_private.tenant_column_type(target, tenant_column);
  PERFORM opsadmin_private.key_columns(target);
  IF EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA434', MESSAGE = format('table "%s" is protected already', target),
      HINT = 'opsadmin.unprotect() takes the protection away.';
  END IF;
  SELECT string_agg(format('"%s" (%s)', role_name, why), ', '), min(role_name::text) INTO lost, first_lost
  FROM opsadmin_private.roles_without_rows(target, known_roles);
  IF lost IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA433', MESSAGE = format('roles can use "%s" today and would see no rows', target),
      DETAIL = 'They are ' || lost || '.',
      HINT = format('Name each in trusted_roles (sees all rows, as today) or excluded_roles (sees none), for example trusted_roles => ''{%s}''.', first_lost);
  END IF;
  PERFORM opsadmin_private.require_supported_key(c, k.tenant, k.referenced_tenant)
  FROM opsadmin_private.keys_between_tenants(target, tenant_column) AS k JOIN pg_constraint c ON c.oid = k.key WHERE NOT k.safe;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_protectable IS 'Raises what protect() refuses without reading rows, but for the size';
REVOKE ALL ON FUNCTION opsadmin_private.require_protectable FROM PUBLIC;

-- The tables of a tree that hold rows, or have partitions, without an index that begins with the tenant column.
CREATE OR REPLACE FUNCTION opsadmin_private.without_tenant_index(target regclass, tenant_column name) RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT m FROM opsadmin_private.tree_members($1) AS m JOIN pg_class c ON c.oid = m
  WHERE NOT (c.relispartition AND m <> $1)
    AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = m AND a.attname = $2 AND i.indpred IS NULL AND i.indisvalid)
$$;
COMMENT ON FUNCTION opsadmin_private.without_tenant_index IS 'The tables of a tree without an index that begins with the tenant column';
REVOKE ALL ON FUNCTION opsadmin_private.without_tenant_index FROM PUBLIC;

-- The CREATE INDEX that a table lacks.
CREATE OR REPLACE FUNCTION opsadmin_private.tenant_index_step(relation regclass, tenant_column name) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN format('CREATE INDEX%s ON %s (%I)', CASE (SELECT c.relkind FROM pg_class c WHERE c.oid = relation) WHEN 'r' THEN ' CONCURRENTLY' ELSE '' END,
                opsadmin_private.qualified_name(relation), tenant_column);
END
$$;
COMMENT ON FUNCTION opsadmin_private.tenant_index_step IS 'The CREATE INDEX for the tenant column of a table';
REVOKE ALL ON FUNCTION opsadmin_private.tenant_index_step FROM PUBLIC;

-- The steps of protect() as SQL. Their order is such that nothing is open after any of them: what takes long comes
-- first, and the rights of the site roles last. Online, each is for a transaction of its own.
CREATE OR REPLACE FUNCTION opsadmin_private.protection_steps(target regclass, tenant_column name, trusted_roles name[], excluded_roles name[], online boolean)
RETURNS SETOF text LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  table_name text := opsadmin_private.qualified_name(target);
  tenant_type text := opsadmin_private.tenant_column_type(target, tenant_column);
  was record;
  had_default boolean := EXISTS (SELECT FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = target AND a.attname = tenant_column AND NOT opsadmin_private.is_tenant_default(pg_get_expr(d.adbin, d.adrelid)));
BEGIN
  SELECT * INTO was FROM opsadmin_private.has_own_row_security(target);
  RETURN QUERY SELECT opsadmin_private.tenant_index_step(m, tenant_column) FROM opsadmin_private.without_tenant_index(target, tenant_column) AS m WHERE online;
  RETURN QUERY SELECT opsadmin_private.foreign_key_steps(target, tenant_column, online);
  RETURN QUERY SELECT opsadmin_private.child_steps(m, tenant_column, tenant_type, trusted_roles) FROM opsadmin_private.tree_members(target) AS m WHERE m <> target;
  RETURN QUERY SELECT opsadmin_private.policy_steps(target, tenant_column, tenant_type, trusted_roles);
  IF NOT had_default THEN
    RETURN NEXT format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT opsadmin.current_tenant_key_%s()', table_name, tenant_column,
                       CASE tenant_type WHEN 'integer' THEN 'int4' WHEN 'bigint' THEN 'int8' ELSE tenant_type END);
  END IF;
  RETURN NEXT format('SELECT opsadmin_private.register_protection(%L, %L, %L, %L, %L, %L, %L)', table_name, tenant_column, had_default, was.enabled, was.forced,
                     trusted_roles, excluded_roles);
  IF online AND (SELECT c.relkind = 'p' OR c.relhassubclass FROM pg_class c WHERE c.oid = target) THEN
    -- Those that came while the steps were run.
    RETURN NEXT format('SELECT opsadmin.protect_children(%L)', table_name);
  END IF;
  RETURN NEXT format('GRANT USAGE ON SCHEMA %I TO opsadmin_internal, opsadmin_partner',
                     (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target));
  RETURN NEXT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO opsadmin_internal, opsadmin_partner', table_name);
END
$$;
COMMENT ON FUNCTION opsadmin_private.protection_steps IS 'The steps of protect() as SQL, in one transaction or online';
REVOKE ALL ON FUNCTION opsadmin_private.protection_steps FROM PUBLIC;

-- Tells whether the text of a default is the one that protect() gives to a tenant column.
CREATE OR REPLACE FUNCTION opsadmin_private.is_tenant_default(expression text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT $1 ~ E'^\\(?opsadmin\\.current_tenant_key_'
$$;
COMMENT ON FUNCTION opsadmin_private.is_tenant_default IS 'Tells whether a default is the one that protect() gives to a tenant column';
REVOKE ALL ON FUNCTION opsadmin_private.is_tenant_default FROM PUBLIC;

-- protect_plan(target, tenant_column, trusted_roles, excluded_roles) returns the steps of protect() as SQL, each to be
-- run in a transaction of its own; the long ones keep nobody out. Raises what protect() raises, but for the size.
CREATE OR REPLACE FUNCTION opsadmin.protect_plan(target regclass, tenant_column name DEFAULT 'tenant_id', trusted_roles name[] DEFAULT '{}', excluded_roles name[] DEFAULT '{}')
RETURNS SETOF text LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_protectable(target, tenant_column, trusted_roles || excluded_roles);
  PERFORM opsadmin_private.require_no_cross_tenant_rows(target, tenant_column);
  RETURN QUERY SELECT opsadmin_private.protection_steps(target, tenant_column, trusted_roles, excluded_roles, true);
END
$$;
COMMENT ON FUNCTION opsadmin.protect_plan IS 'The steps of protect() as SQL';
REVOKE ALL ON FUNCTION opsadmin.protect_plan FROM PUBLIC;

-- Notes in the registry that the table is protected, and what unprotect() has to restore. Raises OA450 when a foreign
-- key does not compare the tenants: the table at its other end was protected, or the key added, after the plan was made.
CREATE OR REPLACE FUNCTION opsadmin_private.register_protection(target regclass, tenant_column name, had_default boolean, had_row_security boolean,
  had_force boolean, trusted_roles name[], excluded_roles name[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key pg_constraint;
BEGIN
  LOCK TABLE opsadmin.protected_table IN SHARE ROW EXCLUSIVE MODE;
  SELECT c.* INTO key FROM opsadmin_private.keys_between_tenants(target, tenant_column) AS k JOIN pg_constraint c ON c.oid = k.key WHERE NOT k.safe ORDER BY k.key LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA450', MESSAGE = format('foreign key "%s" does not compare the tenants of "%s" and "%s"', key.conname, key.conrelid::regclass, key.confrelid::regclass),
      DETAIL = 'The plan was made before both tables were protected, or before there was this key.',
      HINT = format('Leave the rest of the steps out and make the plan anew, with the same parameters: SELECT opsadmin.protect_plan(%L, …);', opsadmin_private.qualified_name(target));
  END IF;
  INSERT INTO opsadmin.protected_table (target_id, tenant_column, tenant_type, had_default, had_row_security, had_force, trusted_roles, excluded_roles)
  VALUES (opsadmin_private.ensure_target(target), tenant_column, opsadmin_private.tenant_column_type(target, tenant_column), had_default, had_row_security, had_force,
          trusted_roles, excluded_roles);
  PERFORM opsadmin_private.renew_audit(target);
END
$$;
COMMENT ON FUNCTION opsadmin_private.register_protection IS 'Notes in the registry that a table is protected';
REVOKE ALL ON FUNCTION opsadmin_private.register_protection FROM PUBLIC;

-- Puts a table and its children under isolation: partners see and write only their tenant's rows, internal staff and
-- trusted roles all rows. Foreign keys to and from other protected tables get the tenant column. Takes ACCESS EXCLUSIVE
-- locks, waiting at most 3 s for each. Raises OA430 without a primary key, OA431/OA432 for the tenant column, OA433 for
-- roles that would lose their rows, OA434 when it is protected, OA436 for other kinds of tables, OA437 above 1 GB, OA450
-- for rows that refer to another tenant's, OA451 for foreign keys that cannot get the tenant column.
CREATE OR REPLACE FUNCTION opsadmin.protect(target regclass, tenant_column name DEFAULT 'tenant_id', trusted_roles name[] DEFAULT '{}', excluded_roles name[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  steps text[];
  step text;
  relation regclass;
BEGIN
  -- One at a time: of two tables that refer to each other the second sees that the first is protected.
  LOCK TABLE opsadmin.protected_table IN SHARE ROW EXCLUSIVE MODE;
  PERFORM opsadmin_private.require_protectable(target, tenant_column, trusted_roles || excluded_roles);
  PERFORM opsadmin_private.require_small_tree(target);
  PERFORM opsadmin_private.require_small_tree(c.conrelid), opsadmin_private.require_small_tree(c.confrelid)
  FROM opsadmin_private.keys_between_tenants(target, tenant_column) AS k JOIN pg_constraint c ON c.oid = k.key WHERE NOT k.safe;
  -- Before its children are looked up: none comes in between.
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', opsadmin_private.qualified_name(target));
  PERFORM opsadmin_private.require_no_cross_tenant_rows(target, tenant_column);
  SELECT array_agg(s) INTO steps FROM opsadmin_private.protection_steps(target, tenant_column, trusted_roles, excluded_roles, false) AS s;
  FOREACH step IN ARRAY steps LOOP
    EXECUTE step;
  END LOOP;
  FOR relation IN SELECT opsadmin_private.without_tenant_index(target, tenant_column) LOOP
    RAISE WARNING USING MESSAGE = format('no index of "%s" begins with "%s"', relation, tenant_column),
      DETAIL = 'Every query of a partner looks for its tenant.',
      HINT = opsadmin_private.tenant_index_step(relation, tenant_column) || ';';
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.protect IS 'Puts a table and its children under isolation by tenant';
REVOKE ALL ON FUNCTION opsadmin.protect FROM PUBLIC;

-- Makes the policies and row-level security of a protected table, or of a child of it, what protect() makes them.
CREATE OR REPLACE FUNCTION opsadmin_private.renew_policies(relation regclass, root regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET opsadmin.guard = 'off' AS $$
DECLARE
  protection opsadmin.protected_table;
  tenant_column name := opsadmin_private.tenant_column_of(root);
  step text;
BEGIN
  SELECT p.* INTO protection FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = root;
  FOR step IN SELECT opsadmin_private.child_steps(relation, tenant_column, protection.tenant_type, protection.trusted_roles) WHERE relation <> root
              UNION ALL
              SELECT opsadmin_private.policy_steps(relation, tenant_column, protection.tenant_type, protection.trusted_roles) WHERE relation = root LOOP
    EXECUTE step;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.renew_policies IS 'Makes the policies of a protected table, or of a child, what protect() makes them';
REVOKE ALL ON FUNCTION opsadmin_private.renew_policies FROM PUBLIC;

-- Protects the children of a protected table that are not, and returns how many there were; children that come while
-- opsadmin's event triggers are enabled need no call. OA435 when the table is not protected.
CREATE OR REPLACE FUNCTION opsadmin.protect_children(target regclass) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  child regclass;
  covered integer := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', target),
      HINT = 'Name the table on top, as it stands in opsadmin.target.';
  END IF;
  FOR child IN SELECT opsadmin_private.open_children(target) LOOP
    PERFORM opsadmin_private.renew_policies(child, target);
    covered := covered + 1;
  END LOOP;
  RETURN covered;
END
$$;
COMMENT ON FUNCTION opsadmin.protect_children IS 'Protects the children of a protected table that are not, and returns how many there were';
REVOKE ALL ON FUNCTION opsadmin.protect_children FROM PUBLIC;

-- Takes the protection away, of the children too, and restores what was there. Raises OA435 when the table is not
-- protected, OA451 when a foreign key cannot get its original form back, OA452 when site roles have rights that cannot be
-- taken from them.
CREATE OR REPLACE FUNCTION opsadmin.unprotect(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  was opsadmin.protected_table;
  member record;
  table_name text;
  policy name;
  own_default name;
BEGIN
  LOCK TABLE opsadmin.protected_table IN SHARE ROW EXCLUSIVE MODE;
  SELECT p.* INTO was FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', target),
      HINT = 'See opsadmin.protected_table.';
  END IF;
  -- The grants first: at no time may a site role use the table without the policies.
  PERFORM opsadmin_private.revoke_from_sites(m) FROM opsadmin_private.tree_members(target) AS m
  WHERE m = target OR NOT EXISTS (SELECT FROM opsadmin.protected_table o JOIN opsadmin.target t ON t.id = o.target_id WHERE t.relation = m);
  PERFORM opsadmin_private.restore_foreign_keys(target);
  FOR member IN
    SELECT m AS relation, CASE WHEN m = target THEN was.had_row_security ELSE coalesce(p.had_row_security, false) END AS had_row_security,
           CASE WHEN m = target THEN was.had_force ELSE coalesce(p.had_force, false) END AS had_force
    FROM opsadmin_private.tree_members(target) AS m
    JOIN pg_class c ON c.oid = m AND c.relkind IN ('r', 'p')
    LEFT JOIN opsadmin.protected_child p ON p.relation = m
    -- A child that was protected by itself before it got its parent stays so.
    WHERE m = target OR NOT EXISTS (SELECT FROM opsadmin.protected_table o JOIN opsadmin.target t ON t.id = o.target_id WHERE t.relation = m)
  LOOP
    table_name := opsadmin_private.qualified_name(member.relation);
    IF NOT member.had_row_security THEN
      EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', table_name);
    END IF;
    IF NOT member.had_force THEN
      EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', table_name);
    END IF;
    IF NOT was.had_default THEN
      -- The column may have another name by now, be gone, or have a default of the company's own.
      FOR own_default IN SELECT a.attname FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                         WHERE d.adrelid = member.relation AND opsadmin_private.is_tenant_default(pg_get_expr(d.adbin, d.adrelid)) LOOP
        EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I DROP DEFAULT', table_name, own_default);
      END LOOP;
    END IF;
    FOR policy IN SELECT opsadmin_private.own_policies(member.relation) LOOP
      EXECUTE format('DROP POLICY %I ON %s', policy, table_name);
    END LOOP;
    DELETE FROM opsadmin.protected_child p WHERE p.relation = member.relation;
  END LOOP;
  DELETE FROM opsadmin.protected_table p WHERE p.target_id = was.target_id;
  -- What belongs to another protected table, too, is covered by that from now on: a partition that was protected by
  -- itself by its parent, the children of a child that stays protected by that child.
  PERFORM opsadmin.protect_children(other.root)
  FROM (SELECT DISTINCT opsadmin_private.protected_root(m) AS root FROM opsadmin_private.tree_members(target) AS m) AS other WHERE other.root IS NOT NULL;
  PERFORM opsadmin_private.renew_audit(target);
END
$$;
COMMENT ON FUNCTION opsadmin.unprotect IS 'Takes the protection of a table and its children away and restores what was there';
REVOKE ALL ON FUNCTION opsadmin.unprotect FROM PUBLIC;
