// Today's value of one KPI, its change and its recent course; chosen, it is the one drawn large below.
import type { KpiReport, KpiSeries } from '../api/types';
import { formatBrief, formatPercent, label, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';
import { linePoints, pathOf, todayOf } from './kpi';

// For these, less is better.
const lowerIsBetter = new Set(['churned']);

interface Props {
  series: KpiSeries;
  report: KpiReport;
  chosen: boolean;
  onChoose: () => void;
}

export function KpiCard({ series, report, chosen, onChoose }: Props) {
  const m = msg.value;
  const name = label(series.label, series.kpi);
  const today = todayOf(series, report);
  return (
    <li>
      <button type="button" class="kpi-card" aria-pressed={chosen} onClick={onChoose}>
        <span class="kpi-name">{name}</span>
        <span class="kpi-value">{today === null ? '—' : formatBrief(today.value)}</span>
        <span class="kpi-foot">
          {today?.change !== null && today !== null && (
            <Change
              change={today.change}
              tone={!today.final ? '' : today.change > 0 === lowerIsBetter.has(series.kpi) ? 'bad' : 'good'}
            />
          )}
          {today?.yesterday && <span class="muted small">{m.versusYesterday(formatBrief(today.yesterday))}</span>}
        </span>
        <Sparkline values={series.values.map(Number)} />
      </button>
    </li>
  );
}

function Change({ change, tone }: { change: number; tone: '' | 'good' | 'bad' }) {
  const m = msg.value;
  const percent = formatPercent(Math.abs(change));
  const rounded = Math.round(change * 100);
  const word = rounded === 0 ? m.change.same : rounded > 0 ? m.change.up(percent) : m.change.down(percent);
  return (
    <span class={`change-chip ${rounded === 0 ? '' : tone}`}>
      <Icon name={rounded === 0 ? 'same' : rounded > 0 ? 'up' : 'down'} />
      <span aria-hidden="true">{percent}</span>
      <span class="visually-hidden">{word}</span>
    </span>
  );
}

function Sparkline({ values }: { values: readonly number[] }) {
  const width = 120;
  const height = 28;
  const points = linePoints(values, width, height - 4, Math.max(...values, 0));
  const last = points.at(-1);
  return (
    <svg class="sparkline" viewBox={`-2 -2 ${width + 4} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={`${pathOf(points)}V${height}H0Z`} class="area" />
      <path d={pathOf(points)} class="line" />
      {last && <path d={`M${last.x} ${last.y}h.01`} class="dot" />}
    </svg>
  );
}
