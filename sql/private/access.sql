-- Looking up actors and tenants, and binding them. All of it runs as the extension's owner. What each request
-- calls is PL/pgSQL, which keeps its plans: a SQL function with a SET clause is planned again at each call.

-- The id of an actor by e-mail address; OA408 when there is none.
CREATE OR REPLACE FUNCTION opsadmin_private.actor_id(email text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_id bigint;
BEGIN
  SELECT a.id INTO found_id FROM opsadmin.actor a WHERE lower(a.email) = lower(actor_id.email);
  IF found_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA408', MESSAGE = format('actor "%s" does not exist', coalesce(email, 'NULL')),
      HINT = 'Actors are named by their e-mail address; opsadmin.create_actor() makes one.';
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.actor_id IS 'The id of an actor by e-mail address; OA408 when there is none';
REVOKE ALL ON FUNCTION opsadmin_private.actor_id FROM PUBLIC;

-- The id of a tenant by slug; OA404 when there is none.
CREATE OR REPLACE FUNCTION opsadmin_private.tenant_id(slug text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_id bigint;
BEGIN
  SELECT t.id INTO found_id FROM opsadmin.tenant t WHERE t.slug = tenant_id.slug;
  IF found_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA404', MESSAGE = format('tenant "%s" does not exist', left(coalesce(slug, 'NULL'), 100)),
      HINT = 'Tenants are named by their slug; opsadmin.create_tenant() makes one.';
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.tenant_id IS 'The id of a tenant by slug; OA404 when there is none';
REVOKE ALL ON FUNCTION opsadmin_private.tenant_id FROM PUBLIC;

-- A view, not a function: it becomes part of the plans of those who read it.
CREATE OR REPLACE VIEW opsadmin_private.actor_permission WITH (security_invoker = true) AS
SELECT b.actor_id, b.site, b.tenant_id, p.permission
FROM opsadmin.role_binding b
JOIN opsadmin.access_role r ON r.name = b.role_name
LEFT JOIN LATERAL unnest(r.permissions) AS p (permission) ON true;
COMMENT ON VIEW opsadmin_private.actor_permission IS 'What the roles of actors permit; a role without permissions has one row without one';

-- The permissions of an actor on a site, for partners in one tenant; an empty array without a role. Every request and every
-- step of a job asks for them.
CREATE OR REPLACE FUNCTION opsadmin_private.permissions(actor_id bigint, site text, tenant_id bigint) RETURNS text[]
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_permissions';
COMMENT ON FUNCTION opsadmin_private.permissions IS 'The permissions of an actor on a site, for partners in one tenant';
REVOKE ALL ON FUNCTION opsadmin_private.permissions FROM PUBLIC;

-- Raises OA412.
CREATE OR REPLACE FUNCTION opsadmin_private.refuse_suspended() RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'OA412', MESSAGE = 'the tenant is suspended',
    HINT = 'Its provider can end the suspension.';
END
$$;
COMMENT ON FUNCTION opsadmin_private.refuse_suspended IS 'Raises OA412: nothing runs for a suspended tenant on the partner site';
REVOKE ALL ON FUNCTION opsadmin_private.refuse_suspended FROM PUBLIC;

-- Binds an actor with its present permissions and those granted besides; NULL as actor_id is system work with the
-- permissions granted alone. OA408 for an actor who is disabled, OA412 on the partner site of a suspended tenant.
CREATE OR REPLACE FUNCTION opsadmin_private.bind_actor(site text, actor_id bigint, tenant_id bigint, granted text[] DEFAULT '{}',
  ip inet DEFAULT NULL, method text DEFAULT NULL, path text DEFAULT NULL, request_id text DEFAULT NULL, reason text DEFAULT NULL,
  job_id bigint DEFAULT NULL, action text DEFAULT NULL, session_id bigint DEFAULT NULL, actor_name text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  person opsadmin.actor;
  found_tenant opsadmin.tenant;
BEGIN
  IF actor_id IS NOT NULL THEN
    SELECT * INTO person FROM opsadmin.actor a WHERE a.id = bind_actor.actor_id AND a.disabled_at IS NULL;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'OA408', MESSAGE = 'the actor does not exist any more, or is disabled',
      HINT = 'Sign in as somebody else.';
    END IF;
    granted := opsadmin_private.permissions(actor_id, site, tenant_id) || granted;
  END IF;
  SELECT * INTO found_tenant FROM opsadmin.tenant t WHERE t.id = bind_actor.tenant_id;
  IF site = 'partner' AND found_tenant.suspended_at IS NOT NULL THEN
    PERFORM opsadmin_private.refuse_suspended();
  END IF;
  PERFORM opsadmin_private.bind_context(site, actor_id, coalesce(person.display_name, actor_name), tenant_id, found_tenant.key, granted, host(ip), method, path,
    request_id, reason, job_id, action, session_id);
END
$$;
COMMENT ON FUNCTION opsadmin_private.bind_actor IS 'Binds an actor with its present permissions and those granted besides; without an actor, system work';
REVOKE ALL ON FUNCTION opsadmin_private.bind_actor FROM PUBLIC;

-- The first half of begin_as(): binds, and returns the role to take on. With a tenant alone the work is
-- the company's own and may do everything in that tenant.
CREATE OR REPLACE FUNCTION opsadmin_private.bind_as(actor text, tenant text, reason text) RETURNS name
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_actor bigint;
  found_tenant bigint;
  found_site text;
BEGIN
  IF actor IS NULL AND tenant IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'neither an actor nor a tenant is given',
      HINT = 'Name an actor by e-mail address, a tenant by slug, or both.';
  END IF;
  IF tenant IS NOT NULL THEN
    found_tenant := opsadmin_private.tenant_id(tenant);
  END IF;
  IF actor IS NULL THEN
    PERFORM opsadmin_private.bind_actor('partner', NULL, found_tenant, '{*}', reason => bind_as.reason);
    RETURN 'opsadmin_partner';
  END IF;
  found_actor := opsadmin_private.actor_id(actor);
  SELECT b.site INTO found_site FROM opsadmin.role_binding b
  WHERE b.actor_id = found_actor AND (b.site = 'internal' OR found_tenant IS NULL OR b.tenant_id = found_tenant)
  ORDER BY b.site LIMIT 1;
  IF found_site IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA403', MESSAGE = format('actor "%s" has no role here', actor),
      HINT = 'Give it one with opsadmin.grant_role(actor, role, tenant).';
  END IF;
  IF found_site = 'partner' AND found_tenant IS NULL THEN
    found_tenant := opsadmin_private.only_tenant(found_actor);
  END IF;
  PERFORM opsadmin_private.bind_actor(found_site, found_actor, found_tenant, reason => bind_as.reason);
  RETURN 'opsadmin_' || found_site;
END
$$;
COMMENT ON FUNCTION opsadmin_private.bind_as IS 'Binds an actor and a tenant for begin_as() and returns the site''s role';
REVOKE ALL ON FUNCTION opsadmin_private.bind_as FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.bind_as TO opsadmin_trusted;

-- The tenant of an actor that belongs to exactly one, NULL otherwise.
CREATE OR REPLACE FUNCTION opsadmin_private.only_tenant(actor_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE WHEN min(b.tenant_id) = max(b.tenant_id) THEN min(b.tenant_id) END
          FROM opsadmin.role_binding b WHERE b.actor_id = only_tenant.actor_id AND b.site = 'partner');
END
$$;
COMMENT ON FUNCTION opsadmin_private.only_tenant IS 'The tenant of an actor that belongs to exactly one, NULL otherwise';
REVOKE ALL ON FUNCTION opsadmin_private.only_tenant FROM PUBLIC;

-- Raises OA403 unless the actor of this transaction has the permission, OA001 without a context, and OA411 for
-- a partner without a tenant, who has no permission at all.
CREATE OR REPLACE FUNCTION opsadmin_private.require_permission(permission text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF opsadmin.can(permission) IS NOT TRUE THEN
    PERFORM opsadmin.current_tenant();
    RAISE EXCEPTION USING ERRCODE = 'OA403', MESSAGE = format('permission "%s" is required', left(coalesce(permission, 'NULL'), 100)),
      HINT = 'Ask an administrator for a role that has it.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_permission IS 'Raises OA403 unless the actor of this transaction has the permission';
REVOKE ALL ON FUNCTION opsadmin_private.require_permission FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.require_permission TO opsadmin_internal, opsadmin_partner;

-- What the page needs to know of an actor: json as opsadmin.me() returns it.
CREATE OR REPLACE FUNCTION opsadmin_private.describe_actor(site text, actor_id bigint, tenant_id bigint, session_id bigint) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT json_build_object(
    'actor', (SELECT json_build_object('id', a.id::text, 'email', a.email, 'display_name', a.display_name) FROM opsadmin.actor a WHERE a.id = $2),
    'site', $1,
    'tenant', (SELECT json_build_object('id', t.id::text, 'slug', t.slug, 'name', t.name, 'time_zone', t.time_zone, 'suspended', t.suspended_at IS NOT NULL) FROM opsadmin.tenant t WHERE t.id = $3),
    'tenants', (SELECT coalesce(json_agg(json_build_object('slug', t.slug, 'name', t.name) ORDER BY t.name), '[]')
                FROM (SELECT t.slug, t.name FROM opsadmin.tenant t
                      WHERE $1 = 'internal' OR t.suspended_at IS NULL AND EXISTS (SELECT FROM opsadmin.role_binding b WHERE b.actor_id = $2 AND b.tenant_id = t.id)
                      ORDER BY t.name LIMIT 500) t),
    'permissions', to_json(opsadmin_private.permissions($2, $1, $3)),
    'expires_at', (SELECT s.expires_at FROM opsadmin.secret s WHERE s.id = $4))
$$;
COMMENT ON FUNCTION opsadmin_private.describe_actor IS 'What the page needs to know of an actor, as json';
REVOKE ALL ON FUNCTION opsadmin_private.describe_actor FROM PUBLIC;
