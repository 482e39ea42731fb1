-- Requests that the gateway has answered. It records them afterwards, in a transaction of their own.

CREATE TABLE opsadmin.request (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now(),
  tenant_id bigint NOT NULL,
  site text NOT NULL,
  actor_id bigint,
  actor_name text,
  ip inet,
  method text NOT NULL,
  path text NOT NULL,
  request_id text NOT NULL,
  action text NOT NULL,
  status integer NOT NULL CHECK (status BETWEEN 100 AND 599),
  code text,
  milliseconds numeric NOT NULL
);
COMMENT ON TABLE opsadmin.request IS 'Requests that the gateway has answered, kept for 90 days';
COMMENT ON COLUMN opsadmin.request.tenant_id IS '0: of no tenant';
COMMENT ON COLUMN opsadmin.request.actor_id IS 'NULL: nobody whose session was known';
COMMENT ON COLUMN opsadmin.request.action IS 'The function that the request calls';
COMMENT ON COLUMN opsadmin.request.code IS 'The error code of the answer';
CREATE INDEX request_tenant ON opsadmin.request (tenant_id, id);
CREATE INDEX request_request_id ON opsadmin.request (request_id);
CREATE INDEX request_created ON opsadmin.request (created_at);
CREATE INDEX request_actor ON opsadmin.request (actor_id, created_at) WHERE actor_id IS NOT NULL;
CREATE INDEX request_anonymous ON opsadmin.request (created_at) WHERE actor_id IS NULL;

-- Of staff's requests partners see what opsadmin.list_requests() shows: not who it was.
ALTER TABLE opsadmin.request ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.request FOR SELECT TO opsadmin_partner
  USING (tenant_id = opsadmin.current_tenant() AND site = 'partner' AND opsadmin.can('audit:read'));
CREATE POLICY internal ON opsadmin.request FOR SELECT TO opsadmin_internal USING (opsadmin.can('audit:read'));
GRANT SELECT ON opsadmin.request TO opsadmin_internal, opsadmin_partner;

SELECT pg_catalog.pg_extension_config_dump('opsadmin.request', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.request_id_seq', '');
