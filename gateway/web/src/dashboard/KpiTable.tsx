// Every value behind the charts: the days down, the KPIs across, the newest day first.
import type { KpiReport } from '../api/types';
import { formatAmount, formatLongDay, label, msg } from '../i18n/i18n';

export function KpiTable({ report }: { report: KpiReport }) {
  const m = msg.value;
  const title = `${m.table}, ${m.days(report.days.length)}`;
  return (
    <div class="table-frame" role="region" aria-label={title} tabIndex={0}>
      <table class="table">
        <caption class="visually-hidden">{title}</caption>
        <thead>
          <tr>
            <th scope="col">{m.day}</th>
            {report.series.map((s) => <th key={s.kpi} scope="col" class="number">{label(s.label, s.kpi)}</th>)}
          </tr>
        </thead>
        <tbody>
          {report.days.map((day, i) => (
            <tr key={day}>
              <th scope="row">
                {formatLongDay(day)}
                {report.series.some((s) => s.final[i] === false) && <span class="muted small"> {m.provisional}</span>}
              </th>
              {report.series.map((s) => <td key={s.kpi} class="number">{formatAmount(s.values[i] ?? '')}</td>)}
            </tr>
          )).reverse()}
        </tbody>
      </table>
    </div>
  );
}
