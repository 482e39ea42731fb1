// How many entries there are over time: bars that narrow the time down, by pointer and by keyboard, or a table.
import { useRef, useState } from 'preact/hooks';
import type { AuditHistogram } from '../api/types';
import { formatInteger, formatStamp, msg } from '../i18n/i18n';
import { Segments } from '../ui/Preferences';
import { type Bucket, bucketsOf, stepTo } from './buckets';

const WIDTH = 960;
const HEIGHT = 56;

interface Props {
  histogram: AuditHistogram;
  view: 'chart' | 'table';
  onView: (view: 'chart' | 'table') => void;
  onRange: (from: string, to: string) => void;
}

export function Histogram({ histogram, view, onView, onRange }: Props) {
  const m = msg.value;
  const buckets = bucketsOf(histogram);
  const total = formatInteger(histogram.total);
  return (
    <section class="panel histogram">
      <header class="histogram-head">
        <p role="status">
          {histogram.capped ? m.newestCounted(total) : m.entryCount(total, histogram.total === 1)}
        </p>
        <Segments
          label={m.view}
          options={[{ value: 'chart', text: m.chart }, { value: 'table', text: m.table }]}
          value={view}
          onChoose={onView}
        />
      </header>
      {view === 'table'
        ? <Counts buckets={buckets.filter((bucket) => bucket.count > 0)} onRange={onRange} />
        : <Bars buckets={buckets} onRange={onRange} />}
      <p class="histogram-ends muted small">
        <time dateTime={histogram.from}>{formatStamp(histogram.from)}</time>
        <time dateTime={histogram.to}>{formatStamp(histogram.to)}</time>
      </p>
    </section>
  );
}

interface BucketsProps {
  buckets: readonly Bucket[];
  onRange: (from: string, to: string) => void;
}

/** One of the bars is in the order of Tab; the arrow keys, Home and End lead to the others. */
function Bars({ buckets, onRange }: BucketsProps) {
  const m = msg.value;
  const [current, setCurrent] = useState(buckets.length - 1);
  const frame = useRef<SVGSVGElement>(null);
  const step = WIDTH / buckets.length;
  const here = Math.min(current, buckets.length - 1);

  const move = (event: KeyboardEvent, index: number, bucket: Bucket) => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      if (bucket.count > 0) onRange(bucket.from, bucket.to);
      return;
    }
    const next = stepTo(event.key, index, buckets.length - 1);
    if (next === null) return;
    event.preventDefault();
    setCurrent(next);
    frame.current?.querySelectorAll<SVGGElement>('.bucket')[next]?.focus();
  };

  return (
    <svg ref={frame} class="bars" role="group" aria-label={m.barsHelp} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
      {buckets.map((bucket, i) => {
        const text = `${formatStamp(bucket.from)} – ${formatStamp(bucket.to)}: ${m.entryCount(formatInteger(bucket.count), bucket.count === 1)}`;
        return (
          <g
            key={bucket.from}
            class="bucket"
            role="button"
            tabIndex={i === here ? 0 : -1}
            aria-label={text}
            aria-disabled={bucket.count === 0}
            onKeyDown={(event) => move(event, i, bucket)}
            onFocus={() => setCurrent(i)}
            onClick={() => bucket.count > 0 && onRange(bucket.from, bucket.to)}
          >
            <title>{text}</title>
            <rect class="ground" x={i * step} y={0} width={step} height={HEIGHT} />
            <rect class="bar" x={i * step + step * 0.1} y={HEIGHT * (1 - bucket.height)} width={step * 0.8} height={HEIGHT * bucket.height} />
          </g>
        );
      })}
      <path class="grid-line" d={`M0 ${HEIGHT}H${WIDTH}`} />
    </svg>
  );
}

function Counts({ buckets, onRange }: BucketsProps) {
  const m = msg.value;
  return (
    <div class="table-frame counts" role="region" aria-label={m.overTime} tabIndex={0}>
      <table class="table">
        <thead>
          <tr><th scope="col">{m.from}</th><th scope="col">{m.to}</th><th scope="col" class="number">{m.entries}</th></tr>
        </thead>
        <tbody>
          {buckets.map((bucket) => (
            <tr key={bucket.from}>
              <td>
                <button type="button" class="link-button" onClick={() => onRange(bucket.from, bucket.to)}>
                  <time dateTime={bucket.from}>{formatStamp(bucket.from)}</time>
                </button>
              </td>
              <td><time dateTime={bucket.to}>{formatStamp(bucket.to)}</time></td>
              <td class="number">{formatInteger(bucket.count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
