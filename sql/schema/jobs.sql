-- Bulk jobs: the job, its manifest of key ranges, and the workers that were seen.

CREATE TABLE opsadmin.job (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  label jsonb NOT NULL,
  target_id integer NOT NULL REFERENCES opsadmin.target,
  target_name text NOT NULL,
  actor_id bigint REFERENCES opsadmin.actor ON DELETE SET NULL,
  actor_name text,
  site text CHECK (site IN ('internal', 'partner')),
  tenant_id bigint REFERENCES opsadmin.tenant ON DELETE CASCADE,
  run_as name NOT NULL,
  permission text,
  changes text NOT NULL,
  condition text NOT NULL,
  params jsonb NOT NULL,
  params_item text NOT NULL,
  selection_summary text NOT NULL,
  state text NOT NULL DEFAULT 'PENDING'
    CHECK (state IN ('PENDING', 'PLANNING', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'CANCELLED')),
  error text,
  wait_reason text,
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
COMMENT ON COLUMN opsadmin.job.run_as IS 'The role as which every chunk runs';
COMMENT ON COLUMN opsadmin.job.params_item IS 'The FROM item that gives changes its parameters, typed; empty without any';
COMMENT ON COLUMN opsadmin.job.condition IS 'SQL over the alias target, compiled from the registry or given by a DBA';
CREATE INDEX job_open ON opsadmin.job (id) WHERE state IN ('PENDING', 'RUNNING');
CREATE INDEX job_tenant ON opsadmin.job (tenant_id, id);

CREATE TABLE opsadmin.job_chunk (
  job_id bigint NOT NULL REFERENCES opsadmin.job ON DELETE CASCADE,
  chunk_no integer NOT NULL,
  tenant_id bigint,
  after_key text[],
  last_key text[] NOT NULL,
  row_count integer NOT NULL,
  state text NOT NULL DEFAULT 'READY' CHECK (state IN ('READY', 'DONE', 'FAILED')),
  changed integer NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  retry_at timestamptz,
  error text,
  done_at timestamptz,
  PRIMARY KEY (job_id, chunk_no)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE opsadmin.job_chunk IS 'Key ranges of a job: above after_key, up to last_key. A chunk is done in the transaction that changes its rows';
CREATE INDEX job_chunk_ready ON opsadmin.job_chunk (job_id, chunk_no) WHERE state = 'READY';

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

CREATE VIEW opsadmin.bulk_job WITH (security_invoker = true) AS
SELECT j.id, j.name, j.actor_name AS actor, t.slug AS tenant, j.target_name AS target, j.selection_summary AS selection,
       j.params, j.state, CASE WHEN j.state IN ('RUNNING', 'DONE') THEN coalesce(c.total, 0) ELSE c.total END AS total,
       coalesce(c.processed, 0) AS processed, coalesce(c.changed, 0) AS changed,
       coalesce(c.processed, 0) - coalesce(c.changed, 0) AS skipped, coalesce(c.failed, 0) AS failed,
       j.error, j.wait_reason, r.rate,
       CASE WHEN j.state = 'RUNNING' AND r.rate > 0
            THEN clock_timestamp() + make_interval(secs => ((c.total - c.processed) / r.rate)::double precision) END AS eta,
       j.created_at, j.started_at, j.finished_at
FROM opsadmin.job j
LEFT JOIN opsadmin.tenant t ON t.id = j.tenant_id
LEFT JOIN LATERAL (
  SELECT sum(row_count) AS total, sum(row_count) FILTER (WHERE state = 'DONE') AS processed,
         sum(changed) FILTER (WHERE state = 'DONE') AS changed, sum(row_count) FILTER (WHERE state = 'FAILED') AS failed,
         max(done_at) AS last_done_at
  FROM opsadmin.job_chunk WHERE job_id = j.id) c ON true
CROSS JOIN LATERAL (
  SELECT round((c.processed / nullif(extract(epoch FROM c.last_done_at - j.started_at), 0))::numeric, 1) AS rate) r;
COMMENT ON VIEW opsadmin.bulk_job IS 'Bulk jobs with their progress; rate is rows a second';

-- The SQL of a job is not for the ones who run it.
GRANT SELECT (id, name, label, target_id, target_name, actor_id, actor_name, site, tenant_id, params, selection_summary, state, error,
  wait_reason, created_at, started_at, finished_at) ON opsadmin.job TO opsadmin_internal, opsadmin_partner;
GRANT SELECT (job_id, chunk_no, tenant_id, row_count, state, changed, attempts, done_at) ON opsadmin.job_chunk TO opsadmin_internal, opsadmin_partner;
GRANT SELECT ON opsadmin.bulk_job TO opsadmin_internal, opsadmin_partner;

CREATE TABLE opsadmin.upkeep_failure (
  step text PRIMARY KEY,
  failed_since timestamptz NOT NULL DEFAULT now(),
  message text NOT NULL
);
COMMENT ON TABLE opsadmin.upkeep_failure IS 'Steps of run_maintenance() that have failed, until they succeed';

SELECT pg_catalog.pg_extension_config_dump('opsadmin.job', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.job_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.upkeep_failure', '');
