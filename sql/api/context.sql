-- The context of a transaction: readers for policies and defaults, and begin_as() to enter one by hand.
-- The readers are C, without a SET clause, and are called bare in policies so that indexes are used.

CREATE OR REPLACE FUNCTION opsadmin.current_tenant() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_tenant';
COMMENT ON FUNCTION opsadmin.current_tenant IS 'The id of the tenant of this transaction; NULL for internal staff without one. OA001 without a context, OA411 when a partner has chosen none';
REVOKE ALL ON FUNCTION opsadmin.current_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_tenant TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.current_tenant_key_int4() RETURNS integer
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_tenant_key_int4';
COMMENT ON FUNCTION opsadmin.current_tenant_key_int4 IS 'The tenant as integer columns hold it; for policies and defaults';
REVOKE ALL ON FUNCTION opsadmin.current_tenant_key_int4 FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_tenant_key_int4 TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.current_tenant_key_int8() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_tenant_key_int8';
COMMENT ON FUNCTION opsadmin.current_tenant_key_int8 IS 'The tenant as bigint columns hold it; for policies and defaults';
REVOKE ALL ON FUNCTION opsadmin.current_tenant_key_int8 FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_tenant_key_int8 TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.current_tenant_key_uuid() RETURNS uuid
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_tenant_key_uuid';
COMMENT ON FUNCTION opsadmin.current_tenant_key_uuid IS 'The tenant as uuid columns hold it; for policies and defaults';
REVOKE ALL ON FUNCTION opsadmin.current_tenant_key_uuid FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_tenant_key_uuid TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.current_tenant_key_text() RETURNS text
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_tenant_key_text';
COMMENT ON FUNCTION opsadmin.current_tenant_key_text IS 'The tenant as text columns hold it; for policies and defaults';
REVOKE ALL ON FUNCTION opsadmin.current_tenant_key_text FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_tenant_key_text TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.current_actor() RETURNS bigint
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_actor';
COMMENT ON FUNCTION opsadmin.current_actor IS 'The id of the actor of this transaction; NULL for system work. OA001 without a context';
REVOKE ALL ON FUNCTION opsadmin.current_actor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_actor TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.current_site() RETURNS text
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_site';
COMMENT ON FUNCTION opsadmin.current_site IS 'internal or partner. OA001 without a context';
REVOKE ALL ON FUNCTION opsadmin.current_site FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.current_site TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.context() RETURNS jsonb
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_context';
COMMENT ON FUNCTION opsadmin.context IS 'Everything that is bound to this transaction. OA001 without a context';
REVOKE ALL ON FUNCTION opsadmin.context FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.context TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

CREATE OR REPLACE FUNCTION opsadmin.can(permission text) RETURNS boolean
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_can';
COMMENT ON FUNCTION opsadmin.can IS 'Tells whether the actor of this transaction has a permission, such as product:read. OA001 without a context';
REVOKE ALL ON FUNCTION opsadmin.can FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.can TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

-- SECURITY INVOKER, since a definer function may not change the role; what it may bind is decided by the
-- EXECUTE right, which opsadmin_trusted alone has.
CREATE OR REPLACE FUNCTION opsadmin.begin_as(actor text DEFAULT NULL, tenant text DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('SET LOCAL ROLE %I', opsadmin_private.bind_as(actor, tenant, reason));
END
$$;
COMMENT ON FUNCTION opsadmin.begin_as IS
  'Binds an actor (by e-mail address) and a tenant (by slug) to this transaction and takes on the site''s role until its end. With a tenant alone: the tenant''s rows with every permission';
REVOKE ALL ON FUNCTION opsadmin.begin_as FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.begin_as TO opsadmin_trusted;

