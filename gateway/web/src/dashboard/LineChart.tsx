// One KPI over days as a line. The drawing is an image with a summary; the table beside it has every value.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { KpiSeries } from '../api/types';
import { formatDay, formatAmount, formatLongDay, label, msg } from '../i18n/i18n';
import { linePoints, niceTop, pathOf } from './kpi';

const HEIGHT = 220;
const margin = { top: 8, right: 12, bottom: 24, left: 8 };

export function LineChart({ series, days }: { series: KpiSeries; days: readonly string[] }) {
  const m = msg.value;
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<number | null>(null);

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const name = label(series.label, series.kpi);
  const values = series.values.map(Number);
  const top = niceTop(Math.max(...values, 0));
  const ticks = [top, top / 2, 0];
  const axis = 8 + Math.max(...ticks.map((tick) => formatAmount(String(tick)).length)) * 7;
  const plot = {
    left: margin.left + axis,
    width: Math.max(1, width - margin.left - axis - margin.right),
    height: HEIGHT - margin.top - margin.bottom,
  };
  const points = linePoints(values, plot.width, plot.height, top);
  const provisional = series.final.indexOf(false);
  // The solid line ends at the last final day; from there to today it is dashed.
  const solid = provisional < 0 ? points : points.slice(0, Math.max(1, provisional));
  const dashed = provisional < 0 ? [] : points.slice(Math.max(0, provisional - 1));
  const every = Math.max(1, Math.ceil(days.length / Math.max(2, Math.floor(plot.width / 72))));
  const shown = hover === null ? undefined : points[hover];

  const move = (event: PointerEvent & { currentTarget: SVGSVGElement }) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - plot.left;
    const index = Math.round((x / plot.width) * (values.length - 1));
    setHover(Math.min(values.length - 1, Math.max(0, index)));
  };

  return (
    <div class="chart" ref={frame}>
      {width > 0 && (
        <svg
          role="img"
          aria-label={m.chartSummary(
            name, days.length, formatAmount(lowest(series.values)), formatAmount(highest(series.values)),
            formatAmount(series.values.at(-1) ?? '0'),
          )}
          width={width}
          height={HEIGHT}
          onPointerMove={move}
          onPointerLeave={() => setHover(null)}
        >
          {ticks.map((tick) => {
            const y = margin.top + plot.height - (tick / top) * plot.height;
            return (
              <g key={tick}>
                <path class="grid-line" d={`M${plot.left} ${y}h${plot.width}`} />
                <text class="tick" x={plot.left - 8} y={y + 4} text-anchor="end">{formatAmount(String(tick))}</text>
              </g>
            );
          })}
          {days.map((day, i) => (days.length - 1 - i) % every === 0 && (
            <text
              key={day}
              class="tick"
              x={plot.left + (points[i]?.x ?? 0)}
              y={HEIGHT - 6}
              text-anchor={i === days.length - 1 ? 'end' : i === 0 ? 'start' : 'middle'}
            >
              {formatDay(day)}
            </text>
          ))}
          <g transform={`translate(${plot.left} ${margin.top})`}>
            <path class="area" d={`${pathOf(points)}V${plot.height}H0Z`} />
            <path class="line" d={pathOf(solid)} />
            <path class="line dashed" d={pathOf(dashed)} />
            {shown && <path class="cross" d={`M${shown.x} 0V${plot.height}`} />}
            {shown && <circle class="dot" cx={shown.x} cy={shown.y} r="4" />}
          </g>
        </svg>
      )}
      {hover !== null && (
        <p class="chart-readout" aria-hidden="true">
          <span class="muted">{formatLongDay(days[hover] ?? '')}</span>{' '}
          <strong>{formatAmount(series.values[hover] ?? '')}</strong>
          {series.final[hover] === false && <span class="muted"> · {m.provisional}</span>}
        </p>
      )}
    </div>
  );
}

const lowest = (values: readonly string[]) => values.reduce((a, b) => (Number(b) < Number(a) ? b : a), values[0] ?? '0');
const highest = (values: readonly string[]) => values.reduce((a, b) => (Number(b) > Number(a) ? b : a), values[0] ?? '0');
