// All jobs that this person may see, newest first; read again while one of them runs.
import { useLocation, Link } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { Job, JobPage } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatDateTime, formatDuration, formatFull, formatInteger, formatTaken, label, msg } from '../i18n/i18n';
import { call, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Page } from '../ui/Page';
import { Pager } from '../ui/Pager';
import { Empty, ProblemNotice, ProblemView, Skeleton } from '../ui/states';
import { useQueryParams } from '../ui/url';
import { isActive, timeLeft, timeTaken } from './job';
import { JobProgress } from './JobProgress';
import { JobStateChip } from './JobStateChip';
import { selectionText } from './selection';

const PAGE_SIZE = 25;

/** How soon to read a page of jobs again: while one of them moves, every two seconds. */
export const paceOfJobs = (page: JobPage) => (page.rows.some((job) => isActive(job.state)) ? 2000 : null);

export function JobList() {
  const m = msg.value;
  const [, navigate] = useLocation();
  const cursor = useQueryParams().get('cursor') ?? '';
  const jobs = useQuery<JobPage>(withQuery('/jobs', { cursor, page_size: PAGE_SIZE }), paceOfJobs);
  const sql = [call('list_jobs', { cursor: cursor === '' ? undefined : literal(cursor), page_size: String(PAGE_SIZE) })];
  return (
    <Page title={m.jobs} aside={<span class="muted">{m.newest}</span>} actions={<CopySql calls={sql} />}>
      {jobs.problem && jobs.data === undefined ? (
        <ProblemView problem={jobs.problem} onRetry={jobs.reload} onFirstPage={() => navigate('/jobs', { replace: true })} />
      ) : jobs.data === undefined ? (
        <Skeleton lines={8} />
      ) : jobs.data.rows.length === 0 ? (
        <Empty title={m.noJobs}><p class="muted">{m.noJobsHint}</p></Empty>
      ) : (
        <>
          {jobs.problem && <ProblemNotice problem={jobs.problem} title={m.staleNotice} />}
          <JobTable jobs={jobs.data.rows} />
        </>
      )}
      <footer class="list-foot"><Pager next={jobs.data?.next ?? null} busy={jobs.loading} /></footer>
    </Page>
  );
}

/** Whose rows, and which: on one line. */
function Concern({ job }: { job: Job }) {
  const text = [job.tenant?.name, job.selection_summary && selectionText(job.selection_summary)].filter(Boolean).join(' · ');
  return <span class="muted small block ellipsis concern" title={text}>{text}</span>;
}

function JobTable({ jobs }: { jobs: readonly Job[] }) {
  const m = msg.value;
  const now = Date.now();
  return (
    <div class="table-frame" role="region" aria-label={m.jobs} tabIndex={0}>
      <table class="table">
        <caption class="visually-hidden">{m.jobs}</caption>
        <thead>
          <tr>
            <th scope="col">{m.jobName}</th>
            <th scope="col">{m.state}</th>
            <th scope="col">{m.progress}</th>
            <th scope="col" class="number wide-only">{m.failed}</th>
            <th scope="col" class="number wide-only">{m.rate}</th>
            <th scope="col" class="number">{m.eta}</th>
            <th scope="col">{m.startedBy}</th>
            <th scope="col">{m.created}</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => {
            const left = timeLeft(job, now);
            const took = timeTaken(job);
            return (
              <tr key={job.id}>
                <th scope="row">
                  <Link href={`/jobs/${job.id}`} class="row-link">
                    <span class="key">#{job.id}</span> {label(job.label, job.name)}
                  </Link>
                  <Concern job={job} />
                </th>
                <td>
                  <JobStateChip state={job.state} />
                  {job.wait_reason !== null && <span class="muted small ellipsis wait-reason" lang="en" title={job.wait_reason}>{job.wait_reason}</span>}
                </td>
                <td><JobProgress job={job} /></td>
                <td class={job.failed > 0 ? 'number bad-text wide-only' : 'number wide-only'}>{formatInteger(job.failed)}</td>
                <td class="number wide-only">{job.rate === null ? '—' : m.ratePerSecond(formatInteger(job.rate))}</td>
                <td class="number">
                  {left !== null ? formatDuration(left)
                    : took !== null ? <span class="muted">{m.took} {formatTaken(took)}</span> : '—'}
                </td>
                <td>{job.actor_name ?? '—'}</td>
                <td><time dateTime={job.created_at} title={formatFull(job.created_at)}>{formatDateTime(job.created_at)}</time></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
