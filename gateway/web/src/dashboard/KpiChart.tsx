// One KPI over time, beside another one if so chosen, drawn by uPlot. The plot is a slider over the periods: the arrow keys
// move along the line, and what is read there is its value. Jobs that changed many rows are marks above the line and
// links below it.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { Kpi, KpiJob, KpiSummary } from '../api/types';
import { stepTo } from '../audit/buckets';
import { formatAmount, formatCompact, formatDay, formatInteger, formatPeriod, formatShortMonth, label, language, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';
import { colourOf, usePlotLibrary, useThemeTurn, useWidth } from './drawing';
import { comparable, drawable, isWhole, jobsOf, splitLine } from './kpi';
import type { Plot } from './plot';

const HEIGHT = 240;

interface Props {
  kpi: Kpi;
  /** Another one to compare it with. */
  other: Kpi | null;
  summary: KpiSummary;
  /** The figures are those of all tenants, so a job's own is worth telling. */
  ofAll: boolean;
}

export function KpiChart({ kpi, other, summary, ofAll }: Props) {
  const m = msg.value;
  const { periods, by, jobs } = summary;
  const shown = other === null ? [kpi] : [kpi, other];
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const library = usePlotLibrary();
  const width = useWidth(frame);
  const theme = useThemeTurn();
  const [lefts, setLefts] = useState<number[]>([]);
  // The cursor is at a period, wherever that stands after the next answer.
  const [cursor, setCursor] = useState<string | null>(null);
  const found = cursor === null ? -1 : periods.indexOf(cursor);
  const index = found < 0 ? periods.length - 1 : found;

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null || width === 0 || library === null || library === 'failed') return undefined;
    const drawn = library.drawPlot(element, {
      width,
      height: HEIGHT,
      lines: shown.map((k, i) => {
        const values = k.sparkline.map(drawable);
        const whole = comparable(k, summary);
        return {
          ...splitLine(values, whole),
          rings: values.flatMap((value, at) => (value !== null && !whole[at] ? [at] : [])),
          colour: colourOf(element, i === 0 ? 'var(--accent)' : 'var(--second)'),
          area: i === 0 ? colourOf(element, 'color-mix(in srgb, var(--accent) 9%, transparent)') : null,
        };
      }),
      colours: {
        ground: colourOf(element, 'var(--surface)'),
        grid: colourOf(element, 'var(--border)'),
        text: colourOf(element, 'var(--muted)'),
      },
      font: `11px ${getComputedStyle(element).fontFamily}`,
      nameOfPoint: (i) => (by === 'month' ? formatShortMonth : formatDay)(periods[i] ?? ''),
      nameOfValue: formatCompact,
      // Where the keyboard is, a pointer that leaves changes nothing.
      onPoint: (i) => (i !== null || document.activeElement !== element) && setCursor(i === null ? null : (periods[i] ?? null)),
      onPlaced: setLefts,
    });
    plot.current = drawn;
    return () => {
      plot.current = null;
      drawn.destroy();
    };
  }, [kpi, other, summary, width, library, theme, language.value]);

  useLayoutEffect(() => plot.current?.pointAt(found < 0 ? null : found));

  if (library === 'failed') {
    return (
      <div class="notice" role="alert">
        <Icon name="warning" />
        <p>{m.chartFailed} <button type="button" class="link-button" onClick={() => location.reload()}>{m.reload}</button></p>
      </div>
    );
  }

  const move = (event: KeyboardEvent) => {
    const next = stepTo(event.key, index, periods.length - 1);
    if (next === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    setCursor(periods[next] ?? null);
  };
  const period = periods[index] ?? '';
  const cut = periods.some((at) => !isWhole(by, at, summary.first_day, summary.last_day));
  const open = shown.some((k) => k.sparkline_final.includes(false));
  const values = shown.map((k) => ({ kpi: k.kpi, name: label(k.label, k.kpi), value: formatAmount(k.sparkline[index] ?? '') }));
  const state = stateOf(summary, shown, index);
  const here = jobsOf(jobs, period);
  const spoken = [
    `${formatPeriod(by, period)}: ${values.map(({ name, value }) => (other === null ? value : `${name} ${value}`)).join(', ')}`,
    ...(state === null ? [] : [state]),
    ...here.map((job) => m.jobMark(label(job.label, job.id), formatInteger(job.changed))),
  ].join(', ');

  return (
    <div class="chart">
      <p class="chart-readout" aria-hidden="true">
        <span class="muted">{formatPeriod(by, period)}</span>
        {values.map(({ kpi: key, name, value }, i) => (
          <span key={key}>
            {other !== null && <><span class={i === 0 ? 'swatch' : 'swatch second'} />{name} </>}
            <strong>{value}</strong>
          </span>
        ))}
        {state !== null && <span class="muted">{state}</span>}
        {here.length > 0 && <span class="mark-text"><MarkShape />{here.map((job) => label(job.label, job.id)).join(', ')}</span>}
      </p>
      <div class="chart-body">
        <div
          ref={frame}
          class="chart-plot"
          role="slider"
          tabIndex={0}
          aria-label={m.chartLabel(values.map(({ name }) => name).join(', '))}
          aria-orientation="horizontal"
          aria-valuemin={1}
          aria-valuemax={periods.length}
          aria-valuenow={index + 1}
          aria-valuetext={spoken}
          aria-busy={library === null}
          onKeyDown={move}
          onFocus={() => setCursor(period)}
          onBlur={() => setCursor(null)}
        />
        {periods.map((at, i) => <Mark key={at} jobs={jobsOf(jobs, at)} left={lefts[i]} />)}
      </div>
      {(open || cut) && (
        <p class="chart-note muted small">
          <svg class="dash-sample" width="28" height="8" aria-hidden="true"><path d="M1 4H18" /><circle cx="23" cy="4" r="3" /></svg>
          <span>{open && m.provisionalNote} {cut && m.partialNote}</span>
        </p>
      )}
      {jobs.length > 0 && <BigJobs jobs={jobs} ofAll={ofAll} />}
    </div>
  );
}

/** In a word why a value cannot be compared with the others; null when it can. */
export function stateOf({ by, periods, first_day, last_day }: KpiSummary, kpis: readonly Kpi[], index: number): string | null {
  if (kpis.some((k) => k.sparkline_final[index] === false)) return msg.value.provisional;
  return isWhole(by, periods[index] ?? '', first_day, last_day) ? null : msg.value.partial;
}

/** For the pointer alone: the list below has the same links for everybody. */
function Mark({ jobs, left }: { jobs: readonly KpiJob[]; left: number | undefined }) {
  const largest = [...jobs].sort((a, b) => b.changed - a.changed)[0];
  if (largest === undefined || left === undefined) return null;
  const title = jobs.map((job) => msg.value.jobMark(label(job.label, job.id), formatInteger(job.changed))).join('\n');
  return (
    <Link class="chart-mark" href={`/jobs/${largest.id}`} style={{ left: `${left}px` }} title={title} aria-hidden="true" tabIndex={-1}>
      <MarkShape />
    </Link>
  );
}

function MarkShape() {
  return <svg class="mark" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><path d="M5 0l5 5-5 5-5-5z" /></svg>;
}

function BigJobs({ jobs, ofAll }: { jobs: readonly KpiJob[]; ofAll: boolean }) {
  const m = msg.value;
  return (
    <details class="big-jobs" open={jobs.length <= 4}>
      <summary><MarkShape />{m.bigJobs(formatInteger(jobs.length), jobs.length === 1)}</summary>
      <ul class="plain-list">
        {jobs.map((job) => (
          <li key={job.id}>
            <time class="muted" dateTime={job.day}>{formatDay(job.day)}</time>
            <Link href={`/jobs/${job.id}`}>{label(job.label, job.id)}</Link>
            <span class="muted">{m.changedRows(formatInteger(job.changed), job.changed === 1)}{ofAll && ` · ${job.tenant?.name ?? m.allTenants}`}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
