// The first screen: today's KPIs, their course, running jobs and the last changes.
// The number of days, the KPI and the view are in the URL.
import { useEffect, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { AuditPage, JobPage, KpiReport, Me } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatTime, label, msg } from '../i18n/i18n';
import { isActive } from '../jobs/job';
import { JobProgress } from '../jobs/JobProgress';
import { paceOfJobs } from '../jobs/JobList';
import { JobStateChip } from '../jobs/JobStateChip';
import { can } from '../session';
import { call } from '../sql/sql';
import { ChangeSummary, OpChip, Who } from '../audit/AuditTable';
import { changesOf, keyText } from '../audit/diff';
import { CopySql } from '../ui/CopySql';
import { Page } from '../ui/Page';
import { Segments } from '../ui/Preferences';
import { Empty, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { daysBefore, parseRange, ranges } from './kpi';
import { KpiCard } from './KpiCard';
import { KpiTable } from './KpiTable';
import { LineChart } from './LineChart';

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
  const range = parseRange(query.get('days'));
  const view = query.get('view') === 'table' ? 'table' : 'chart';

  // The first guess is today in the tenant's zone; the report knows which day it is, also after midnight.
  const [lastDay, setLastDay] = useState(() => dayIn(me.tenant?.time_zone));
  const firstDay = daysBefore(lastDay, range - 1);
  const kpis = useQuery<KpiReport>(withQuery('/kpi', { first_day: firstDay, last_day: lastDay }), () => 60_000);
  const report = kpis.data;
  useEffect(() => {
    if (report) setLastDay(report.today);
  }, [report?.today]);
  const chosen = report?.series.find((s) => s.kpi === query.get('kpi')) ?? report?.series[0];

  const set = (name: string, value: string, usual: string) => {
    const next = new URLSearchParams(query);
    if (value === usual) next.delete(name);
    else next.set(name, value);
    navigate(address('/', next), { replace: true });
  };
  const sql = [call('kpi_report', { first_day: `DATE '${firstDay}'`, last_day: `DATE '${lastDay}'` })];

  return (
    <Page
      title={m.dashboard}
      aside={report && (
        <span class="muted">{report.computed_at === null ? m.notYetComputed : m.asOf(formatTime(report.computed_at))}</span>
      )}
      actions={
        <>
          <Segments
            label={m.range}
            options={ranges.map((days) => ({ value: String(days), text: m.days(days) }))}
            value={String(range)}
            onChoose={(days) => set('days', days, '14')}
          />
          <CopySql calls={sql} />
        </>
      }
    >
      {kpis.problem && report === undefined ? <ProblemView problem={kpis.problem} onRetry={kpis.reload} />
        : report === undefined ? <Skeleton lines={8} />
        : chosen === undefined ? <Empty title={m.noKpis} />
        : (
          <>
            <section aria-label={m.today}>
              <ul class="kpi-cards">
                {report.series.map((series) => (
                  <KpiCard
                    key={series.kpi}
                    series={series}
                    report={report}
                    chosen={view === 'chart' && series === chosen}
                    onChoose={() => set('kpi', series.kpi, report.series[0]?.kpi ?? '')}
                  />
                ))}
              </ul>
            </section>
            <section class="panel" aria-labelledby="trend">
              <header class="panel-head">
                <h2 id="trend">{view === 'table' ? m.days(report.days.length) : m.trend(label(chosen.label, chosen.kpi), report.days.length)}</h2>
                <Segments
                  label={m.view}
                  options={[{ value: 'chart', text: m.chart }, { value: 'table', text: m.table }]}
                  value={view}
                  onChoose={(next) => set('view', next, 'chart')}
                />
              </header>
              {view === 'table' ? <KpiTable report={report} /> : <LineChart series={chosen} days={report.days} />}
            </section>
          </>
        )}
    </Page>
  );
}

function RunningJobs() {
  const m = msg.value;
  const jobs = useQuery<JobPage>('/jobs?page_size=25', paceOfJobs);
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
  const audit = useQuery<AuditPage>('/audit?page_size=8');
  return (
    <section class="panel" aria-labelledby="recent">
      <header class="panel-head">
        <h2 id="recent">{m.recentChanges}</h2>
        <Link href="/audit">{m.showAll}</Link>
      </header>
      {audit.problem ? <ProblemView problem={audit.problem} onRetry={audit.reload} />
        : audit.data === undefined ? <Skeleton lines={5} />
        : audit.data.rows.length === 0 ? <p class="muted">{m.noChanges}</p>
        : (
          <ul class="plain-list rows">
            {audit.data.rows.map((entry) => (
              <li key={entry.id} class="recent-change">
                <time class="muted" dateTime={entry.created_at}>{formatTime(entry.created_at)}</time>
                <span><Who entry={entry} /></span>
                <OpChip op={entry.op} />
                <span><span class="mono">{entry.target}</span> <span class="key">{keyText(entry.target_pk)}</span></span>
                <ChangeSummary entry={entry} changes={changesOf(entry)} />
              </li>
            ))}
          </ul>
        )}
    </section>
  );
}

/** Today's date in a time zone, as the API writes days. */
function dayIn(timeZone: string | undefined): string {
  const parts = new Intl.DateTimeFormat('en', {
    year: 'numeric', month: '2-digit', day: '2-digit', ...(timeZone ? { timeZone } : {}),
  }).formatToParts(new Date());
  const part = (type: string) => parts.find((p) => p.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}`;
}
