// The arithmetic of the histogram: the time of each bucket and the height of its bar. Pure.
import type { AuditHistogram } from '../api/types';

export interface Bucket {
  from: string;
  to: string;
  count: number;
  /** From 0 to 1; what was counted at all is seen. */
  height: number;
}

export function bucketsOf({ from, to, counts }: AuditHistogram): Bucket[] {
  const start = Date.parse(from);
  const length = (Date.parse(to) - start) / counts.length;
  const top = Math.max(1, ...counts);
  const moment = (index: number) => new Date(start + length * index).toISOString();
  return counts.map((count, i) => ({
    from: moment(i), to: moment(i + 1), count, height: count === 0 ? 0 : Math.max(0.06, count / top),
  }));
}

/** Where the keys lead from a bar; null for a key that leads nowhere. */
export function stepTo(key: string, index: number, last: number): number | null {
  switch (key) {
    case 'ArrowLeft': return Math.max(0, index - 1);
    case 'ArrowRight': return Math.min(last, index + 1);
    case 'Home': return 0;
    case 'End': return last;
    default: return null;
  }
}
