-- Figures for a monitoring system. They are totals: no name of a tenant, an actor or a job is among them.

-- Figures in Prometheus' text format, for the internal login of the gateway, which asks without a context.
CREATE OR REPLACE FUNCTION opsadmin.metrics() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH unfinished AS MATERIALIZED (
    SELECT sum(c.changed) AS changed, sum(c.failed) AS failed FROM opsadmin.job_chunk c),
  jobs AS MATERIALIZED (
    SELECT j.state, count(*) AS jobs, coalesce(sum(j.changed), 0) AS changed, coalesce(sum(j.failed), 0) AS failed,
           count(*) FILTER (WHERE j.wait_reason IS NOT NULL) AS waiting, min(j.created_at) AS oldest
    FROM opsadmin.job j GROUP BY j.state),
  samples AS (
    SELECT 1 AS ordinal, 'opsadmin_jobs' AS metric, 'Jobs by state, of those that are kept.' AS help, format('{state="%s"}', s.state) AS labels, coalesce(j.jobs, 0)::numeric AS value
    FROM unnest('{PENDING,PLANNING,RUNNING,PAUSED,DONE,FAILED,CANCELLED}'::text[]) WITH ORDINALITY AS s (state, ordinal) LEFT JOIN jobs j ON j.state = s.state
    UNION ALL
    SELECT 2, 'opsadmin_jobs_waiting', 'Jobs with a reason to wait: a lock, a replica, the throttle query.', '', coalesce(sum(j.waiting), 0) FROM jobs j
    UNION ALL
    SELECT 3, 'opsadmin_oldest_job_seconds', 'Age of the oldest job that is not paused and has not ended, 0 without any.', '',
           coalesce(round(extract(epoch FROM clock_timestamp() - min(j.oldest)), 3), 0) FROM jobs j WHERE j.state IN ('PENDING', 'PLANNING', 'RUNNING')
    UNION ALL
    SELECT 4, 'opsadmin_job_rows_changed', 'Rows that the jobs have changed, of those that are kept.', '', coalesce(sum(j.changed), 0) + coalesce((SELECT u.changed FROM unfinished u), 0) FROM jobs j
    UNION ALL
    SELECT 5, 'opsadmin_job_rows_failed', 'Rows that the jobs have listed as failed, of those that are kept.', '', coalesce(sum(j.failed), 0) + coalesce((SELECT u.failed FROM unfinished u), 0) FROM jobs j
    UNION ALL
    SELECT 6, 'opsadmin_workers', 'Workers that connected within the last three minutes.', '', count(*) FROM opsadmin.worker_run w WHERE w.connected_at > clock_timestamp() - interval '3 minutes')
  SELECT string_agg(m.text, '' ORDER BY m.ordinal)
  FROM (SELECT ordinal, format(E'# HELP %s %s\n# TYPE %1$s gauge\n', metric, help) || string_agg(format(E'%s%s %s\n', metric, labels, value), '' ORDER BY labels) AS text
        FROM samples GROUP BY ordinal, metric, help) AS m
$$;
COMMENT ON FUNCTION opsadmin.metrics IS 'Figures of jobs and workers in Prometheus'' text format; for the gateway, without a context';
REVOKE ALL ON FUNCTION opsadmin.metrics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.metrics TO opsadmin_internal_login;
