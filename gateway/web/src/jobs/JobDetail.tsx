// One job, live: asked each second while it moves, more slowly while it is paused, not while the page is hidden,
// and no more once it has ended.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { Job, Me } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatDuration, formatFull, formatInteger, formatPercent, formatTaken, label, msg } from '../i18n/i18n';
import { can } from '../session';
import { call, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { ProblemNotice, ProblemView, Skeleton } from '../ui/states';
import { useQueryParams } from '../ui/url';
import { isActive, shareDone, timeLeft, timeTaken } from './job';
import { JobControls } from './JobControls';
import { ERRORS_PER_PAGE, JobErrors } from './JobErrors';
import { JobProgress } from './JobProgress';
import { JobStateChip } from './JobStateChip';
import { selectionText } from './selection';

// Somebody else may resume a paused job.
const paceOfJob = (job: Job) => (isActive(job.state) ? 1000 : job.state === 'PAUSED' ? 5000 : null);

export function JobDetail({ id, me }: { id: string; me: Me }) {
  const m = msg.value;
  const query = useQuery<Job>(`/jobs/${encodeURIComponent(id)}`, paceOfJob);
  const job = query.data;
  const name = job ? `${label(job.label, job.name)} · ${m.job(id)}` : m.job(id);
  // The id comes from the address; only a number may become SQL.
  const sql = /^\d+$/.test(id) ? [call('get_job', { job_id: id })] : [];
  const cursor = useQueryParams().get('cursor') ?? '';
  if (job?.has_errors) {
    sql.push(call('list_job_errors', { job_id: job.id, cursor: cursor === '' ? undefined : literal(cursor), page_size: String(ERRORS_PER_PAGE) }));
  }
  return (
    <Page
      title={name}
      aside={job && <JobStateChip state={job.state} />}
      actions={(
        <>
          {job && can(me, `${job.name}:run`) && <JobControls job={job} onDone={query.reload} />}
          {sql.length > 0 && <CopySql calls={sql} />}
        </>
      )}
    >
      {query.problem && job === undefined ? (
        <ProblemView problem={query.problem} onRetry={query.reload}>
          {query.problem.status < 500 && <Link href="/jobs" class="button">{m.allJobs}</Link>}
        </ProblemView>
      )
        : job === undefined ? <Skeleton lines={6} />
        : (
          <>
            {query.problem && <ProblemNotice problem={query.problem} title={m.staleNotice} />}
            <JobBody job={job} audited={can(me, 'audit:read')} />
          </>
        )}
    </Page>
  );
}

function JobBody({ job, audited }: { job: Job; audited: boolean }) {
  const m = msg.value;
  const left = timeLeft(job, Date.now());
  const took = timeTaken(job);
  return (
    <>
      <Announcer job={job} />
      {job.error !== null && (
        <div class="notice bad">
          <Icon name="warning" />
          <div><p><strong>{m.jobError}</strong></p><p lang="en">{job.error}</p></div>
        </div>
      )}
      {job.wait_reason !== null && (
        <div class="notice">
          <div><p><strong>{m.waitReason}</strong></p><p lang="en">{job.wait_reason}</p></div>
        </div>
      )}
      <section class="panel" aria-label={m.progress}>
        <JobProgress job={job} large />
        <dl class="figures">
          <Figure name={m.changed} value={formatInteger(job.changed)} />
          <Figure name={m.skipped} value={formatInteger(job.skipped)} />
          <Figure name={m.failed} value={formatInteger(job.failed)} bad={job.failed > 0} />
          <Figure name={m.rate} value={job.rate === null ? '—' : m.ratePerSecond(formatInteger(job.rate))} />
          {took === null
            ? <Figure name={m.eta} value={left === null ? '—' : formatDuration(left)} />
            : <Figure name={m.took} value={formatTaken(took)} />}
        </dl>
      </section>
      {job.has_errors && <JobErrors job={job} audited={audited} />}
      <div class="columns">
        <section class="panel">
          <h2>{m.details}</h2>
          <dl class="facts">
            <Fact name={m.target}><span class="mono">{job.target}</span></Fact>
            <Fact name={m.selection}><span class="breakable">{job.selection_summary === null ? '—' : selectionText(job.selection_summary)}</span></Fact>
            {job.tenant && <Fact name={m.tenant}>{job.tenant.name}</Fact>}
            <Fact name={m.startedBy}>{job.actor_name ?? '—'}</Fact>
            <Fact name={m.onError}>{m.onErrorNames[job.on_error]}</Fact>
            <Fact name={m.parameters}><Params params={job.params} /></Fact>
          </dl>
          {audited && (
            <Link href={`/audit?job=${job.id}`} class="button">
              <Icon name="audit" />
              {m.showAuditOfJob}
            </Link>
          )}
        </section>
        <section class="panel">
          <h2>{m.timeline}</h2>
          <dl class="facts">
            <Fact name={m.created}><Moment at={job.created_at} /></Fact>
            <Fact name={m.started}><Moment at={job.started_at} /></Fact>
            <Fact name={m.finished}><Moment at={job.finished_at} /></Fact>
          </dl>
        </section>
      </div>
    </>
  );
}

/** Reads out the state and each quarter of the way, not every second. */
function Announcer({ job }: { job: Job }) {
  const m = msg.value;
  const quarter = Math.floor((shareDone(job) ?? 0) * 4) / 4;
  const [text, setText] = useState('');
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else setText(`${m.states[job.state]}, ${formatPercent(quarter)}`);
  }, [job.state, quarter]);
  return <p class="visually-hidden" role="status">{text}</p>;
}

function Figure({ name, value, bad }: { name: string; value: string; bad?: boolean }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class={bad ? 'bad-text' : ''}>{value}</dd>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Moment({ at }: { at: string | null }) {
  return at === null ? <>—</> : <time dateTime={at}>{formatFull(at)}</time>;
}

function Params({ params }: { params: Job['params'] }) {
  const entries = Object.entries(params ?? {});
  if (entries.length === 0) return <>{msg.value.none}</>;
  return (
    <ul class="plain-list">
      {entries.map(([key, value]) => (
        <li key={key}>
          <span class="mono">{key}</span> = <span class="mono">{typeof value === 'string' ? value : JSON.stringify(value)}</span>
        </li>
      ))}
    </ul>
  );
}
