-- Facts about isolation that the rules of check_isolation() share. They read the catalog and the registry.

-- Whom a right reaches that the gateway's users have: PUBLIC and the roles of the two sites, their names ready for
-- GRANT and REVOKE. A superuser among them is a finding of its own and would drown the others.
CREATE OR REPLACE FUNCTION opsadmin_private.site_grantees() RETURNS TABLE (role oid, role_name text, partner boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 0::oid, 'PUBLIC', true
  UNION ALL
  SELECT r.oid, quote_ident(r.rolname), r.rolname IN ('opsadmin_partner', 'opsadmin_partner_login')
  FROM pg_roles r
  WHERE r.rolname IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login', 'opsadmin_worker') AND NOT r.rolsuper
$$;
COMMENT ON FUNCTION opsadmin_private.site_grantees IS 'PUBLIC and the roles of the two sites, with whether a partner has their rights';
REVOKE ALL ON FUNCTION opsadmin_private.site_grantees FROM PUBLIC;

-- The protected tables with all that inherits from them, partitions included; those without their tenant column are
-- left out, since missing_tenant_column tells of them.
CREATE OR REPLACE FUNCTION opsadmin_private.isolated_relations()
RETURNS TABLE (relation oid, root oid, relation_name text, root_name text, kind "char", tenant_column name, tenant_type text, tenant_number smallint)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE tree AS (
    SELECT t.relation::oid AS relation, t.relation::oid AS root, p.tenant_column, p.tenant_type
    FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id
    UNION
    SELECT i.inhrelid, tree.root, tree.tenant_column, tree.tenant_type FROM tree JOIN pg_inherits i ON i.inhparent = tree.relation
  )
  SELECT DISTINCT ON (c.oid) c.oid, root.oid, format('%I.%I', n.nspname, c.relname), format('%I.%I', root_schema.nspname, root.relname), c.relkind,
         tree.tenant_column, tree.tenant_type, a.attnum
  FROM tree
  JOIN pg_class c ON c.oid = tree.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class root ON root.oid = tree.root JOIN pg_namespace root_schema ON root_schema.oid = root.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = tree.tenant_column AND NOT a.attisdropped
  ORDER BY c.oid, c.oid = root.oid DESC, root.oid
$$;
COMMENT ON FUNCTION opsadmin_private.isolated_relations IS 'The protected tables and their children, with the tenant column';
REVOKE ALL ON FUNCTION opsadmin_private.isolated_relations FROM PUBLIC;

-- The policies of protect() that a protected table or a child lacks or has otherwise.
CREATE OR REPLACE FUNCTION opsadmin_private.policy_faults() RETURNS TABLE (relation oid, policy name, missing boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT i.relation, own.policy, p.oid IS NULL
  FROM opsadmin_private.isolated_relations() AS i
  JOIN pg_attribute a ON a.attrelid = i.relation AND a.attnum = i.tenant_number
  -- The tenant predicate as the server writes it.
  CROSS JOIN LATERAL (SELECT format(CASE WHEN a.atttypid = 'varchar'::regtype THEN '((%I)::text = opsadmin.current_tenant_key_%s())'
                                         ELSE '(%I = opsadmin.current_tenant_key_%s())' END,
                                    i.tenant_column, CASE i.tenant_type WHEN 'integer' THEN 'int4' WHEN 'bigint' THEN 'int8' ELSE i.tenant_type END))
    AS predicate (stored)
  CROSS JOIN LATERAL (VALUES ('opsadmin_partner'::name, true, 'opsadmin_partner'::name, predicate.stored), ('opsadmin_partner_floor', false, 'opsadmin_partner', predicate.stored),
                             ('opsadmin_internal', true, 'opsadmin_internal', 'true')) AS own (policy, permissive, role_name, stored)
  LEFT JOIN pg_policy p ON p.polrelid = i.relation AND p.polname = own.policy
  LEFT JOIN pg_roles r ON r.rolname = own.role_name
  WHERE i.kind <> 'f'
    AND (p.oid IS NULL OR p.polpermissive <> own.permissive OR p.polcmd <> '*' OR p.polroles IS DISTINCT FROM ARRAY[r.oid]
         OR pg_get_expr(p.polqual, p.polrelid) IS DISTINCT FROM own.stored
         OR pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) IS DISTINCT FROM own.stored)
$$;
COMMENT ON FUNCTION opsadmin_private.policy_faults IS 'The policies of protect() that a protected table or a child lacks or has otherwise';
REVOKE ALL ON FUNCTION opsadmin_private.policy_faults FROM PUBLIC;

-- The relations of the company that a partner may read or write, with those who were granted it. What a view reads
-- with its owner's rights is reached through that view, whatever was granted on it.
CREATE OR REPLACE FUNCTION opsadmin_private.reachable_relations()
RETURNS TABLE (relation oid, relation_name text, kind "char", definer_view boolean, grantees text, through text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE company AS (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind, c.relacl, n.nspacl,
           c.relkind = 'v' AND NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'security_invoker'), false) AS definer
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private') AND n.nspname !~ '^pg_t(oast|emp)'
  ), partner AS MATERIALIZED (
    SELECT g.role, g.role_name FROM opsadmin_private.site_grantees() AS g WHERE g.partner
  ), granted AS (
    SELECT acl.relation, string_agg(DISTINCT partner.role_name, ', ') AS grantees
    FROM (SELECT c.oid AS relation, c.relacl AS acl FROM company c
          UNION ALL
          SELECT a.attrelid, a.attacl FROM pg_attribute a JOIN company c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL) AS acl
    CROSS JOIN aclexplode(acl.acl) AS a
    JOIN partner ON partner.role = a.grantee
    WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    GROUP BY acl.relation
  ), reachable AS (
    SELECT c.oid, granted.grantees, NULL::oid AS through
    FROM granted JOIN company c ON c.oid = granted.relation
    WHERE EXISTS (SELECT FROM aclexplode(c.nspacl) AS a JOIN partner ON partner.role = a.grantee WHERE a.privilege_type = 'USAGE')
    UNION
    SELECT d.refobjid, NULL, v.oid
    FROM reachable JOIN company v ON v.oid = reachable.oid AND v.definer
    JOIN pg_rewrite w ON w.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
  )
  SELECT c.oid, c.name, c.relkind, c.definer, reachable.grantees, v.name
  FROM reachable JOIN company c ON c.oid = reachable.oid LEFT JOIN company v ON v.oid = reachable.through
$$;
COMMENT ON FUNCTION opsadmin_private.reachable_relations IS 'The relations of the company that a partner may read or write, also through views with their owner''s rights';
REVOKE ALL ON FUNCTION opsadmin_private.reachable_relations FROM PUBLIC;

-- The SECURITY DEFINER functions of the company that a role of the sites can call, with those who were granted it.
CREATE OR REPLACE FUNCTION opsadmin_private.reachable_definers() RETURNS TABLE (routine oid, grantees text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.oid, string_agg(DISTINCT g.role_name, ', ')
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee
  WHERE p.prosecdef AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private')
    AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS s JOIN opsadmin_private.site_grantees() AS u ON u.role = s.grantee WHERE s.privilege_type = 'USAGE')
  GROUP BY p.oid
$$;
COMMENT ON FUNCTION opsadmin_private.reachable_definers IS 'The SECURITY DEFINER functions of the company that a role of the sites can call';
REVOKE ALL ON FUNCTION opsadmin_private.reachable_definers FROM PUBLIC;

-- Tells whether an expression of the catalog passes a column through a function, a cast by text or a choice, which no
-- index on the column can follow. Nodes are taken away from the inside out; # stands for one that holds a column.
CREATE OR REPLACE FUNCTION opsadmin_private.calls_with_column(expression text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rest text := regexp_replace(expression, E'\\\\.', '', 'g');
BEGIN
  rest := regexp_replace(rest, E'\\{VAR [^{}]*\\}', '#', 'g');
  WHILE rest ~ E'\\{' LOOP
    rest := regexp_replace(rest, E'\\{[^{}#]*\\}', '', 'g');
    IF rest ~ E'\\{(FUNCEXPR|COERCEVIAIO|COALESCE|CASE|MINMAX|NULLIFEXPR)[^{}]*#[^{}]*\\}' THEN
      RETURN true;
    END IF;
    rest := regexp_replace(rest, E'\\{[^{}]*#[^{}]*\\}', '#', 'g');
  END LOOP;
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.calls_with_column IS 'Tells whether an expression of the catalog passes a column through a call';
REVOKE ALL ON FUNCTION opsadmin_private.calls_with_column FROM PUBLIC;

-- The statement that takes a membership away. Since PostgreSQL 16 each grantor's grant stands by itself, and what a
-- member with the ADMIN option has granted on falls with its own.
CREATE OR REPLACE FUNCTION opsadmin_private.revoke_membership(membership pg_auth_members) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('REVOKE %I FROM %I%s%s;', granted.rolname, member.rolname, ' GRANTED BY ' || quote_ident(grantor.rolname), CASE WHEN $1.admin_option THEN ' CASCADE' END)
  FROM pg_roles granted CROSS JOIN pg_roles member
  -- The bootstrap superuser is who revokes when nobody is named.
  LEFT JOIN pg_roles grantor ON grantor.oid = $1.grantor AND grantor.oid <> 10
  WHERE granted.oid = $1.roleid AND member.oid = $1.member
$$;
COMMENT ON FUNCTION opsadmin_private.revoke_membership IS 'The statement that takes a membership away';
REVOKE ALL ON FUNCTION opsadmin_private.revoke_membership FROM PUBLIC;
