-- What the gateway calls: signing in and out, beginning a request, and who am I. Passwords and tokens
-- arrive as bind parameters only, and are stored as hashes only.

-- Signs in with e-mail address and password. Never raises for wrong ones: outcome is ok, invalid or
-- throttled (retry_after seconds), and attempts are recorded, throttled ones once a minute.
CREATE OR REPLACE FUNCTION opsadmin.sign_in(email text, password text, ip inet DEFAULT NULL,
  OUT outcome text, OUT session_token text, OUT expires_at timestamptz, OUT retry_after integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  site_name text := opsadmin_private.login_site();
  person opsadmin.actor;
  near inet := opsadmin_private.neighbourhood(ip);
  failures bigint;
  correct boolean;
BEGIN
  email := left(coalesce(email, ''), 254);
  -- Ten wrong passwords for one person from one address, or fifty for one person or from one address: somebody
  -- else's guessing does not soon lock a person out. Of IPv6, a network of 64 bits is one address.
  SELECT greatest(5 * count(*) FILTER (WHERE lower(e.email) = lower(sign_in.email) AND opsadmin_private.neighbourhood(e.ip) IS NOT DISTINCT FROM near),
                  count(*) FILTER (WHERE lower(e.email) = lower(sign_in.email)), count(*) FILTER (WHERE opsadmin_private.neighbourhood(e.ip) = near))
  FROM opsadmin.sign_in_event e
  WHERE (lower(e.email) = lower(sign_in.email) OR opsadmin_private.neighbourhood(e.ip) = near) AND e.outcome = 'invalid' AND e.created_at > now() - interval '15 minutes'
  INTO failures;
  -- A rolled-back attempt leaves no row, but counts.
  failures := greatest(failures, opsadmin_private.count_attempt(lower(email)) - 1);
  SELECT * INTO person FROM opsadmin.actor a
  WHERE lower(a.email) = lower(sign_in.email) AND a.disabled_at IS NULL
    AND EXISTS (SELECT FROM opsadmin.role_binding b WHERE b.actor_id = a.id AND b.site = site_name);
  IF failures >= 50 THEN
    outcome := 'throttled';
    retry_after := 60;
  ELSE
    -- An unknown actor costs the same time as a wrong password.
    correct := opsadmin_private.verify_password(coalesce(password, ''), coalesce(person.password_hash,
      '$argon2id$v=19$m=19456,t=2,p=1$b3BzYWRtaW5vcHNhZG1pbg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'));
    IF correct AND person.password_hash IS NOT NULL THEN
      outcome := 'ok';
      PERFORM opsadmin_private.forget_attempts(lower(email));
      session_token := opsadmin_private.random_token();
      expires_at := now() + interval '24 hours';
      INSERT INTO opsadmin.secret (hash, purpose, actor_id, site, ip, expires_at)
      VALUES (sha256(convert_to(session_token, 'UTF8')), 'session', person.id, site_name, sign_in.ip, sign_in.expires_at);
    ELSE
      outcome := 'invalid';
    END IF;
  END IF;
  -- Guessing must not fill the table: of those that are turned away one a minute and person is noted; for addresses of nobody,
  -- where there is nothing to guess, one a minute and IP address, and a hundred attempts a minute in all.
  INSERT INTO opsadmin.sign_in_event (email, actor_id, site, ip, outcome)
  SELECT sign_in.email, person.id, site_name, sign_in.ip, sign_in.outcome
  WHERE (sign_in.outcome <> 'throttled' OR NOT EXISTS (
      SELECT FROM opsadmin.sign_in_event e WHERE e.created_at > now() - interval '1 minute' AND e.outcome = 'throttled'
        AND CASE WHEN person.id IS NULL THEN opsadmin_private.neighbourhood(e.ip) IS NOT DISTINCT FROM near ELSE lower(e.email) = lower(sign_in.email) END))
    AND (person.id IS NOT NULL
         OR (SELECT count(*) FROM (SELECT FROM opsadmin.sign_in_event e WHERE e.created_at > now() - interval '1 minute' AND e.actor_id IS NULL LIMIT 100) AS n) < 100);
END
$$;
COMMENT ON FUNCTION opsadmin.sign_in IS 'Signs an actor in on the site of the gateway''s login; outcome is ok, invalid or throttled';
REVOKE ALL ON FUNCTION opsadmin.sign_in FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.sign_in TO opsadmin_internal_login, opsadmin_partner_login;

CREATE OR REPLACE FUNCTION opsadmin.sign_out(session_token text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM opsadmin.secret s WHERE s.hash = sha256(convert_to($1, 'UTF8')) AND s.purpose = 'session'
$$;
COMMENT ON FUNCTION opsadmin.sign_out IS 'Ends a session; an unknown one is no error';
REVOKE ALL ON FUNCTION opsadmin.sign_out FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.sign_out TO opsadmin_internal_login, opsadmin_partner_login;

-- Notes that a session is in use; the gateway calls it after an answer, at most once in some minutes.
CREATE OR REPLACE FUNCTION opsadmin.touch_session(session_token text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE opsadmin.secret s SET last_seen_at = now()
  WHERE s.hash = sha256(convert_to($1, 'UTF8')) AND s.purpose = 'session' AND s.expires_at > now() AND s.last_seen_at > now() - interval '8 hours'
$$;
COMMENT ON FUNCTION opsadmin.touch_session IS 'Notes that a session is in use, so that it does not end after 8 idle hours';
REVOKE ALL ON FUNCTION opsadmin.touch_session FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.touch_session TO opsadmin_internal_login, opsadmin_partner_login;

-- Chooses the password of an invitation, once; OA013 when it is unknown, used or expired, OA014 for a bad password.
CREATE OR REPLACE FUNCTION opsadmin.accept_invitation(token text, password text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  invited bigint;
BEGIN
  DELETE FROM opsadmin.secret s
  WHERE s.hash = sha256(convert_to(token, 'UTF8')) AND s.purpose = 'invitation' AND s.expires_at > now()
  RETURNING s.actor_id INTO invited;
  IF invited IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA013', MESSAGE = 'the invitation is unknown, used or has expired', HINT = 'Ask for a new one.';
  END IF;
  UPDATE opsadmin.actor a SET password_hash = opsadmin_private.hash_password(coalesce(accept_invitation.password, '')) WHERE a.id = invited;
  DELETE FROM opsadmin.secret s WHERE s.actor_id = invited AND s.purpose = 'session';
END
$$;
COMMENT ON FUNCTION opsadmin.accept_invitation IS 'Chooses the password of an invitation, once, and ends the actor''s sessions';
REVOKE ALL ON FUNCTION opsadmin.accept_invitation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.accept_invitation TO opsadmin_internal_login, opsadmin_partner_login;

-- Binds the context of a request from its session. OA010: unknown or expired session, or an actor who has lost
-- every role. OA404: a tenant that does not exist or is not the actor's (the same answer for both). OA412: a partner's
-- tenant is suspended, the one that is named or all that there are. A partner without a named tenant gets the session's
-- choice or its only one; with neither, nothing that needs a tenant works (OA411). Each request calls it: it reads by
-- indexes and without SQL, and so needs nobody's rights.
CREATE OR REPLACE FUNCTION opsadmin.begin_request(session_token text, tenant text DEFAULT NULL, ip inet DEFAULT NULL,
  method text DEFAULT NULL, path text DEFAULT NULL, request_id text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_begin_request';
COMMENT ON FUNCTION opsadmin.begin_request IS 'Binds the context of a request from its session; for the gateway''s logins, right after BEGIN';
REVOKE ALL ON FUNCTION opsadmin.begin_request FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.begin_request TO opsadmin_internal_login, opsadmin_partner_login;

CREATE OR REPLACE FUNCTION opsadmin.me() RETURNS json
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.describe_actor(opsadmin.current_site(), opsadmin.current_actor(),
    (opsadmin.context() ->> 'tenant_id')::bigint, opsadmin_private.current_session())
$$;
COMMENT ON FUNCTION opsadmin.me IS 'Who acts here: actor, site, tenant, the tenants to choose from, permissions';
REVOKE ALL ON FUNCTION opsadmin.me FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.me TO opsadmin_internal, opsadmin_partner;

-- Chooses the tenant of the session from its next request on; NULL ends the choice. Internal staff must
-- give a reason, which every audit entry of the session then carries. Returns me() of the next request.
CREATE OR REPLACE FUNCTION opsadmin.choose_tenant(tenant text, reason text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  chosen bigint;
  session_id bigint := opsadmin_private.current_session();
BEGIN
  IF session_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA010', MESSAGE = 'there is no web session here', HINT = 'In psql name the tenant in opsadmin.begin_as().';
  END IF;
  IF tenant IS NOT NULL THEN
    SELECT t.id INTO chosen FROM opsadmin.tenant t
    WHERE t.slug = choose_tenant.tenant
      AND (opsadmin.current_site() = 'internal' OR EXISTS (SELECT FROM opsadmin.role_binding b WHERE b.actor_id = opsadmin.current_actor() AND b.tenant_id = t.id));
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'OA404', MESSAGE = format('tenant "%s" does not exist', left(tenant, 100)), COLUMN = '/tenant',
      HINT = 'opsadmin.me() names the tenants to choose from.';
    END IF;
    IF opsadmin.current_site() = 'partner' AND EXISTS (SELECT FROM opsadmin.tenant t WHERE t.id = chosen AND t.suspended_at IS NOT NULL) THEN
      PERFORM opsadmin_private.refuse_suspended();
    ELSIF opsadmin.current_site() = 'internal' AND coalesce(btrim(reason), '') = '' THEN
      RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'a reason is required to act in a tenant', COLUMN = '/reason',
        HINT = 'It is kept in the audit log.';
    END IF;
  END IF;
  UPDATE opsadmin.secret s SET tenant_id = chosen, reason = CASE WHEN chosen IS NOT NULL THEN left(choose_tenant.reason, 200) END WHERE s.id = session_id;
  RETURN opsadmin_private.describe_actor(opsadmin.current_site(), opsadmin.current_actor(), chosen, session_id);
END
$$;
COMMENT ON FUNCTION opsadmin.choose_tenant IS 'Chooses the tenant of the web session, for staff with a reason';
REVOKE ALL ON FUNCTION opsadmin.choose_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.choose_tenant TO opsadmin_internal, opsadmin_partner;
