-- Schemas, cluster-wide roles and the type of a finding. Roles may exist already (another database of
-- the cluster, a restore): they are used only when they cannot do more than opsadmin needs.

-- Names that look sensitive, what is cut, and what the page shows have characters that other encodings lack or write otherwise.
DO $$
BEGIN
  IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = pg_catalog.format('opsadmin needs a database with the encoding UTF8, and this one has %s', pg_catalog.getdatabaseencoding()),
      HINT = 'Dump the database, and restore it into one that was created with ENCODING ''UTF8''.';
  END IF;
END
$$;

CREATE SCHEMA opsadmin;
CREATE SCHEMA opsadmin_private;
COMMENT ON SCHEMA opsadmin IS 'opsadmin: tenant isolation, audit, bulk jobs and KPIs';
COMMENT ON SCHEMA opsadmin_private IS 'opsadmin''s own helpers; nothing here is for direct use';

DO $$
DECLARE
  spec record;
  existing pg_catalog.pg_roles;
  stranger name;
BEGIN
  FOR spec IN
    SELECT * FROM (VALUES
      ('opsadmin_internal', 'NOLOGIN', 'opsadmin: what the company''s own staff may do', NULL, '{opsadmin_internal_login,opsadmin_trusted}'::name[]),
      ('opsadmin_partner', 'NOLOGIN', 'opsadmin: what the staff of a tenant may do', NULL, '{opsadmin_partner_login,opsadmin_trusted}'),
      ('opsadmin_internal_login', 'LOGIN CONNECTION LIMIT 100', 'opsadmin: the gateway''s login for the internal site', 'opsadmin_internal', '{}'),
      ('opsadmin_partner_login', 'LOGIN CONNECTION LIMIT 100', 'opsadmin: the gateway''s login for the partner site', 'opsadmin_partner', '{}'),
      ('opsadmin_worker', 'LOGIN CONNECTION LIMIT 40', 'opsadmin: pg_cron runs the jobs as this role', NULL, '{}'),
      ('opsadmin_trusted', 'NOLOGIN NOINHERIT', 'opsadmin: members may begin a transaction as any actor and tenant', 'opsadmin_internal,opsadmin_partner', NULL)
    ) AS roles(role_name, options, note, member_of, expected_members)
  LOOP
    SELECT * INTO existing FROM pg_catalog.pg_roles WHERE rolname = spec.role_name;
    IF NOT FOUND THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s', spec.role_name, spec.options);
      EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', spec.role_name, spec.note);
      IF spec.member_of IS NOT NULL THEN
        EXECUTE pg_catalog.format('GRANT %s TO %I', spec.member_of, spec.role_name);
      END IF;
    ELSIF existing.rolsuper OR existing.rolbypassrls OR existing.rolcreaterole OR existing.rolcreatedb OR existing.rolreplication THEN
      RAISE EXCEPTION USING ERRCODE = 'OA439', MESSAGE = pg_catalog.format('role "%s" exists and may do more than opsadmin allows', spec.role_name),
        HINT = pg_catalog.format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;', spec.role_name);
    END IF;
    SELECT member.rolname INTO stranger
    FROM pg_catalog.pg_auth_members m
    JOIN pg_catalog.pg_roles granted ON granted.oid = m.roleid
    JOIN pg_catalog.pg_roles member ON member.oid = m.member
    WHERE granted.rolname = spec.role_name AND NOT member.rolname = ANY (spec.expected_members)
      AND NOT member.rolsuper
    LIMIT 1;
    IF stranger IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'OA439', MESSAGE = pg_catalog.format('role "%s" has an unexpected member "%s"', spec.role_name, stranger),
        HINT = pg_catalog.format('REVOKE %I FROM %I;', spec.role_name, stranger);
    END IF;
    SELECT granted.rolname INTO stranger
    FROM pg_catalog.pg_auth_members m
    JOIN pg_catalog.pg_roles granted ON granted.oid = m.roleid
    JOIN pg_catalog.pg_roles member ON member.oid = m.member
    WHERE member.rolname = spec.role_name AND granted.rolname <> ALL (pg_catalog.string_to_array(coalesce(spec.member_of, ''), ','))
    LIMIT 1;
    IF stranger IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'OA439', MESSAGE = pg_catalog.format('role "%s" is a member of "%s"', spec.role_name, stranger),
        HINT = pg_catalog.format('REVOKE %I FROM %I;', stranger, spec.role_name);
    END IF;
  END LOOP;
END
$$;

-- Tokens and passwords arrive as parameters, which the server must not log.
ALTER ROLE opsadmin_internal_login SET log_parameter_max_length = 0;
ALTER ROLE opsadmin_partner_login SET log_parameter_max_length = 0;
ALTER ROLE opsadmin_internal_login SET log_parameter_max_length_on_error = 0;
ALTER ROLE opsadmin_partner_login SET log_parameter_max_length_on_error = 0;
ALTER ROLE opsadmin_internal_login SET statement_timeout = '60s';
ALTER ROLE opsadmin_internal_login SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE opsadmin_partner_login SET statement_timeout = '30s';
ALTER ROLE opsadmin_partner_login SET idle_in_transaction_session_timeout = '30s';
-- Their statements are short: compiling them costs more than it saves.
ALTER ROLE opsadmin_internal_login SET jit = off;
ALTER ROLE opsadmin_partner_login SET jit = off;
ALTER ROLE opsadmin_worker SET jit = off;
ALTER ROLE opsadmin_worker SET statement_timeout = 0;
ALTER ROLE opsadmin_worker SET search_path = pg_catalog, pg_temp;

GRANT USAGE ON SCHEMA opsadmin TO opsadmin_internal, opsadmin_partner, opsadmin_worker, opsadmin_trusted;
GRANT USAGE ON SCHEMA opsadmin_private TO opsadmin_internal, opsadmin_partner, opsadmin_worker, opsadmin_trusted;

CREATE TYPE opsadmin.finding AS (level text, rule text, object text, problem text, remedy text);
COMMENT ON TYPE opsadmin.finding IS 'One thing that a check found: level is error or warning, remedy is SQL or a command that can be run';
