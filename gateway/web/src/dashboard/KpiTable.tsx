// Every value behind the chart: the periods down, the newest first, the KPIs across, and the jobs that are marks there.
import { Link } from 'wouter-preact';
import type { KpiSummary } from '../api/types';
import { formatColumn, formatDays, formatInteger, formatPeriod, label, msg } from '../i18n/i18n';
import { jobsOf } from './kpi';
import { stateOf } from './KpiChart';

export function KpiTable({ summary }: { summary: KpiSummary }) {
  const m = msg.value;
  const { by, kpis, jobs } = summary;
  const columns = kpis.map((k) => formatColumn(k.sparkline));
  return (
    <div class="table-frame" role="region" aria-label={`${m.table}, ${formatDays(summary.first_day, summary.last_day)}`} tabIndex={0}>
      <table class="table kpi-table">
        <thead>
          <tr>
            <th scope="col">{m.periods[by]}</th>
            {kpis.map((k) => <th key={k.kpi} scope="col" class="number">{label(k.label, k.kpi)}</th>)}
            {jobs.length > 0 && <th scope="col">{m.jobs}</th>}
          </tr>
        </thead>
        <tbody>
          {summary.periods.map((period, i) => (
            <tr key={period}>
              <th scope="row">
                {formatPeriod(by, period)} <span class="muted small">{stateOf(summary, kpis, i)}</span>
              </th>
              {kpis.map((k, at) => <td key={k.kpi} class="number">{columns[at]?.[i]}</td>)}
              {jobs.length > 0 && (
                <td>
                  {jobsOf(jobs, period).map((job) => (
                    <Link key={job.id} href={`/jobs/${job.id}`} class="block">{m.jobMark(label(job.label, job.id), formatInteger(job.changed))}</Link>
                  ))}
                </td>
              )}
            </tr>
          )).reverse()}
        </tbody>
      </table>
    </div>
  );
}
