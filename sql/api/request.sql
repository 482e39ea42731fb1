-- Records the gateway's requests and lists them.

-- Records a request that was answered. Who it was and in which tenant follows from the session, as in begin_request():
-- one that is not known makes it nobody's. Of nobody's at most 60 a minute from one address are kept (of IPv6, from one
-- network of 64 bits) and 3,000 in all, because everybody can make them; of a person's 600.
-- OA420 for what is missing or out of range.
CREATE OR REPLACE FUNCTION opsadmin.record_request(session_token text, tenant text, ip inet, method text, path text, request_id text,
  action text, status integer, code text, milliseconds numeric) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  site_name text := opsadmin_private.login_site();
  found_session record;
  found_tenant bigint;
BEGIN
  IF method IS NULL OR path IS NULL OR request_id IS NULL OR action IS NULL OR coalesce(status, 0) NOT BETWEEN 100 AND 599 OR coalesce(milliseconds, -1) NOT BETWEEN 0 AND 1e9 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'a part of the request is missing or out of range', HINT = 'Give its method, path, id, action, status and duration.';
  END IF;
  SELECT s.actor_id, s.tenant_id, a.display_name INTO found_session
  FROM opsadmin.secret s JOIN opsadmin.actor a ON a.id = s.actor_id
  WHERE s.hash = sha256(convert_to(session_token, 'UTF8')) AND s.purpose = 'session' AND s.site = site_name
    AND s.expires_at > now() AND s.last_seen_at > now() - interval '8 hours' AND a.disabled_at IS NULL;
  IF found_session.actor_id IS NULL THEN
    IF (SELECT count(*) >= 3000 OR count(*) FILTER (WHERE opsadmin_private.neighbourhood(r.ip) IS NOT DISTINCT FROM opsadmin_private.neighbourhood(record_request.ip)) >= 60
        FROM opsadmin.request r WHERE r.actor_id IS NULL AND r.created_at > now() - interval '1 minute') THEN
      RETURN;
    END IF;
  ELSIF (SELECT count(*) FROM opsadmin.request r WHERE r.actor_id = found_session.actor_id AND r.created_at > now() - interval '1 minute') >= 600 THEN
    RETURN;
  ELSIF site_name = 'internal' THEN
    found_tenant := found_session.tenant_id;
  ELSE
    SELECT CASE WHEN tenant IS NOT NULL THEN max(b.tenant_id) FILTER (WHERE t.slug = record_request.tenant)
                WHEN bool_or(b.tenant_id = found_session.tenant_id) THEN found_session.tenant_id
                WHEN min(b.tenant_id) = max(b.tenant_id) THEN min(b.tenant_id) END INTO found_tenant
    FROM opsadmin.role_binding b JOIN opsadmin.tenant t ON t.id = b.tenant_id WHERE b.actor_id = found_session.actor_id AND b.site = 'partner';
  END IF;
  INSERT INTO opsadmin.request (tenant_id, site, actor_id, actor_name, ip, method, path, request_id, action, status, code, milliseconds)
  VALUES (coalesce(found_tenant, 0), site_name, found_session.actor_id, found_session.display_name, record_request.ip, left(method, 15), left(path, 511),
          left(request_id, 63), left(action, 64), status, left(code, 5), milliseconds);
END
$$;
COMMENT ON FUNCTION opsadmin.record_request IS 'Records a request that was answered; for the gateway''s logins, in a transaction of its own';
REVOKE ALL ON FUNCTION opsadmin.record_request FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.record_request TO opsadmin_internal_login, opsadmin_partner_login;

-- list_requests(filter, cursor, page_size): requests, newest first, as {"rows":[…],"next":…}. filter may hold
-- request_id, action and actor (part of the name). Partners see their tenant's; staff's are "support" there, from
-- nowhere. Needs audit:read.
CREATE OR REPLACE FUNCTION opsadmin.list_requests(filter jsonb DEFAULT NULL, cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  size integer := opsadmin_private.page_size(page_size);
  own_tenant bigint := opsadmin.current_tenant();
  is_partner boolean := opsadmin.current_site() = 'partner';
  list text := 'requests' || coalesce(filter, '{}')::text || coalesce(own_tenant::text, '*');
  before_id text := opsadmin_private.read_cursor(list, cursor) ->> 0;
  conditions text;
  answer json;
BEGIN
  PERFORM opsadmin_private.require_permission('audit:read');
  IF jsonb_typeof(filter) <> 'object' OR filter - '{request_id,action,actor}'::text[] <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the filter holds something else than request_id, action and actor', COLUMN = '/filter',
      HINT = 'For example {"action":"run_action","actor":"Kim"}.';
  END IF;
  -- Whoever has the role can sign a payload.
  IF cursor IS NOT NULL AND coalesce(before_id, '') !~ '^[0-9]{1,18}$' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA424', MESSAGE = 'the cursor does not belong to this list', COLUMN = '/cursor',
      HINT = 'Use "next" of an answer with the same filter.';
  END IF;
  -- The conditions that are not asked for are not in the statement, so that each finds its index.
  conditions := concat_ws(' AND ', 'r.id < $1', CASE WHEN own_tenant IS NOT NULL THEN 'r.tenant_id = $2' END,
    CASE WHEN filter ->> 'request_id' IS NOT NULL THEN 'r.request_id = $3' END, CASE WHEN filter ->> 'action' IS NOT NULL THEN 'r.action = $4' END,
    CASE WHEN filter ->> 'actor' IS NOT NULL THEN format('position(lower($5) IN lower(%s)) > 0', CASE WHEN is_partner THEN 'CASE r.site WHEN ''internal'' THEN ''support'' ELSE r.actor_name END' ELSE 'r.actor_name' END) END);
  EXECUTE format($query$
    WITH found AS (SELECT r.*, $8 AND r.site = 'internal' AS is_support FROM opsadmin.request r WHERE %s ORDER BY r.id DESC LIMIT $6 + 1), page AS (SELECT * FROM found ORDER BY id DESC LIMIT $6)
    SELECT json_build_object('rows', coalesce((SELECT json_agg(json_build_object(
      'id', p.id::text, 'created_at', p.created_at, 'tenant', (SELECT json_build_object('slug', t.slug, 'name', t.name) FROM opsadmin.tenant t WHERE t.id = p.tenant_id),
      'actor_name', CASE WHEN p.is_support THEN 'support' ELSE p.actor_name END, 'site', p.site, 'ip', CASE WHEN NOT p.is_support THEN host(p.ip) END,
      'method', p.method, 'path', p.path, 'request_id', p.request_id, 'action', p.action, 'status', p.status, 'code', p.code, 'milliseconds', p.milliseconds)
      ORDER BY p.id DESC) FROM page p), '[]'),
      'next', CASE WHEN (SELECT count(*) FROM found) > $6 THEN (SELECT opsadmin_private.make_cursor($7, json_build_array(min(id)::text)::text) FROM page) END)
  $query$, conditions)
  INTO answer USING coalesce(before_id::bigint, 9223372036854775807), own_tenant, filter ->> 'request_id', filter ->> 'action', filter ->> 'actor', size, list, is_partner;
  RETURN answer;
END
$$;
COMMENT ON FUNCTION opsadmin.list_requests IS 'Requests that the actor may see, newest first, as json; of staff''s, partners do not learn whose';
REVOKE ALL ON FUNCTION opsadmin.list_requests FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_requests TO opsadmin_internal, opsadmin_partner;
