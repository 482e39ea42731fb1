// The rows that a job could not change, page by page: which, and why. The page is in the URL.
import { useEffect, useRef } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { Job, JobError, JobErrorPage, Resource } from '../api/types';
import { useQuery } from '../api/use-query';
import { resourceOf } from '../audit/names';
import { historyOfEntry } from '../audit/row-path';
import { formatFull, formatStamp, msg } from '../i18n/i18n';
import { Pager } from '../ui/Pager';
import { ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { keyText } from './job';

export const ERRORS_PER_PAGE = 25;

/** `audited` is whether a row's history may be read. */
export function JobErrors({ job, audited }: { job: Job; audited: boolean }) {
  const m = msg.value;
  const [path, navigate] = useLocation();
  const query = useQueryParams();
  const cursor = query.get('cursor') ?? '';
  const errors = useQuery<JobErrorPage>(withQuery(`/jobs/${job.id}/errors`, { cursor, page_size: ERRORS_PER_PAGE }));
  // The job itself is asked again and again; the list only when it must be another one.
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else errors.reload();
  }, [job.state, job.failed]);

  const toFirstPage = () => {
    const params = new URLSearchParams(query);
    params.delete('cursor');
    navigate(address(path, params), { replace: true });
  };
  return (
    <section class="panel">
      <header class="panel-head"><h2>{m.failedRows}</h2></header>
      <p class="muted">{job.on_error === 'skip' ? m.failedRowsSkipped : m.failedRowStopped}</p>
      {errors.problem ? (
        <ProblemView problem={errors.problem} onRetry={errors.reload} onFirstPage={toFirstPage} />
      ) : errors.data === undefined ? (
        <Skeleton lines={3} />
      ) : (
        <ErrorTable errors={errors.data.rows} job={job} audited={audited} />
      )}
      {(cursor !== '' || errors.data?.next) && (
        <footer class="list-foot"><Pager next={errors.data?.next ?? null} busy={errors.loading} /></footer>
      )}
    </section>
  );
}

function ErrorTable({ errors, job, audited }: { errors: readonly JobError[]; job: Job; audited: boolean }) {
  const m = msg.value;
  const resource = audited ? resourceOf(job.target) : undefined;
  return (
    <div class="table-frame" role="region" aria-label={m.failedRows} tabIndex={0}>
      <table class="table job-errors">
        <thead>
          <tr>
            <th scope="col">{m.key}</th>
            <th scope="col">{m.errorMessage}</th>
            <th scope="col">{m.errorCode}</th>
            <th scope="col" class="wide-only">{m.when}</th>
          </tr>
        </thead>
        <tbody>
          {errors.map((error) => (
            <tr key={keyText(error.key)}>
              <th scope="row" class="key"><RecordLink error={error} job={job} resource={resource} /></th>
              <td lang="en">{error.message}</td>
              <td class="mono">{error.sqlstate}</td>
              <td class="wide-only"><time dateTime={error.created_at} title={formatFull(error.created_at)}>{formatStamp(error.created_at)}</time></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The key of a row, which leads to the record where it can be shown. */
function RecordLink({ error, job, resource }: { error: JobError; job: Job; resource: Resource | undefined }) {
  const text = keyText(error.key);
  const history = historyOfEntry({ target: job.target, target_pk: error.key }, resource ? [resource] : []);
  return history === null ? <>{text}</> : <Link href={history} class="row-link">{text}</Link>;
}
