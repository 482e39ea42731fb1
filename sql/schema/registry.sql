-- What the DBA has said about the company's tables: which are protected, audited, exposed, and the
-- actions over them. A target's id stays when its table is renamed, dumped and restored.

CREATE TABLE opsadmin.target (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relation regclass UNIQUE,
  name text NOT NULL,
  key_column name,
  trusted_triggers name[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE opsadmin.target IS 'The company''s tables that opsadmin knows';
COMMENT ON COLUMN opsadmin.target.relation IS 'NULL when the table was dropped: its OID may become another table''s';
COMMENT ON COLUMN opsadmin.target.name IS 'schema.table when it was registered; audit entries show it';
COMMENT ON COLUMN opsadmin.target.trusted_triggers IS 'Triggers that jobs may run without the limits of a security-restricted operation';
COMMENT ON COLUMN opsadmin.target.key_column IS 'The primary key when it was audited first, if it is one integer: entries hold its value alone';

CREATE TABLE opsadmin.protected_table (
  target_id integer PRIMARY KEY REFERENCES opsadmin.target ON DELETE CASCADE,
  tenant_column name NOT NULL,
  tenant_type text NOT NULL CHECK (tenant_type IN ('integer', 'bigint', 'uuid', 'text')),
  had_default boolean NOT NULL,
  had_row_security boolean NOT NULL,
  had_force boolean NOT NULL,
  trusted_roles name[] NOT NULL,
  excluded_roles name[] NOT NULL
);
COMMENT ON TABLE opsadmin.protected_table IS 'Tables under isolation, and what unprotect() has to restore';

CREATE TABLE opsadmin.protected_child (
  relation regclass PRIMARY KEY,
  had_row_security boolean NOT NULL,
  had_force boolean NOT NULL
);
COMMENT ON TABLE opsadmin.protected_child IS 'Partitions and children of protected tables that had row-level security before, for unprotect() to restore';

CREATE TABLE opsadmin.replaced_key (
  relation regclass,
  constraint_name name,
  match_full boolean NOT NULL,
  column_list boolean NOT NULL,
  PRIMARY KEY (relation, constraint_name)
);
COMMENT ON TABLE opsadmin.replaced_key IS 'Foreign keys that protect() has put the tenant column in front of, for unprotect() to restore';
COMMENT ON COLUMN opsadmin.replaced_key.match_full IS 'It was MATCH FULL';
COMMENT ON COLUMN opsadmin.replaced_key.column_list IS 'Its ON DELETE SET NULL or SET DEFAULT named columns';

CREATE TABLE opsadmin.audited_table (
  target_id integer PRIMARY KEY REFERENCES opsadmin.target ON DELETE CASCADE,
  redact name[] NOT NULL,
  ignore name[] NOT NULL,
  keep name[] NOT NULL,
  replicated boolean NOT NULL
);
COMMENT ON TABLE opsadmin.audited_table IS 'Tables whose changes are in the audit log';
COMMENT ON COLUMN opsadmin.audited_table.replicated IS 'Also changes that logical replication applies';

CREATE TABLE opsadmin.audit_retention (
  target_id integer PRIMARY KEY REFERENCES opsadmin.target ON DELETE CASCADE,
  keep interval NOT NULL CHECK (keep >= '1 day'),
  legal_hold boolean NOT NULL
);
COMMENT ON TABLE opsadmin.audit_retention IS 'How long audit entries of a table are kept, where that is not 90 days; it outlives unaudit() and the table';
COMMENT ON COLUMN opsadmin.audit_retention.legal_hold IS 'Nothing is forgotten until it is lifted';

CREATE TABLE opsadmin.resource (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  target_id integer NOT NULL UNIQUE REFERENCES opsadmin.target ON DELETE CASCADE,
  key_column name NOT NULL,
  label jsonb NOT NULL,
  sites text[] NOT NULL
);
COMMENT ON TABLE opsadmin.resource IS 'Tables that the admin shows';

CREATE TABLE opsadmin.resource_column (
  resource_name text NOT NULL REFERENCES opsadmin.resource ON DELETE CASCADE ON UPDATE CASCADE,
  column_name name NOT NULL,
  ordinal integer NOT NULL,
  type_name text NOT NULL,
  label jsonb NOT NULL,
  listed boolean NOT NULL,
  filterable boolean NOT NULL,
  sortable boolean NOT NULL,
  searchable boolean NOT NULL,
  PRIMARY KEY (resource_name, column_name)
);
COMMENT ON TABLE opsadmin.resource_column IS 'Columns of a resource and what they may be used for';

CREATE TABLE opsadmin.action (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  target_id integer NOT NULL REFERENCES opsadmin.target ON DELETE CASCADE,
  changes text NOT NULL,
  params jsonb NOT NULL,
  condition text,
  on_error text NOT NULL CHECK (on_error IN ('stop', 'skip')),
  label jsonb NOT NULL,
  sites text[] NOT NULL
);
COMMENT ON TABLE opsadmin.action IS 'Bulk changes that staff may run by name';

-- The library keeps what it has read here; ALWAYS, because a restore may run as a replica.
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON opsadmin.target EXECUTE FUNCTION opsadmin_private.registry_changed();
ALTER TABLE opsadmin.target ENABLE ALWAYS TRIGGER registry_changed;
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON opsadmin.protected_table EXECUTE FUNCTION opsadmin_private.registry_changed();
ALTER TABLE opsadmin.protected_table ENABLE ALWAYS TRIGGER registry_changed;
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON opsadmin.resource EXECUTE FUNCTION opsadmin_private.registry_changed();
ALTER TABLE opsadmin.resource ENABLE ALWAYS TRIGGER registry_changed;

SELECT pg_catalog.pg_extension_config_dump('opsadmin.target', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.target_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.protected_table', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.protected_child', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.replaced_key', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.audited_table', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_retention', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.resource', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.resource_column', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.action', '');
