-- What the guard asks of the catalog; extension/pg/guard.cpp reads the statement and calls these as the extension's owner.

-- What a change would take from the isolation or the audit of a table, as a sentence; NULL when nothing. change is one
-- of the words below, object_name the policy, column, constraint, trigger (none: all) or role that the statement names, parent the
-- table that relation is to inherit from, or not to any more. relation is 0 when the statement is about all that a role has.
CREATE OR REPLACE FUNCTION opsadmin_private.lost_protection(relation oid, change text, object_name name, is_cascade boolean, parent oid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := opsadmin_private.protected_root(relation);
  lost_key text;
BEGIN
  IF change = 'policies' THEN
    RETURN CASE WHEN object_name IN ('opsadmin_internal', 'opsadmin_partner') AND EXISTS (SELECT FROM opsadmin.protected_table)
                THEN format('The policies of protected tables for "%s" go with it.', object_name) END;
  ELSIF change IN ('trigger', 'trigger of every session') THEN
    RETURN (SELECT format('Trigger "%s" records changes of the table in the audit log.', g.tgname) FROM pg_trigger g
            WHERE g.tgrelid = relation AND g.tgfoid = 'opsadmin.audit_trigger'::regproc AND object_name IN ('', g.tgname)
              AND (change = 'trigger' OR g.tgenabled = 'A') ORDER BY g.tgname LIMIT 1);
  ELSIF change = 'values' THEN
    RETURN CASE WHEN opsadmin_private.audited_root(relation) IS NOT NULL THEN 'USING gives rows other values without an entry in the audit log.' END;
  ELSIF change = 'rows' THEN
    RETURN CASE WHEN opsadmin_private.audited_root(parent) IS NOT NULL AND opsadmin_private.has_rows(relation)
                THEN format('The rows of "%s" come or go without entries in the audit log.', relation::regclass) END;
  ELSIF change IN ('key', 'column of the key') THEN
    RETURN CASE WHEN opsadmin_private.audited_root(relation) IS NOT NULL AND object_name IN (
      SELECT CASE change WHEN 'key' THEN c.conname ELSE a.attname END
      FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) WHERE c.conrelid = relation AND c.contype = 'p')
      THEN 'The primary key names the rows in the audit log.' END;
  ELSIF root IS NULL THEN
    RETURN NULL;
  ELSIF change = 'row security' THEN
    RETURN 'Row-level security keeps the tenants apart.';
  ELSIF change = 'force' THEN
    RETURN 'Without FORCE the owner of the table is not held by row-level security.';
  ELSIF change = 'policy' THEN
    RETURN CASE WHEN object_name IN (SELECT opsadmin_private.own_policies(relation)) THEN format('Policy "%s" is opsadmin''s.', object_name) END;
  ELSIF change = 'column' THEN
    RETURN CASE WHEN object_name = opsadmin_private.tenant_column_of(relation) THEN format('Column "%s" says which tenant a row belongs to.', object_name) END;
  ELSIF change = 'parent' THEN
    RETURN CASE WHEN opsadmin_private.tenant_column_of(parent) IS DISTINCT FROM opsadmin_private.tenant_column_of(relation)
                THEN format('Whoever reads "%s" reads its rows past its policies.', parent::regclass) END;
  ELSIF change = 'owner' THEN
    RETURN CASE WHEN object_name IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login')
                THEN format('An owner can take the protection away, and "%s" is a role of the sites.', object_name) END;
  ELSE -- a constraint or an index
    SELECT c.conname INTO lost_key
    FROM opsadmin_private.keys_between_tenants(root, opsadmin_private.tenant_column_of(root)) AS k JOIN pg_constraint c ON c.oid = k.key
    WHERE k.safe AND (c.conrelid = relation AND c.conname = object_name AND change = 'constraint'
                      OR is_cascade AND c.confrelid = relation AND c.conindid = (SELECT i.indexrelid FROM pg_index i JOIN pg_class n ON n.oid = i.indexrelid
                                                                                  WHERE i.indrelid = relation AND n.relname = object_name))
    LIMIT 1;
    RETURN 'Foreign key "' || lost_key || '" keeps rows from referring to another tenant''s.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.lost_protection IS 'What a change would take from the isolation or the audit of a table, NULL when nothing';
REVOKE ALL ON FUNCTION opsadmin_private.lost_protection FROM PUBLIC;

-- Tells whether a table or one of its partitions has rows. Only what holds its rows itself is read: anything else could
-- run its owner's code.
CREATE OR REPLACE FUNCTION opsadmin_private.has_rows(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf oid;
  found_row boolean;
BEGIN
  FOR leaf IN SELECT c.oid FROM (SELECT relation AS oid UNION SELECT p.relid FROM pg_partition_tree(relation) AS p) AS m JOIN pg_class c ON c.oid = m.oid WHERE c.relkind = 'r' LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', opsadmin_private.qualified_name(leaf)) INTO found_row;
    IF found_row THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.has_rows IS 'Tells whether a table or one of its partitions has rows';
REVOKE ALL ON FUNCTION opsadmin_private.has_rows FROM PUBLIC;

-- Takes every right on a table from the site roles, with what they have granted on. REVOKE takes what one grantor has
-- granted, the owner when a superuser runs it; so it is run as each. Raises OA452 when a right is left.
CREATE OR REPLACE FUNCTION opsadmin_private.revoke_from_sites(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  table_name text := opsadmin_private.qualified_name(relation);
  statement text := format('REVOKE ALL ON %s FROM opsadmin_internal, opsadmin_partner, opsadmin_internal_login, opsadmin_partner_login CASCADE', table_name);
  -- What a site role has granted goes with what it has.
  tried oid[] := ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login'));
  found_grantor oid;
BEGIN
  -- REVOKE writes the owner's rights down where there were none; what was not granted stays as it was.
  IF NOT EXISTS (SELECT opsadmin_private.grantors_to_sites(relation)) THEN
    RETURN;
  END IF;
  EXECUTE statement;
  LOOP
    SELECT g INTO found_grantor FROM opsadmin_private.grantors_to_sites(relation) AS g WHERE g <> ALL (tried) LIMIT 1;
    EXIT WHEN NOT FOUND;
    tried := tried || found_grantor;
    BEGIN
      PERFORM opsadmin_private.execute_as(found_grantor, statement);
    EXCEPTION WHEN insufficient_privilege THEN
      -- Its grantor cannot take it back; what is left is told below.
    END;
  END LOOP;
  IF EXISTS (SELECT opsadmin_private.grantors_to_sites(relation)) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA452', MESSAGE = format('roles of the sites keep rights on "%s"', relation),
      DETAIL = 'Other roles than the owner have granted them, and cannot revoke them.',
      HINT = (SELECT string_agg(format('REVOKE GRANT OPTION FOR ALL ON %s FROM %s CASCADE;', table_name, g::regrole), ' ') FROM opsadmin_private.grantors_to_sites(relation) AS g);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.revoke_from_sites IS 'Takes every right on a table from the site roles, whoever has granted it';
REVOKE ALL ON FUNCTION opsadmin_private.revoke_from_sites FROM PUBLIC;

-- Those who have granted rights on a table, or on a column of it, to site roles.
CREATE OR REPLACE FUNCTION opsadmin_private.grantors_to_sites(relation regclass) RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT a.grantor
  FROM (SELECT c.relacl FROM pg_class c WHERE c.oid = $1
        UNION ALL
        SELECT t.attacl FROM pg_attribute t WHERE t.attrelid = $1) AS granted (acl)
  CROSS JOIN aclexplode(granted.acl) AS a
  JOIN pg_roles r ON r.oid = a.grantee
  WHERE r.rolname IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login')
$$;
COMMENT ON FUNCTION opsadmin_private.grantors_to_sites IS 'Those who have granted rights on a table to site roles';
REVOKE ALL ON FUNCTION opsadmin_private.grantors_to_sites FROM PUBLIC;

-- Tells whether opsadmin is dropped along with an extension or a language, or with what a role owns: whether one of its
-- objects depends on it, by whatever steps. Dropping a part of an object drops the whole.
CREATE OR REPLACE FUNCTION opsadmin_private.falls_with(kind text, name text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE falling AS (
    (SELECT 'pg_extension'::regclass::oid AS catalog, e.oid AS object FROM pg_extension e WHERE $1 = 'extension' AND e.extname = $2
     UNION ALL
     SELECT 'pg_language'::regclass, l.oid FROM pg_language l WHERE $1 = 'language' AND l.lanname = $2
     UNION ALL
     SELECT s.classid, s.objid FROM pg_shdepend s JOIN pg_roles r ON s.refclassid = 'pg_authid'::regclass AND r.oid = s.refobjid
     WHERE $1 = 'role' AND r.rolname = $2 AND s.deptype = 'o' AND s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    UNION
    SELECT next.* FROM falling f CROSS JOIN LATERAL (
      SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = f.catalog AND d.refobjid = f.object
      UNION ALL
      SELECT d.refclassid, d.refobjid FROM pg_depend d WHERE d.classid = f.catalog AND d.objid = f.object AND d.deptype IN ('e', 'i')) AS next)
  SELECT EXISTS (SELECT FROM falling f JOIN pg_extension e ON f.catalog = 'pg_extension'::regclass AND f.object = e.oid WHERE e.extname = 'opsadmin')
$$;
COMMENT ON FUNCTION opsadmin_private.falls_with IS 'Tells whether opsadmin is dropped along with an extension, a language or what a role owns';
REVOKE ALL ON FUNCTION opsadmin_private.falls_with FROM PUBLIC;

-- Takes every right on protected tables from the site roles: DROP EXTENSION takes the partners' policies along and
-- leaves those of internal staff, with nobody to ask for a context.
CREATE OR REPLACE FUNCTION opsadmin_private.close_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass;
BEGIN
  FOR relation IN SELECT m FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id CROSS JOIN opsadmin_private.tree_members(t.relation) AS m LOOP
    PERFORM opsadmin_private.revoke_from_sites(relation);
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.close_tables IS 'Takes every right on protected tables from the site roles';
REVOKE ALL ON FUNCTION opsadmin_private.close_tables FROM PUBLIC;
