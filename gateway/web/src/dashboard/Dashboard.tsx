// The first screen: today's KPIs, their course, the tenants by one of them, running jobs and the last changes; all of it is
// read again each minute. The range, the KPIs, the period, the tenant and the view are in the URL.
import { useEffect, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { AuditPage, JobPage, KpiRanking, KpiSummary, Me } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatDateTime, formatDays, formatFull, formatTime, formatTimeOrDay, formatWeekday, label, msg } from '../i18n/i18n';
import { isActive } from '../jobs/job';
import { JobProgress } from '../jobs/JobProgress';
import { paceOfJobs } from '../jobs/JobList';
import { JobStateChip } from '../jobs/JobStateChip';
import { can } from '../session';
import { call, literal } from '../sql/sql';
import { ChangeSummary, OpChip, Target, Who } from '../audit/AuditTable';
import { changesOf } from '../audit/diff';
import { CopySql } from '../ui/CopySql';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { Segments } from '../ui/Preferences';
import { Empty, ProblemNotice, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { dayIn, daysBefore, daysOf, parseRange, periods, withRange } from './kpi';
import { KpiCard } from './KpiCard';
import { KpiChart } from './KpiChart';
import { KpiTable } from './KpiTable';
import { RangePicker } from './RangePicker';
import { TenantRanking } from './TenantRanking';

const MINUTE = 60_000;
/** How many tenants are ranked. */
const FEW = 20;
const MANY = 200;

export function Dashboard({ me }: { me: Me }) {
  const m = msg.value;
  return (
    <>
      {can(me, 'kpi:read') ? <Kpis me={me} /> : <Page title={m.dashboard}>{null}</Page>}
      <div class="columns">
        <RunningJobs />
        {can(me, 'audit:read') && <RecentChanges />}
      </div>
    </>
  );
}

function Kpis({ me }: { me: Me }) {
  const m = msg.value;
  const [, navigate] = useLocation();
  const query = useQueryParams();
  const range = parseRange(query);
  const by = periods.find((period) => period === query.get('by')) ?? 'day';
  const view = query.get('view') === 'table' ? 'table' : 'chart';
  // Who acts in a tenant sees that one; staff who act in none may look at each.
  const chooses = me.site === 'internal' && me.tenant === null;
  const tenant = chooses ? query.get('tenant') : null;
  const tenantName = me.tenants.find((t) => t.slug === tenant)?.name ?? tenant;

  // The first guess is today in the tenant's zone; the answer knows which day it is, also after midnight.
  const [today, setToday] = useState(() => dayIn(me.tenant?.time_zone ?? 'UTC'));
  const { first, last } = daysOf(range, today);
  const answer = useQuery<KpiSummary>(withQuery('/kpi', { first_day: first, last_day: last, tenant, by }), () => MINUTE);
  const summary = answer.data;
  useEffect(() => {
    if (summary) setToday(summary.today);
  }, [summary?.today]);
  const chosen = summary?.kpis.find((k) => k.kpi === query.get('kpi')) ?? summary?.kpis[0];
  const other = summary?.kpis.find((k) => k.kpi === query.get('with') && k !== chosen) ?? null;
  const top = query.get('top') === String(MANY) ? MANY : FEW;
  const ranking = useQuery<KpiRanking>(
    chooses && chosen ? withQuery(`/kpi/${encodeURIComponent(chosen.kpi)}/ranking`, { first_day: first, last_day: last, page_size: top }) : null,
    () => MINUTE,
  );

  /** The address with one parameter changed; what is usual needs none. */
  const hrefWith = (name: string, value: string | null) => {
    const next = new URLSearchParams(query);
    if (value === null) next.delete(name);
    else next.set(name, value);
    return address('/', next);
  };
  const days = { first_day: `DATE ${literal(first)}`, last_day: `DATE ${literal(last)}` };
  const sql = [
    call('kpi_summary', { ...days, tenant: tenant === null ? undefined : literal(tenant), by: by === 'day' ? undefined : literal(by) }),
    ...(chooses && chosen ? [call('kpi_ranking', { kpi: literal(chosen.kpi), ...days, page_size: String(top) })] : []),
  ];

  return (
    <Page
      title={m.dashboard}
      aside={(
        <>
          {tenant !== null && (
            <Link href={hrefWith('tenant', null)} class="chip" aria-label={m.removeFilter(`${m.tenant}: ${tenantName}`)}>
              {tenantName}
              <Icon name="close" />
            </Link>
          )}
          {summary && <Freshness summary={summary} />}
        </>
      )}
      actions={(
        <>
          <RangePicker range={range} first={first} last={last} onChoose={(next) => navigate(address('/', withRange(query, next)))} />
          <CopySql calls={sql} />
        </>
      )}
    >
      {answer.problem && summary === undefined ? <ProblemView problem={answer.problem} onRetry={answer.reload} />
        : summary === undefined ? <Skeleton lines={24} />
        : chosen === undefined ? <Empty title={m.noKpis} />
        : (
          <div class="kpis" aria-busy={answer.loading}>
            {answer.problem && <ProblemNotice problem={answer.problem} title={m.staleNotice} />}
            {summary.stale && summary.as_of !== null && (
              <div class="notice" role="status">
                <Icon name="warning" />
                <p>
                  {m.staleFigures(formatDateTime(summary.as_of))}{' '}
                  {can(me, 'health:read') && <Link href="/findings">{m.findings}</Link>}
                </p>
              </div>
            )}
            <section aria-labelledby="today">
              <p class="kpi-lead">
                <strong id="today">{m.todaySoFar}</strong>{' '}
                <span class="muted">{m.besideWeekday(formatWeekday(daysBefore(summary.today, 7)))}</span>
              </p>
              <ul class="kpi-cards">
                {summary.kpis.map((kpi) => (
                  <KpiCard
                    key={kpi.kpi}
                    kpi={kpi}
                    summary={summary}
                    chosen={kpi === chosen}
                    onChoose={() => navigate(hrefWith('kpi', kpi === summary.kpis[0] ? null : kpi.kpi))}
                  />
                ))}
              </ul>
            </section>
            <section class="panel" aria-labelledby="trend">
              <header class="panel-head">
                <h2 id="trend">
                  {view === 'table' ? m.keyFigures : label(chosen.label, chosen.kpi)}{' '}
                  <span class="muted">{formatDays(summary.first_day, summary.last_day)}</span>
                </h2>
                <div class="panel-actions">
                  {view === 'chart' && summary.kpis.length > 1 && (
                    <label class="compare">
                      <span>{m.compareWith}</span>
                      <select value={other?.kpi ?? ''} onChange={(e) => navigate(hrefWith('with', e.currentTarget.value || null))}>
                        <option value="">{m.nothingElse}</option>
                        {summary.kpis.filter((k) => k !== chosen).map((k) => <option key={k.kpi} value={k.kpi}>{label(k.label, k.kpi)}</option>)}
                      </select>
                    </label>
                  )}
                  <Segments
                    label={m.period}
                    options={periods.map((period) => ({ value: period, text: m.periods[period] }))}
                    value={by}
                    onChoose={(next) => navigate(hrefWith('by', next === 'day' ? null : next))}
                  />
                  <Segments
                    label={m.view}
                    options={[{ value: 'chart', text: m.chart }, { value: 'table', text: m.table }]}
                    value={view}
                    onChoose={(next) => navigate(hrefWith('view', next === 'chart' ? null : next))}
                  />
                </div>
              </header>
              {view === 'table' ? <KpiTable summary={summary} /> : <KpiChart kpi={chosen} other={other} summary={summary} ofAll={chooses && tenant === null} />}
            </section>
            {chooses && (
              <TenantRanking
                kpi={chosen}
                ranking={ranking}
                current={tenant}
                hrefOf={(slug) => hrefWith('tenant', slug)}
                more={ranking.data?.rows.length === FEW ? hrefWith('top', String(MANY)) : null}
              />
            )}
          </div>
        )}
    </Page>
  );
}

function Freshness({ summary }: { summary: KpiSummary }) {
  const m = msg.value;
  if (summary.as_of === null) return <span class="muted">{m.notYetComputed}</span>;
  return (
    <span class={summary.stale ? 'stale' : 'muted'} title={formatFull(summary.as_of)}>
      {m.asOf((summary.stale ? formatDateTime : formatTime)(summary.as_of))}
    </span>
  );
}

function RunningJobs() {
  const m = msg.value;
  const jobs = useQuery<JobPage>('/jobs?page_size=25', (page) => paceOfJobs(page) ?? MINUTE);
  const running = jobs.data?.rows.filter((job) => isActive(job.state) || job.state === 'PAUSED') ?? [];
  return (
    <section class="panel" aria-labelledby="running">
      <header class="panel-head">
        <h2 id="running">{m.runningJobs}</h2>
        <Link href="/jobs">{m.showAll}</Link>
      </header>
      {jobs.problem && jobs.data === undefined ? <ProblemView problem={jobs.problem} onRetry={jobs.reload} />
        : jobs.data === undefined ? <Skeleton lines={3} />
        : running.length === 0 ? <p class="muted">{m.noRunningJobs}</p>
        : (
          <ul class="plain-list rows">
            {running.map((job) => (
              <li key={job.id} class="running-job">
                <Link href={`/jobs/${job.id}`} class="row-link">
                  <span class="key">#{job.id}</span> {label(job.label, job.name)}
                </Link>
                <JobStateChip state={job.state} />
                <JobProgress job={job} />
              </li>
            ))}
          </ul>
        )}
    </section>
  );
}

function RecentChanges() {
  const m = msg.value;
  const audit = useQuery<AuditPage>('/audit?page_size=8', () => MINUTE);
  return (
    <section class="panel" aria-labelledby="recent">
      <header class="panel-head">
        <h2 id="recent">{m.recentChanges}</h2>
        <Link href="/audit">{m.showAll}</Link>
      </header>
      {audit.problem && audit.data === undefined ? <ProblemView problem={audit.problem} onRetry={audit.reload} />
        : audit.data === undefined ? <Skeleton lines={5} />
        : audit.data.rows.length === 0 ? <p class="muted">{m.noChanges}</p>
        : (
          <ul class="plain-list rows">
            {audit.data.rows.map((entry) => (
              <li key={entry.id} class="recent-change">
                <time class="muted" dateTime={entry.created_at} title={formatFull(entry.created_at)}>{formatTimeOrDay(entry.created_at)}</time>
                <span><Who entry={entry} /></span>
                <OpChip op={entry.op} />
                <span><Target entry={entry} /></span>
                <ChangeSummary entry={entry} changes={changesOf(entry)} />
              </li>
            ))}
          </ul>
        )}
    </section>
  );
}
