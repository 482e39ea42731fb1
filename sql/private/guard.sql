-- What the guard asks of the catalog; extension/pg/guard.cpp reads the statement and calls these as the extension's owner.

-- What a change would take from the isolation or the audit of a table, as a sentence; NULL when nothing. change is one
-- of the words below, object_name the policy, column, constraint, trigger or role that the statement names, parent the
-- table that relation is to inherit from. relation is 0 when the statement is about all that a role has.
CREATE OR REPLACE FUNCTION opsadmin_private.lost_protection(relation oid, change text, object_name name, is_cascade boolean, parent oid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := opsadmin_private.protected_root(relation);
  lost_key text;
BEGIN
  IF change = 'policies' THEN
    RETURN CASE WHEN object_name IN ('opsadmin_internal', 'opsadmin_partner') AND EXISTS (SELECT FROM opsadmin.protected_table)
                THEN format('The policies of protected tables for "%s" go with it.', object_name) END;
  ELSIF change IN ('trigger', 'all triggers') THEN
    RETURN (SELECT format('Trigger "%s" records changes of the table in the audit log.', g.tgname) FROM pg_trigger g
            WHERE g.tgrelid = relation AND g.tgfoid = 'opsadmin.audit_trigger'::regproc AND (change = 'all triggers' OR g.tgname = object_name) ORDER BY g.tgname LIMIT 1);
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

-- Takes every right on protected tables from the site roles: DROP EXTENSION takes the partners' policies along and
-- leaves those of internal staff, with nobody to ask for a context. With an owner, only when opsadmin belongs to it.
CREATE OR REPLACE FUNCTION opsadmin_private.close_tables(owner name DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass;
BEGIN
  FOR relation IN SELECT m FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id CROSS JOIN opsadmin_private.tree_members(t.relation) AS m
                  WHERE owner IS NULL OR owner = (SELECT pg_get_userbyid(e.extowner) FROM pg_extension e WHERE e.extname = 'opsadmin') LOOP
    EXECUTE format('REVOKE ALL ON %s FROM opsadmin_internal, opsadmin_partner', opsadmin_private.qualified_name(relation));
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.close_tables IS 'Takes every right on protected tables from the site roles';
REVOKE ALL ON FUNCTION opsadmin_private.close_tables FROM PUBLIC;
