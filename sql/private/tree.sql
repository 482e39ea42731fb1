-- A tree is a partitioned table with its partitions, a table with those that inherit from it, or a plain table alone.
-- What is said of its root in the registry holds for all of it.

-- The tables of a tree, its root included.
CREATE OR REPLACE FUNCTION opsadmin_private.tree_members(target regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE member AS (
    SELECT $1::oid AS relation
    UNION SELECT i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.relation)
  SELECT m.relation::regclass FROM member m
$$;
COMMENT ON FUNCTION opsadmin_private.tree_members IS 'A table with its partitions and the tables that inherit from it';
REVOKE ALL ON FUNCTION opsadmin_private.tree_members FROM PUBLIC;

-- The protected table whose tree a table belongs to, NULL without one.
CREATE OR REPLACE FUNCTION opsadmin_private.protected_root(relation regclass) RETURNS regclass
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE ancestor AS (
    SELECT $1::oid AS relation, 0 AS height
    UNION SELECT i.inhparent, a.height + 1 FROM ancestor a JOIN pg_inherits i ON i.inhrelid = a.relation)
  SELECT t.relation FROM ancestor a JOIN opsadmin.target t ON t.relation = a.relation JOIN opsadmin.protected_table p ON p.target_id = t.id
  ORDER BY a.height DESC, t.id LIMIT 1
$$;
COMMENT ON FUNCTION opsadmin_private.protected_root IS 'The protected table that a table is, is a partition of or inherits from';
REVOKE ALL ON FUNCTION opsadmin_private.protected_root FROM PUBLIC;

-- The tenant column of a protected table or a child of one, NULL of others: the one that the policies are about, since
-- it may have another name than when it was registered.
CREATE OR REPLACE FUNCTION opsadmin_private.tenant_column_of(relation regclass) RETURNS name
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := opsadmin_private.protected_root(relation);
BEGIN
  RETURN coalesce(
    (SELECT a.attname FROM pg_policy p
     JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
     JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attnum = d.refobjsubid
     WHERE p.polrelid = root AND p.polname = 'opsadmin_partner_floor' AND d.refobjsubid > 0 LIMIT 1),
    (SELECT p.tenant_column FROM opsadmin.target t JOIN opsadmin.protected_table p ON p.target_id = t.id WHERE t.relation = root));
END
$$;
COMMENT ON FUNCTION opsadmin_private.tenant_column_of IS 'The tenant column of a protected table or a child of one';
REVOKE ALL ON FUNCTION opsadmin_private.tenant_column_of FROM PUBLIC;

-- Raises OA436 unless the relation is an ordinary table of the company, with or without children.
CREATE OR REPLACE FUNCTION opsadmin_private.require_root(target regclass) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root oid;
  foreign_child regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = target OR i.inhparent = target) AND (SELECT c.relkind FROM pg_class c WHERE c.oid = target) IS DISTINCT FROM 'p' THEN
    PERFORM opsadmin_private.require_plain_table(target);
    RETURN;
  END IF;
  WITH RECURSIVE ancestor AS (
    SELECT target::oid AS relation, 0 AS height
    UNION SELECT i.inhparent, a.height + 1 FROM ancestor a JOIN pg_inherits i ON i.inhrelid = a.relation)
  SELECT a.relation INTO root FROM ancestor a ORDER BY a.height DESC LIMIT 1;
  IF root <> target THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('"%s" is a partition, or inherits from another table', target),
      HINT = format('Name the table on top of it, %s: what is said of it holds for its children.', opsadmin_private.qualified_name(root));
  END IF;
  IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = target AND (c.relkind NOT IN ('r', 'p') OR c.relpersistence = 't'
                                       OR n.nspname IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private'))) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('"%s" is not a table of the company', target),
      DETAIL = 'Views, indexes, foreign and temporary tables and catalogs are not supported.', HINT = 'Name a table, or the table on top of its children.';
  END IF;
  SELECT c.oid INTO foreign_child FROM opsadmin_private.tree_members(target) AS m JOIN pg_class c ON c.oid = m WHERE c.relkind NOT IN ('r', 'p') LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('"%s" is a foreign table', foreign_child),
      DETAIL = format('It is a child of "%s", and row-level security does not reach its rows.', target),
      HINT = 'Detach it first.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_root IS 'Raises OA436 unless the relation is an ordinary table or the root of a tree';
REVOKE ALL ON FUNCTION opsadmin_private.require_root FROM PUBLIC;

-- Raises OA437 when a tree has more than 1 GB.
CREATE OR REPLACE FUNCTION opsadmin_private.require_small_tree(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (SELECT sum(pg_table_size(m)) FROM opsadmin_private.tree_members(target) AS m) > 1024 ^ 3 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA437', MESSAGE = format('table "%s" is larger than 1 GB', target),
      HINT = 'Run the steps of opsadmin.protect_plan() yourself, one by one, at a quiet time.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_small_tree IS 'Raises OA437 when a table and its children have more than 1 GB';
REVOKE ALL ON FUNCTION opsadmin_private.require_small_tree FROM PUBLIC;

-- The policies that protect() has made on a table.
CREATE OR REPLACE FUNCTION opsadmin_private.own_policies(target regclass) RETURNS SETOF name
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.polname FROM pg_policy p
  WHERE p.polrelid = $1 AND p.polname IN ('opsadmin_partner', 'opsadmin_partner_floor', 'opsadmin_internal', 'opsadmin_trusted')
$$;
COMMENT ON FUNCTION opsadmin_private.own_policies IS 'The policies that protect() has made on a table';
REVOKE ALL ON FUNCTION opsadmin_private.own_policies FROM PUBLIC;

-- The steps that put policies and row-level security on one table of a tree. Each leaves a table that is no more open
-- than before: policies that an interrupted plan or a DROP EXTENSION ... CASCADE has left are altered, not dropped.
CREATE OR REPLACE FUNCTION opsadmin_private.policy_steps(relation regclass, tenant_column name, tenant_type text, trusted_roles name[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  table_name text := opsadmin_private.qualified_name(relation);
  predicate text := opsadmin_private.tenant_predicate(tenant_column, tenant_type);
  policy record;
  existing pg_policy;
BEGIN
  FOR policy IN SELECT * FROM (VALUES
      ('opsadmin_partner', true, 'opsadmin_partner', predicate), ('opsadmin_partner_floor', false, 'opsadmin_partner', predicate),
      ('opsadmin_internal', true, 'opsadmin_internal', 'true'),
      ('opsadmin_trusted', true, (SELECT string_agg(quote_ident(r), ', ') FROM unnest(trusted_roles) AS r), 'true')) AS v(name, permissive, roles, condition) LOOP
    SELECT * INTO existing FROM pg_policy p WHERE p.polrelid = relation AND p.polname = policy.name;
    IF FOUND AND policy.roles IS NOT NULL AND existing.polpermissive = policy.permissive AND existing.polcmd = '*' THEN
      RETURN NEXT format('ALTER POLICY %I ON %s TO %s USING (%s) WITH CHECK (%s)', policy.name, table_name, policy.roles, policy.condition, policy.condition);
      CONTINUE;
    ELSIF FOUND THEN
      RETURN NEXT format('DROP POLICY %I ON %s', policy.name, table_name);
    END IF;
    IF policy.roles IS NOT NULL THEN
      RETURN NEXT format('CREATE POLICY %I ON %s AS %s FOR ALL TO %s USING (%s) WITH CHECK (%s)', policy.name, table_name,
                         CASE WHEN policy.permissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, policy.roles, policy.condition, policy.condition);
    END IF;
  END LOOP;
  RETURN NEXT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', table_name);
END
$$;
COMMENT ON FUNCTION opsadmin_private.policy_steps IS 'The steps that put policies and row-level security on one table';
REVOKE ALL ON FUNCTION opsadmin_private.policy_steps FROM PUBLIC;

-- Tells whether row-level security of a table is the company's own, not what opsadmin has left there.
CREATE OR REPLACE FUNCTION opsadmin_private.has_own_row_security(relation regclass, OUT enabled boolean, OUT forced boolean)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leftover boolean := EXISTS (SELECT FROM opsadmin_private.own_policies(relation));
BEGIN
  SELECT c.relrowsecurity AND NOT leftover, c.relforcerowsecurity AND NOT leftover INTO enabled, forced FROM pg_class c WHERE c.oid = relation;
END
$$;
COMMENT ON FUNCTION opsadmin_private.has_own_row_security IS 'Row-level security that the company itself has put on a table';
REVOKE ALL ON FUNCTION opsadmin_private.has_own_row_security FROM PUBLIC;

-- The steps for a child: as for the root, and a note of what unprotect() has to restore.
CREATE OR REPLACE FUNCTION opsadmin_private.child_steps(relation regclass, tenant_column name, tenant_type text, trusted_roles name[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  was record;
BEGIN
  SELECT * INTO was FROM opsadmin_private.has_own_row_security(relation);
  IF was.enabled OR was.forced THEN
    RETURN NEXT format('INSERT INTO opsadmin.protected_child (relation, had_row_security, had_force) VALUES (%L, %L, %L) ON CONFLICT DO NOTHING',
                       opsadmin_private.qualified_name(relation), was.enabled, was.forced);
  END IF;
  RETURN QUERY SELECT opsadmin_private.policy_steps(relation, tenant_column, tenant_type, trusted_roles);
END
$$;
COMMENT ON FUNCTION opsadmin_private.child_steps IS 'The steps that protect a partition, or a table that inherits';
REVOKE ALL ON FUNCTION opsadmin_private.child_steps FROM PUBLIC;

-- The tables of a protected tree on which a policy is missing or row-level security is not on and forced; foreign
-- tables cannot have it, and without the tenant column there is no policy.
CREATE OR REPLACE FUNCTION opsadmin_private.open_children(root regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT m FROM opsadmin.target t
  JOIN opsadmin.protected_table p ON p.target_id = t.id
  CROSS JOIN opsadmin_private.tree_members(t.relation) AS m
  JOIN pg_class c ON c.oid = m
  JOIN pg_attribute a ON a.attrelid = m AND a.attname = opsadmin_private.tenant_column_of($1) AND NOT a.attisdropped
  WHERE t.relation = $1 AND m <> $1 AND c.relkind IN ('r', 'p')
    AND (NOT c.relrowsecurity OR NOT c.relforcerowsecurity
         OR (SELECT count(*) FROM opsadmin_private.own_policies(m)) < CASE WHEN cardinality(p.trusted_roles) > 0 THEN 4 ELSE 3 END)
$$;
COMMENT ON FUNCTION opsadmin_private.open_children IS 'Children of a protected table that are not protected themselves';
REVOKE ALL ON FUNCTION opsadmin_private.open_children FROM PUBLIC;

-- Protects the children that this command has given to protected tables; called by the guard at its end.
CREATE OR REPLACE FUNCTION opsadmin_private.protect_new_children() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin.protect_children(found.root)
  FROM (SELECT DISTINCT opsadmin_private.protected_root(d.objid) AS root FROM pg_event_trigger_ddl_commands() AS d WHERE d.classid = 'pg_class'::regclass) AS found
  WHERE found.root IS NOT NULL;
END
$$;
COMMENT ON FUNCTION opsadmin_private.protect_new_children IS 'Protects the children that a command has given to protected tables';
REVOKE ALL ON FUNCTION opsadmin_private.protect_new_children FROM PUBLIC;
