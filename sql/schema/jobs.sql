-- Bulk jobs: the job, its manifest of key ranges, and the workers that were seen.

CREATE TABLE opsadmin.job (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  label jsonb NOT NULL,
  target_id integer NOT NULL REFERENCES opsadmin.target,
  target_name text NOT NULL,
  actor_id bigint REFERENCES opsadmin.actor ON DELETE SET NULL,
  actor_name text,
  is_system boolean NOT NULL DEFAULT false,
  site text CHECK (site IN ('internal', 'partner')),
  tenant_id bigint REFERENCES opsadmin.tenant ON DELETE CASCADE,
  run_as name NOT NULL,
  permission text,
  kind text NOT NULL DEFAULT 'update' CHECK (kind IN ('update', 'delete')),
  changes text NOT NULL,
  condition text NOT NULL,
  params jsonb NOT NULL,
  params_item text NOT NULL,
  selected_keys text[],
  selection_summary text NOT NULL,
  on_error text NOT NULL DEFAULT 'stop' CHECK (on_error IN ('stop', 'skip')),
  state text NOT NULL DEFAULT 'PENDING'
    CHECK (state IN ('PENDING', 'PLANNING', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'CANCELLED')),
  error text,
  wait_reason text,
  retry_at timestamptz,
  planned boolean NOT NULL DEFAULT false,
  key_order text,
  plan_after text[],
  plan_until text[],
  total bigint,
  processed bigint,
  changed bigint,
  failed bigint,
  reason text,
  ip inet,
  method text,
  path text,
  request_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz
);
COMMENT ON TABLE opsadmin.job IS 'Bulk jobs; opsadmin.bulk_job is the view for users';
COMMENT ON COLUMN opsadmin.job.is_system IS 'Started in a context without an actor, as an application''s ticket binds it; there is nobody whose roles could change';
COMMENT ON COLUMN opsadmin.job.run_as IS 'The role as which every chunk runs';
COMMENT ON COLUMN opsadmin.job.params_item IS 'The FROM item that gives changes its parameters, typed; empty without any';
COMMENT ON COLUMN opsadmin.job.condition IS 'SQL over the alias target, compiled from the registry or given by a DBA';
COMMENT ON COLUMN opsadmin.job.selected_keys IS 'The keys of the selected rows, when they were chosen one by one';
COMMENT ON COLUMN opsadmin.job.key_order IS 'What the order of the keys depended on when the job was planned';
COMMENT ON COLUMN opsadmin.job.plan_after IS 'The last key that is in the plan so far';
COMMENT ON COLUMN opsadmin.job.plan_until IS 'The highest key there was when the plan was begun, when it did not fit into one step';
COMMENT ON COLUMN opsadmin.job.total IS 'Like processed, changed and failed: what the chunks had counted when they were folded into the job';
-- One queue for each tenant and table: see opsadmin_private.queue_heads().
CREATE INDEX job_queue ON opsadmin.job (coalesce(tenant_id, 0), target_id, id) WHERE state IN ('PENDING', 'PLANNING', 'RUNNING');
CREATE INDEX job_finished ON opsadmin.job (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX job_tenant ON opsadmin.job (tenant_id, id);

CREATE TABLE opsadmin.job_chunk (
  job_id bigint NOT NULL REFERENCES opsadmin.job ON DELETE CASCADE,
  chunk_no integer NOT NULL,
  tenant_id bigint,
  after_key text[],
  last_key text[],
  keys jsonb,
  row_count bigint NOT NULL,
  processed bigint NOT NULL DEFAULT 0,
  changed bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'READY' CHECK (state IN ('READY', 'DONE', 'FAILED')),
  attempts integer NOT NULL DEFAULT 0,
  begun integer NOT NULL DEFAULT 0,
  retry_at timestamptz,
  error text,
  done_at timestamptz,
  PRIMARY KEY (job_id, chunk_no)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE opsadmin.job_chunk IS 'Rows of a job: keys above after_key, up to last_key, or the listed keys. A step changes rows, and notes that it did, in one transaction';
COMMENT ON COLUMN opsadmin.job_chunk.after_key IS 'Moves forward with each step, to the last key that was processed';
COMMENT ON COLUMN opsadmin.job_chunk.keys IS 'The keys that are still to be processed, each a list of texts; NULL: a range';
COMMENT ON COLUMN opsadmin.job_chunk.failed IS 'Rows that opsadmin.job_error lists';
COMMENT ON COLUMN opsadmin.job_chunk.attempts IS 'How often the step was tried in vain';
COMMENT ON COLUMN opsadmin.job_chunk.begun IS 'How often a worker has begun the step without bringing it to an outcome';
CREATE INDEX job_chunk_ready ON opsadmin.job_chunk (job_id, chunk_no) WHERE state = 'READY';

CREATE TABLE opsadmin.job_error (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES opsadmin.job ON DELETE CASCADE,
  tenant_id bigint,
  key jsonb NOT NULL,
  sqlstate text NOT NULL,
  message text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE opsadmin.job_error IS 'Rows that a job could not change, and why';
COMMENT ON COLUMN opsadmin.job_error.key IS 'The primary key: its columns with their values as text';
CREATE INDEX job_error_job ON opsadmin.job_error (job_id, id);

CREATE TABLE opsadmin.worker_run (
  slot integer PRIMARY KEY CHECK (slot BETWEEN 1 AND 32),
  pid integer NOT NULL,
  connected_at timestamptz NOT NULL
);
COMMENT ON TABLE opsadmin.worker_run IS 'When a worker last connected, by slot';

ALTER TABLE opsadmin.job ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.job FOR SELECT TO opsadmin_partner USING (tenant_id = opsadmin.current_tenant());
CREATE POLICY internal ON opsadmin.job FOR SELECT TO opsadmin_internal USING (true);
ALTER TABLE opsadmin.job_chunk ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.job_chunk FOR SELECT TO opsadmin_partner USING (tenant_id = opsadmin.current_tenant());
CREATE POLICY internal ON opsadmin.job_chunk FOR SELECT TO opsadmin_internal USING (true);

ALTER TABLE opsadmin.job_error ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.job_error FOR SELECT TO opsadmin_partner USING (tenant_id = opsadmin.current_tenant());
CREATE POLICY internal ON opsadmin.job_error FOR SELECT TO opsadmin_internal USING (true);

-- Who started a job, as the caller may see it: staff are "support" to partners, as in the audit log.
CREATE FUNCTION opsadmin_private.job_actor(job_id bigint) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF opsadmin_private.context_is_bound() AND opsadmin.current_site() = 'partner' THEN
    RETURN (SELECT CASE WHEN j.site = 'internal' THEN 'support' ELSE j.actor_name END FROM opsadmin.job j WHERE j.id = $1 AND j.tenant_id = opsadmin.current_tenant());
  END IF;
  RETURN (SELECT j.actor_name FROM opsadmin.job j WHERE j.id = $1);
END
$$;
COMMENT ON FUNCTION opsadmin_private.job_actor IS 'Who started a job, as the caller may see it: staff are "support" to partners';
REVOKE ALL ON FUNCTION opsadmin_private.job_actor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.job_actor TO opsadmin_internal, opsadmin_partner;

CREATE VIEW opsadmin.bulk_job WITH (security_invoker = true) AS
SELECT j.id, j.name, opsadmin_private.job_actor(j.id) AS actor, t.slug AS tenant, j.target_name AS target, j.selection_summary AS selection,
       j.params, j.state, CASE WHEN j.planned THEN coalesce(c.total, 0) END AS total,
       coalesce(c.processed, 0) AS processed, coalesce(c.changed, 0) AS changed,
       coalesce(c.processed, 0) - coalesce(c.changed, 0) - coalesce(c.skipped_by_error, 0) AS skipped, coalesce(c.failed, 0) AS failed,
       j.error, j.wait_reason, r.rate,
       CASE WHEN j.state = 'RUNNING' AND r.rate > 0
            THEN clock_timestamp() + make_interval(secs => ((c.total - c.processed) / r.rate)::double precision) END AS eta,
       j.created_at, j.started_at, j.finished_at
FROM opsadmin.job j
LEFT JOIN opsadmin.tenant t ON t.id = j.tenant_id
LEFT JOIN LATERAL (
  SELECT j.total AS total, j.processed AS processed, j.changed AS changed, j.failed AS skipped_by_error, j.failed AS failed, j.finished_at AS last_done_at
  WHERE j.total IS NOT NULL
  UNION ALL
  SELECT sum(row_count)::bigint, sum(processed)::bigint, sum(changed)::bigint, sum(failed)::bigint,
         sum(failed + CASE WHEN state = 'FAILED' THEN row_count - processed ELSE 0 END)::bigint, max(done_at)
  FROM opsadmin.job_chunk WHERE job_id = j.id AND j.total IS NULL HAVING j.total IS NULL) c ON true
CROSS JOIN LATERAL (
  SELECT round((c.processed / nullif(extract(epoch FROM c.last_done_at - j.started_at), 0))::numeric, 1) AS rate) r;
COMMENT ON VIEW opsadmin.bulk_job IS 'Bulk jobs with their progress; rate is rows a second';

-- The SQL of a job is not for the ones who run it, and which of the staff did is not for partners.
GRANT SELECT (id, name, label, target_id, target_name, site, tenant_id, kind, params, selection_summary, on_error, state, error,
  wait_reason, planned, total, processed, changed, failed, created_at, started_at, finished_at) ON opsadmin.job TO opsadmin_internal, opsadmin_partner;
GRANT SELECT (actor_id, actor_name) ON opsadmin.job TO opsadmin_internal;
GRANT SELECT (job_id, chunk_no, tenant_id, row_count, processed, changed, failed, state, attempts, done_at) ON opsadmin.job_chunk TO opsadmin_internal, opsadmin_partner;
GRANT SELECT ON opsadmin.bulk_job, opsadmin.job_error TO opsadmin_internal, opsadmin_partner;

CREATE TABLE opsadmin.upkeep_failure (
  step text PRIMARY KEY,
  failed_since timestamptz NOT NULL DEFAULT now(),
  message text NOT NULL
);
COMMENT ON TABLE opsadmin.upkeep_failure IS 'Steps of run_maintenance() that have failed, until they succeed';

SELECT pg_catalog.pg_extension_config_dump('opsadmin.job', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.job_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.job_error', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.job_error_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.upkeep_failure', '');
