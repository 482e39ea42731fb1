-- The C functions that only opsadmin's own SQL may call. Whoever can call them can become anybody,
-- so no role has EXECUTE here unless a line below grants it.

CREATE OR REPLACE FUNCTION opsadmin_private.bind_context(site text, actor_id bigint, actor_name text, tenant_id bigint, tenant_key text,
  permissions text[], ip text, method text, path text, request_id text, reason text, job_id bigint, action text, session_id bigint)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_bind_context';
COMMENT ON FUNCTION opsadmin_private.bind_context IS 'Binds the context of this transaction; OA002 when there is one, or below a savepoint';
REVOKE ALL ON FUNCTION opsadmin_private.bind_context FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.require_fresh_snapshot() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_require_fresh_snapshot';
COMMENT ON FUNCTION opsadmin_private.require_fresh_snapshot IS 'Raises 25000 where what the transaction sees of sessions, roles and tenants is too old';
REVOKE ALL ON FUNCTION opsadmin_private.require_fresh_snapshot FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.require_unbound() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_require_unbound';
COMMENT ON FUNCTION opsadmin_private.require_unbound IS 'Raises OA002 where bind_context() would';
REVOKE ALL ON FUNCTION opsadmin_private.require_unbound FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.login_site() RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_login_site';
COMMENT ON FUNCTION opsadmin_private.login_site IS 'The site of the gateway''s login of this session; OA403 for everybody else';
REVOKE ALL ON FUNCTION opsadmin_private.login_site FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.redeem_ticket(ticket text, site text, OUT subject text, OUT tenant text, OUT name text,
  OUT ip text, OUT method text, OUT path text, OUT request_id text, OUT reason text, OUT permissions text[])
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_redeem_ticket';
COMMENT ON FUNCTION opsadmin_private.redeem_ticket IS 'Verifies a ticket for a site, uses it up and returns its claims; OA015 when it is not valid';
REVOKE ALL ON FUNCTION opsadmin_private.redeem_ticket FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.refuse_ticket(reason text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_refuse_ticket';
COMMENT ON FUNCTION opsadmin_private.refuse_ticket IS 'Logs why a ticket is refused and raises OA015';
REVOKE ALL ON FUNCTION opsadmin_private.refuse_ticket FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.context_is_bound() RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_context_is_bound';
COMMENT ON FUNCTION opsadmin_private.context_is_bound IS 'Tells whether this transaction has a context; never raises';
REVOKE ALL ON FUNCTION opsadmin_private.context_is_bound FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.context_is_bound TO opsadmin_internal, opsadmin_partner;

CREATE OR REPLACE FUNCTION opsadmin_private.current_session() RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_current_session';
COMMENT ON FUNCTION opsadmin_private.current_session IS 'The id of the web session of this transaction, NULL without one';
REVOKE ALL ON FUNCTION opsadmin_private.current_session FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.execute_as(role oid, statement text, restricted boolean DEFAULT true) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_execute_as';
COMMENT ON FUNCTION opsadmin_private.execute_as IS 'Runs a statement as a role and returns the number of rows it changed';
REVOKE ALL ON FUNCTION opsadmin_private.execute_as FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.has_noted_pages() RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_has_noted_pages';
COMMENT ON FUNCTION opsadmin_private.has_noted_pages IS 'Tells whether there is anything to do for reuse_pages()';
REVOKE ALL ON FUNCTION opsadmin_private.has_noted_pages FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.reuse_pages() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_reuse_pages';
COMMENT ON FUNCTION opsadmin_private.reuse_pages IS 'Makes room where this worker''s chunks have left rows that nobody can see any more';
REVOKE ALL ON FUNCTION opsadmin_private.reuse_pages FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.query_as(role oid, statement text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_query_as';
COMMENT ON FUNCTION opsadmin_private.query_as IS 'Runs a query as a role and returns the first column of its first row';
REVOKE ALL ON FUNCTION opsadmin_private.query_as FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.updated_columns(statement text) RETURNS name[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_updated_columns';
COMMENT ON FUNCTION opsadmin_private.updated_columns IS 'The columns that an UPDATE writes, by the server''s own parser; 42601 unless the text is exactly one plain UPDATE';
REVOKE ALL ON FUNCTION opsadmin_private.updated_columns FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.plan_keys_as(role oid, query text, every integer) RETURNS jsonb
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_plan_keys_as';
COMMENT ON FUNCTION opsadmin_private.plan_keys_as IS 'Runs a query for keys as a role and returns the last key of every so many rows, with their number';
REVOKE ALL ON FUNCTION opsadmin_private.plan_keys_as FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.chunk_rows(job_id bigint) RETURNS integer
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_chunk_rows';
COMMENT ON FUNCTION opsadmin_private.chunk_rows IS 'How many rows the next chunk of a job may have';
REVOKE ALL ON FUNCTION opsadmin_private.chunk_rows FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.note_chunk(job_id bigint, row_count integer, milliseconds double precision, failed boolean) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_note_chunk';
COMMENT ON FUNCTION opsadmin_private.note_chunk IS 'Learns from a chunk how many rows the next one may have';
REVOKE ALL ON FUNCTION opsadmin_private.note_chunk FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.worker_is_proven() RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_worker_is_proven';
COMMENT ON FUNCTION opsadmin_private.worker_is_proven IS 'Tells whether this backend has brought a chunk to an outcome';
REVOKE ALL ON FUNCTION opsadmin_private.worker_is_proven FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.take_chunk(job_id bigint, chunk_no integer) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_take_chunk';
COMMENT ON FUNCTION opsadmin_private.take_chunk IS 'Keeps a chunk for this backend until release_chunk(); false when another backend has it';
REVOKE ALL ON FUNCTION opsadmin_private.take_chunk FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.chunk_is_free(job_id bigint, chunk_no integer) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_chunk_is_free';
COMMENT ON FUNCTION opsadmin_private.chunk_is_free IS 'Tells whether no other backend keeps a chunk';
REVOKE ALL ON FUNCTION opsadmin_private.chunk_is_free FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.job_in_hand() RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_job_in_hand';
COMMENT ON FUNCTION opsadmin_private.job_in_hand IS 'The job of the chunk that this backend keeps, NULL without one';
REVOKE ALL ON FUNCTION opsadmin_private.job_in_hand FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.has_chunk(job_id bigint, chunk_no integer) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_has_chunk';
COMMENT ON FUNCTION opsadmin_private.has_chunk IS 'Tells whether this backend keeps a chunk';
REVOKE ALL ON FUNCTION opsadmin_private.has_chunk FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.release_chunk(proven boolean) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_release_chunk';
COMMENT ON FUNCTION opsadmin_private.release_chunk IS 'Lets go of the chunk that this backend keeps';
REVOKE ALL ON FUNCTION opsadmin_private.release_chunk FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.try_plan(job_id bigint) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_try_plan';
COMMENT ON FUNCTION opsadmin_private.try_plan IS 'Takes the right to plan a job until the transaction ends; false when another has it';
REVOKE ALL ON FUNCTION opsadmin_private.try_plan FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.row_is_held(relation oid, place tid) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_row_is_held';
COMMENT ON FUNCTION opsadmin_private.row_is_held IS 'Tells whether another transaction that is under way has changed or locked a row';
REVOKE ALL ON FUNCTION opsadmin_private.row_is_held FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.job_turn(tenant_id bigint, target_id integer) RETURNS double precision
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_job_turn';
COMMENT ON FUNCTION opsadmin_private.job_turn IS 'When the next turn of a tenant, or of its table, starts; the smallest comes next';
REVOKE ALL ON FUNCTION opsadmin_private.job_turn FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.take_turn(tenant_id bigint, target_id integer, milliseconds double precision) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_take_turn';
COMMENT ON FUNCTION opsadmin_private.take_turn IS 'Counts work for the turn of a tenant and of its table';
REVOKE ALL ON FUNCTION opsadmin_private.take_turn FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.throttle_reason() RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_throttle_reason';
COMMENT ON FUNCTION opsadmin_private.throttle_reason IS 'Why jobs wait, NULL when they do not; measured at most four times a second';
REVOKE ALL ON FUNCTION opsadmin_private.throttle_reason FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.wake_workers() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_wake_workers';
COMMENT ON FUNCTION opsadmin_private.wake_workers IS 'Wakes the sleeping workers of this database when this transaction commits';
REVOKE ALL ON FUNCTION opsadmin_private.wake_workers FROM PUBLIC;

CREATE OR REPLACE PROCEDURE opsadmin_private.wait_for_work(milliseconds integer)
LANGUAGE c AS 'MODULE_PATHNAME', 'opsadmin_wait_for_work';
COMMENT ON PROCEDURE opsadmin_private.wait_for_work IS 'Sleeps until a commit wakes the workers or the time is over';
REVOKE ALL ON PROCEDURE opsadmin_private.wait_for_work FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE opsadmin_private.wait_for_work TO opsadmin_worker;

CREATE OR REPLACE FUNCTION opsadmin_private.lock_worker_slot(slot integer) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_lock_worker_slot';
COMMENT ON FUNCTION opsadmin_private.lock_worker_slot IS 'Takes a worker''s slot for this session; false when another session has it';
REVOKE ALL ON FUNCTION opsadmin_private.lock_worker_slot FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.lock_worker_slot TO opsadmin_worker;

CREATE OR REPLACE FUNCTION opsadmin_private.unlock_worker_slot(slot integer) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_unlock_worker_slot';
COMMENT ON FUNCTION opsadmin_private.unlock_worker_slot IS 'Gives a worker''s slot back';
REVOKE ALL ON FUNCTION opsadmin_private.unlock_worker_slot FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.unlock_worker_slot TO opsadmin_worker;

CREATE OR REPLACE FUNCTION opsadmin_private.ensure_key() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_ensure_key';
COMMENT ON FUNCTION opsadmin_private.ensure_key IS 'Makes the signing key file when it does not exist; OA004 when it cannot be used';
REVOKE ALL ON FUNCTION opsadmin_private.ensure_key FROM PUBLIC;
SELECT opsadmin_private.ensure_key();

CREATE OR REPLACE FUNCTION opsadmin_private.sign(purpose text, payload bytea) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_sign';
COMMENT ON FUNCTION opsadmin_private.sign IS 'HMAC-SHA256 of the payload under the signing key, bound to a purpose';
REVOKE ALL ON FUNCTION opsadmin_private.sign FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.verify(purpose text, payload bytea, mac bytea) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_verify';
COMMENT ON FUNCTION opsadmin_private.verify IS 'Tells whether sign() made the MAC, by the signing key or by the one before the last rotation';
REVOKE ALL ON FUNCTION opsadmin_private.verify FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.random_token() RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_random_token';
COMMENT ON FUNCTION opsadmin_private.random_token IS '256 random bits in base64url';
REVOKE ALL ON FUNCTION opsadmin_private.random_token FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.count_attempt(person text) RETURNS integer
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_count_attempt';
COMMENT ON FUNCTION opsadmin_private.count_attempt IS 'Counts an attempt to sign in, also of a transaction that is rolled back; returns how many there were in this quarter of an hour';
REVOKE ALL ON FUNCTION opsadmin_private.count_attempt FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.forget_attempts(person text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_forget_attempts';
COMMENT ON FUNCTION opsadmin_private.forget_attempts IS 'Forgets the attempts of a person who has signed in';
REVOKE ALL ON FUNCTION opsadmin_private.forget_attempts FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.hash_password(password text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_hash_password';
COMMENT ON FUNCTION opsadmin_private.hash_password IS 'The argon2id hash of a password; OA014 when it is too short or too long';
REVOKE ALL ON FUNCTION opsadmin_private.hash_password FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.verify_password(password text, hash text) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_verify_password';
COMMENT ON FUNCTION opsadmin_private.verify_password IS 'Tells whether a password belongs to a hash';
REVOKE ALL ON FUNCTION opsadmin_private.verify_password FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.resource_of(relation regclass) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_resource_of';
COMMENT ON FUNCTION opsadmin_private.resource_of IS 'The name by which permissions speak of a protected table: its resource''s or, when it is not exposed, its own; NULL when it is not protected';
REVOKE ALL ON FUNCTION opsadmin_private.resource_of FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.registry_changed() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'opsadmin_registry_changed';
COMMENT ON FUNCTION opsadmin_private.registry_changed IS 'Makes every session read the registry of protected tables anew';
REVOKE ALL ON FUNCTION opsadmin_private.registry_changed FROM PUBLIC;

-- It runs as whoever changes the schema, and calls lost_protection(), close_tables(), protect_new_children(),
-- audit_new_children(), track_new_children() and follow_renamed_column() as its owner.
CREATE OR REPLACE FUNCTION opsadmin_private.guard() RETURNS event_trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'opsadmin_guard';
COMMENT ON FUNCTION opsadmin_private.guard IS 'Judges changes of the schema as opsadmin.guard says, and covers new children; OA452 when it refuses';
REVOKE ALL ON FUNCTION opsadmin_private.guard FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.audit_trigger() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'opsadmin_audit_trigger';
COMMENT ON FUNCTION opsadmin.audit_trigger IS 'The trigger that opsadmin.audit() puts on a table; do not create it by hand';
REVOKE ALL ON FUNCTION opsadmin.audit_trigger FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.kpi_trigger() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'opsadmin_kpi_trigger';
COMMENT ON FUNCTION opsadmin.kpi_trigger IS 'The trigger that opsadmin.define_kpi() puts on a table; do not create it by hand';
REVOKE ALL ON FUNCTION opsadmin.kpi_trigger FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.beginning(value jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_beginning';
COMMENT ON FUNCTION opsadmin_private.beginning IS 'A document as it is or, when its text has more than 4,000 bytes, the first 1,000 characters of it';
REVOKE ALL ON FUNCTION opsadmin_private.beginning FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.raw_size(value "any") RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_raw_size';
COMMENT ON FUNCTION opsadmin_private.raw_size IS 'How many bytes a value has that is neither compressed nor kept elsewhere';
REVOKE ALL ON FUNCTION opsadmin_private.raw_size FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.beginning, opsadmin_private.raw_size TO opsadmin_internal, opsadmin_partner;

CREATE OR REPLACE FUNCTION opsadmin_private.day_start(day date, time_zone text) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_day_start';
COMMENT ON FUNCTION opsadmin_private.day_start IS 'The instant at which a day begins in a time zone; infinite outside the years 1 to 9999, NULL for an unknown zone';
REVOKE ALL ON FUNCTION opsadmin_private.day_start FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.local_day(at timestamptz, time_zone text) RETURNS date
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_local_day';
COMMENT ON FUNCTION opsadmin_private.local_day IS 'The day of a time zone that a moment belongs to; NULL outside the years 1 to 9999 and for an unknown zone';
REVOKE ALL ON FUNCTION opsadmin_private.local_day FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.next_xid() RETURNS xid8
LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_next_xid';
COMMENT ON FUNCTION opsadmin_private.next_xid IS 'The transaction number that is given next';
REVOKE ALL ON FUNCTION opsadmin_private.next_xid FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.single_call(expression text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_single_call';
COMMENT ON FUNCTION opsadmin_private.single_call IS 'The function of an expression that is one call, with " distinct" behind it; NULL for others';
REVOKE ALL ON FUNCTION opsadmin_private.single_call FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.looks_sensitive(name text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_looks_sensitive';
COMMENT ON FUNCTION opsadmin_private.looks_sensitive IS 'Tells whether the values under a name are redacted until the DBA says otherwise';
REVOKE ALL ON FUNCTION opsadmin_private.looks_sensitive FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.redact(document jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_redact';
COMMENT ON FUNCTION opsadmin_private.redact IS 'The document with [redacted] in the place of the members whose names look sensitive, at any depth';
REVOKE ALL ON FUNCTION opsadmin_private.redact FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.annotate(action text, meta jsonb) RETURNS jsonb
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_annotate';
COMMENT ON FUNCTION opsadmin_private.annotate IS 'Stamps the audit headers that this transaction has still to write, and returns the meta of all its annotations';
REVOKE ALL ON FUNCTION opsadmin_private.annotate FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.said() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_said';
COMMENT ON FUNCTION opsadmin_private.said IS 'What the annotations of this transaction say together, with their action and the context''s reason; NULL without any';
REVOKE ALL ON FUNCTION opsadmin_private.said FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.count_event() RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_count_event';
COMMENT ON FUNCTION opsadmin_private.count_event IS 'Counts the events of this transaction, and returns how many there are';
REVOKE ALL ON FUNCTION opsadmin_private.count_event FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.write_event(action text, target_id integer, row_key bigint, target_pk jsonb, meta jsonb, tenant_id bigint) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'opsadmin_write_event';
COMMENT ON FUNCTION opsadmin_private.write_event IS 'Writes an event into the audit log; a target of 0 is none, and a row is named by row_key or else by target_pk';
REVOKE ALL ON FUNCTION opsadmin_private.write_event FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.error_codes(OUT sqlstate text, OUT condition text, OUT http_status integer, OUT title text)
RETURNS SETOF record LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_error_codes';
COMMENT ON FUNCTION opsadmin.error_codes IS 'Every error code of opsadmin with its HTTP status';
REVOKE ALL ON FUNCTION opsadmin.error_codes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.error_codes TO opsadmin_internal, opsadmin_partner, opsadmin_worker, opsadmin_trusted;
