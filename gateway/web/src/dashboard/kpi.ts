// Arithmetic of the dashboard: ranges of days, changes, and the points of a line. Pure.
import type { KpiReport, KpiSeries } from '../api/types';

export const ranges = [7, 14, 30, 90] as const;
export type Range = (typeof ranges)[number];

export function parseRange(text: string | null): Range {
  return ranges.find((range) => String(range) === text) ?? 14;
}

/** The day `count` days before another; days are calendar days without a zone. */
export function daysBefore(day: string, count: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() - count);
  return date.toISOString().slice(0, 10);
}

export interface Today {
  value: string;
  yesterday: string | null;
  /** Relative change against yesterday, null where yesterday was zero or is not known. */
  change: number | null;
  /** Whether the day is over and counted; a part of a day is no better or worse than a whole one. */
  final: boolean;
}

export function todayOf(series: KpiSeries, report: Pick<KpiReport, 'today' | 'days'>): Today | null {
  const at = report.days.indexOf(report.today);
  const value = series.values[at];
  if (value === undefined) return null;
  const yesterday = series.values[at - 1] ?? null;
  const before = Number(yesterday ?? 0);
  return { value, yesterday, change: before === 0 ? null : (Number(value) - before) / before, final: series.final[at] ?? false };
}

export interface Point {
  x: number;
  y: number;
}

/** Points of a line inside a box; y grows downwards and the scale begins at zero. */
export function linePoints(values: readonly number[], width: number, height: number, top: number): Point[] {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  return values.map((value, i) => ({ x: i * step, y: top === 0 ? height : height - (value / top) * height }));
}

export function pathOf(points: readonly Point[]): string {
  return points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

/** A round number at or above the value, for the top of the scale. */
export function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 2.5, 5, 10].find((f) => f * power >= value) ?? 10;
  return factor * power;
}
