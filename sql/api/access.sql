-- Tenants, actors and roles, as a DBA manages them. Only superusers may call these until a role is granted more.

-- create_tenant(slug, name, time_zone, id, key) returns the tenant's id. OA425 for what does not fit.
CREATE OR REPLACE FUNCTION opsadmin.create_tenant(slug text, name text, time_zone text DEFAULT 'UTC', id bigint DEFAULT NULL, key text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_id bigint;
BEGIN
  IF slug IS NULL OR slug !~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('"%s" is not a slug', slug),
      HINT = 'A slug is part of a host name: lower-case letters, digits and hyphens, at most 63.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = time_zone) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('"%s" is not a time zone', time_zone),
      HINT = 'Use a name of pg_timezone_names, such as Asia/Seoul.';
  END IF;
  IF coalesce(name, '') = '' OR id <= 0 OR octet_length(key) NOT BETWEEN 1 AND 63 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('the tenant "%s" does not fit', slug),
      HINT = 'A name is required; an id is above 0; a key has 1 to 63 bytes.';
  END IF;
  INSERT INTO opsadmin.tenant AS t (id, slug, name, time_zone, key)
  VALUES (coalesce(create_tenant.id, nextval('opsadmin.tenant_id_seq')), create_tenant.slug, create_tenant.name, create_tenant.time_zone, create_tenant.key)
  RETURNING t.id INTO new_id;
  -- Ids that are given must not be given again by the sequence.
  IF create_tenant.id IS NOT NULL THEN
    PERFORM setval('opsadmin.tenant_id_seq', greatest(new_id, (SELECT last_value FROM opsadmin.tenant_id_seq)));
  END IF;
  RETURN new_id;
END
$$;
COMMENT ON FUNCTION opsadmin.create_tenant IS 'Makes a tenant and returns its id';
REVOKE ALL ON FUNCTION opsadmin.create_tenant FROM PUBLIC;

-- create_actor(email, display_name) returns "invitation#<token>": with the site's address in front, the link
-- under which the actor chooses a password, once, within 7 days. An existing actor gets a new link. OA425 for an
-- address that is none.
CREATE OR REPLACE FUNCTION opsadmin.create_actor(email text, display_name text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  found_id bigint;
  token text := opsadmin_private.random_token();
BEGIN
  IF create_actor.email IS NULL OR create_actor.email !~ '^[^@[:space:]]+@[^@[:space:]]+$' OR octet_length(create_actor.email) > 254
     OR coalesce(create_actor.display_name, '') = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('"%s" is not an e-mail address, or the name is empty', left(create_actor.email, 100)),
      HINT = 'An actor has an address such as kim@example.com and a name to show.';
  END IF;
  INSERT INTO opsadmin.actor AS a (email, display_name) VALUES (create_actor.email, create_actor.display_name)
  ON CONFLICT (lower(email)) DO UPDATE SET display_name = excluded.display_name
  RETURNING a.id INTO found_id;
  DELETE FROM opsadmin.secret s WHERE s.actor_id = found_id AND s.purpose = 'invitation';
  INSERT INTO opsadmin.secret (hash, purpose, actor_id, expires_at)
  VALUES (sha256(convert_to(token, 'UTF8')), 'invitation', found_id, now() + interval '7 days');
  RETURN 'invitation#' || token;
END
$$;
COMMENT ON FUNCTION opsadmin.create_actor IS 'Makes an actor and returns a single-use link, relative to the site''s address, to choose a password';
REVOKE ALL ON FUNCTION opsadmin.create_actor FROM PUBLIC;

-- Makes a role or changes its permissions; OA425 for a name, site or permission that does not fit.
CREATE OR REPLACE FUNCTION opsadmin.define_role(name text, site text, permissions text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wrong text;
BEGIN
  PERFORM opsadmin_private.require_name(name, 'a role');
  SELECT p INTO wrong FROM unnest(permissions) AS p WHERE p IS NULL OR p !~ E'^(\\*|(\\*|[a-z][a-z0-9_]*):(read|create|update|delete|run)|members:manage)$' LIMIT 1;
  IF FOUND OR site IS NULL OR site NOT IN ('internal', 'partner') OR permissions IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('the role does not fit: site "%s", permission "%s"', site, wrong),
      HINT = 'A site is internal or partner; a permission is like product:read, discount:run, *:read or *.';
  END IF;
  IF EXISTS (SELECT FROM opsadmin.access_role r WHERE r.name = define_role.name AND (r.built_in OR r.site <> define_role.site)) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('role "%s" is built in or belongs to the other site', name), HINT = 'Choose another name.';
  END IF;
  INSERT INTO opsadmin.access_role (name, site, permissions) VALUES (define_role.name, define_role.site, define_role.permissions)
  ON CONFLICT ON CONSTRAINT access_role_pkey DO UPDATE SET permissions = excluded.permissions;
END
$$;
COMMENT ON FUNCTION opsadmin.define_role IS 'Makes a role of a site, or changes its permissions';
REVOKE ALL ON FUNCTION opsadmin.define_role FROM PUBLIC;

-- Drops a role that nobody has; OA409 when it does not exist, 23503 while somebody has it.
CREATE OR REPLACE FUNCTION opsadmin.drop_role(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM opsadmin.access_role r WHERE r.name = drop_role.name AND NOT r.built_in;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA409', MESSAGE = format('role "%s" does not exist, or is built in', name),
      HINT = 'See opsadmin.access_role.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.drop_role IS 'Drops a role that nobody has';
REVOKE ALL ON FUNCTION opsadmin.drop_role FROM PUBLIC;

-- Gives an actor (by e-mail address) a role, for roles of the partner site in a tenant (by slug).
CREATE OR REPLACE FUNCTION opsadmin.grant_role(actor text, role_name text, tenant text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_site text := (SELECT r.site FROM opsadmin.access_role r WHERE r.name = role_name);
BEGIN
  IF found_site IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA409', MESSAGE = format('role "%s" does not exist', role_name),
      HINT = 'See opsadmin.access_role, or make one with opsadmin.define_role().';
  END IF;
  IF (found_site = 'partner') <> (tenant IS NOT NULL) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('role "%s" belongs to the %s site', role_name, found_site),
      HINT = CASE found_site WHEN 'partner' THEN 'Name the tenant.' ELSE 'Leave the tenant away.' END;
  END IF;
  INSERT INTO opsadmin.role_binding (actor_id, role_name, site, tenant_id)
  VALUES (opsadmin_private.actor_id(actor), grant_role.role_name, found_site, CASE WHEN tenant IS NOT NULL THEN opsadmin_private.tenant_id(tenant) END)
  ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION opsadmin.grant_role IS 'Gives an actor a role, for roles of the partner site in a tenant';
REVOKE ALL ON FUNCTION opsadmin.grant_role FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.revoke_role(actor text, role_name text, tenant text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM opsadmin.role_binding b
  WHERE b.actor_id = opsadmin_private.actor_id(actor) AND b.role_name = revoke_role.role_name
    AND b.tenant_id IS NOT DISTINCT FROM CASE WHEN tenant IS NOT NULL THEN opsadmin_private.tenant_id(tenant) END;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA409', MESSAGE = format('actor "%s" does not have the role "%s" here', actor, role_name),
      HINT = 'See opsadmin.role_binding.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.revoke_role IS 'Takes a role from an actor; OA409 when it does not have it';
REVOKE ALL ON FUNCTION opsadmin.revoke_role FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.has_role(actor text, role_name text, tenant text DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM opsadmin.role_binding b JOIN opsadmin.actor a ON a.id = b.actor_id LEFT JOIN opsadmin.tenant t ON t.id = b.tenant_id
    WHERE lower(a.email) = lower($1) AND b.role_name = $2 AND t.slug IS NOT DISTINCT FROM $3)
$$;
COMMENT ON FUNCTION opsadmin.has_role IS 'Tells whether an actor has a role (in a tenant)';
REVOKE ALL ON FUNCTION opsadmin.has_role FROM PUBLIC;
