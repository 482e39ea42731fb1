// Today's value of one KPI as a part of the whole of the same weekday a week ago (a day that is not over is no decline), its
// course, and the value of the range beside that of the days before; chosen, it is the one that is drawn large below.
import type { Kpi, KpiSummary } from '../api/types';
import { formatBrief, formatPercent, label, msg } from '../i18n/i18n';
import { Change } from './Change';
import { comparable, countDays, drawable, sparkPath, splitLine } from './kpi';

interface Props {
  kpi: Kpi;
  summary: KpiSummary;
  chosen: boolean;
  onChoose: () => void;
}

export function KpiCard({ kpi, summary, chosen, onChoose }: Props) {
  const m = msg.value;
  const { today } = kpi;
  return (
    <li>
      <button type="button" class="kpi-card" aria-pressed={chosen} onClick={onChoose}>
        <span class="kpi-name">{label(kpi.label, kpi.kpi)}</span>
        {kpi.as_of === null ? <span class="muted">{m.notYetComputed}</span> : (
          <>
            <span class="kpi-value">{formatBrief(today.value)}</span>
            <span class="muted small">
              {today.change === null ? m.versus(formatBrief(today.same_weekday))
                : m.partOf(formatPercent(1 + Number(today.change)), formatBrief(today.same_weekday))}
            </span>
            <Sparkline kpi={kpi} summary={summary} />
            <span class="kpi-range">
              <span class="muted small">{m.overDays[kpi.over_days](countDays(summary.first_day, summary.last_day))}</span>
              <span class="kpi-foot">{formatBrief(kpi.value)} <Change change={kpi.change} /></span>
            </span>
          </>
        )}
      </button>
    </li>
  );
}

function Sparkline({ kpi, summary }: { kpi: Kpi; summary: KpiSummary }) {
  const width = 120;
  const height = 24;
  const values = kpi.sparkline.map(drawable);
  const { solid, dashed } = splitLine(values, comparable(kpi, summary));
  const path = (line: readonly (number | null)[]) => sparkPath(line, values, width, height);
  return (
    <svg class="sparkline" viewBox={`-2 -2 ${width + 4} ${height + 4}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path(solid)} class="line" />
      <path d={path(dashed)} class="line dashed" />
    </svg>
  );
}
