-- Tickets: how an application with its own sign-in binds a context without being trusted with every tenant; and
-- the key that signs them.

-- Binds the context that a ticket names; for the gateway's two logins, right after BEGIN, the site being the
-- login's. OA015, always the same, for whatever is wrong with the ticket (the server's log has the reason);
-- OA002 before the ticket is used up.
CREATE OR REPLACE FUNCTION opsadmin.begin_with_ticket(ticket text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  site_name text := opsadmin_private.login_site();
  claims record;
  found_tenant opsadmin.tenant;
  person opsadmin.actor;
BEGIN
  PERFORM opsadmin_private.require_unbound(), opsadmin_private.require_fresh_snapshot();
  claims := opsadmin_private.redeem_ticket(ticket, site_name);
  IF claims.tenant IS NOT NULL THEN
    SELECT * INTO found_tenant FROM opsadmin.tenant t WHERE t.slug = claims.tenant;
    IF NOT FOUND THEN
      PERFORM opsadmin_private.refuse_ticket('its tenant does not exist');
    END IF;
  END IF;
  IF site_name = 'partner' AND found_tenant.suspended_at IS NOT NULL THEN
    PERFORM opsadmin_private.refuse_ticket('its tenant is suspended');
  END IF;
  IF claims.subject IS NULL THEN
    IF site_name = 'partner' AND claims.tenant IS NULL THEN
      PERFORM opsadmin_private.refuse_ticket('it names no tenant');
    END IF;
    PERFORM opsadmin_private.bind_context(site_name, NULL, claims.name, found_tenant.id, found_tenant.key, coalesce(claims.permissions, '{*}'), claims.ip,
      claims.method, claims.path, claims.request_id, claims.reason, NULL, NULL, NULL);
    RETURN;
  END IF;

  SELECT * INTO person FROM opsadmin.actor a WHERE lower(a.email) = lower(claims.subject) AND a.disabled_at IS NULL;
  IF NOT FOUND THEN
    PERFORM opsadmin_private.refuse_ticket('its sub is no actor');
  END IF;
  IF site_name = 'partner' AND claims.tenant IS NULL THEN
    SELECT * INTO found_tenant FROM opsadmin.tenant t WHERE t.id = opsadmin_private.only_tenant(person.id) AND t.suspended_at IS NULL;
  END IF;
  PERFORM opsadmin_private.bind_context(site_name, person.id, person.display_name, found_tenant.id, found_tenant.key, array_agg(p.permission), claims.ip,
    claims.method, claims.path, claims.request_id, claims.reason, NULL, NULL, NULL)
  FROM opsadmin_private.actor_permission p
  WHERE p.actor_id = person.id AND p.site = site_name AND (p.site = 'internal' OR p.tenant_id = found_tenant.id)
  HAVING count(*) > 0;
  IF NOT FOUND THEN
    PERFORM opsadmin_private.refuse_ticket('its sub has no role here, its tenant is suspended, or it has several of which none is named');
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.begin_with_ticket IS
  'Binds the context that a signed ticket names, once; for the gateway''s logins, right after BEGIN. OA015 when the ticket is not valid';
REVOKE ALL ON FUNCTION opsadmin.begin_with_ticket FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.begin_with_ticket TO opsadmin_internal_login, opsadmin_partner_login;

CREATE OR REPLACE FUNCTION opsadmin.ticket_key(OUT kid text, OUT secret text)
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_ticket_key';
COMMENT ON FUNCTION opsadmin.ticket_key IS
  'The key with which an application signs tickets: its id and, in base64url, its 32 bytes. For superusers';
REVOKE ALL ON FUNCTION opsadmin.ticket_key FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.rotate_key() RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_rotate_key';
COMMENT ON FUNCTION opsadmin.rotate_key IS
  'Makes a new signing key and returns its id; what the old one signed is good until the next rotation. OA004 when the file cannot be written. For superusers';
REVOKE ALL ON FUNCTION opsadmin.rotate_key FROM PUBLIC;
