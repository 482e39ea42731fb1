// Arithmetic of the dashboard: the range of days in the address, and what lines are made of. Pure.
import type { Kpi, KpiJob, KpiSummary, Period } from '../api/types';

export const presets = [7, 14, 30, 90] as const;
export const periods: readonly Period[] = ['day', 'week', 'month'];
const USUAL = 14;

/** The days that are shown: so many up to today, or from one day to another. */
export type Range = { days: number } | { from: string; to: string };

export function parseRange(query: URLSearchParams): Range {
  const from = query.get('from') ?? '';
  const to = query.get('to') ?? '';
  if (isDay(from) && isDay(to)) return { from, to };
  return { days: presets.find((days) => String(days) === query.get('days')) ?? USUAL };
}

/** The address with another range; the usual one needs no parameter. */
export function withRange(query: URLSearchParams, range: Range): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const name of ['days', 'from', 'to']) next.delete(name);
  if ('from' in range) {
    next.set('from', range.from);
    next.set('to', range.to);
  } else if (range.days !== USUAL) {
    next.set('days', String(range.days));
  }
  return next;
}

export function daysOf(range: Range, today: string): { first: string; last: string } {
  return 'from' in range ? { first: range.from, last: range.to } : { first: daysBefore(today, range.days - 1), last: today };
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
}

/** The day `count` days before another; days are calendar days without a zone. */
export function daysBefore(day: string, count: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() - count);
  return date.toISOString().slice(0, 10);
}

/** Whether the range has every day of a period: the first and the last one may be cut by it. */
export function isWhole(by: Period, period: string, first: string, last: string): boolean {
  return period >= first && lastDayOf(by, period) <= last;
}

function lastDayOf(by: Period, period: string): string {
  if (by !== 'month') return daysBefore(period, by === 'week' ? -6 : 0);
  const [year = 0, month = 1] = period.split('-').map(Number);
  return new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10);
}

/** Which of a KPI's values can be compared with each other: those that are final, of whole periods. */
export function comparable({ sparkline_final }: Pick<Kpi, 'sparkline_final'>, { by, periods, first_day, last_day }: KpiSummary): boolean[] {
  return sparkline_final.map((final, i) => final && isWhole(by, periods[i] ?? '', first_day, last_day));
}

/** How many days there are from one to another, both counted. */
export function countDays(first: string, last: string): number {
  return Math.round((Date.parse(last) - Date.parse(first)) / 86_400_000) + 1;
}

/** Today's date in a time zone, as the API writes days. */
export function dayIn(timeZone: string, now = new Date()): string {
  const parts = new Intl.DateTimeFormat('en', { year: 'numeric', month: '2-digit', day: '2-digit', timeZone }).formatToParts(now);
  const part = (type: string) => parts.find((p) => p.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}`;
}

/** A number to draw; null for what has no place on a scale. */
export function drawable(value: string): number | null {
  const number = Number(value);
  return value !== '' && Number.isFinite(number) ? number : null;
}

type Line = (number | null)[];

/**
 * One line as two: solid between values that are comparable, dashed on both sides of one that is not. A value belongs to each of
 * the two that begins or ends at it; one alone is solid.
 */
export function splitLine(values: readonly (number | null)[], comparable: readonly boolean[]): { solid: Line; dashed: Line } {
  const joins = (i: number, wanted: boolean) =>
    i > 0 && i < values.length && (comparable[i - 1] === true && comparable[i] === true) === wanted;
  const part = (wanted: boolean): Line =>
    values.map((value, i) => (joins(i, wanted) || joins(i + 1, wanted) || (values.length === 1 && wanted) ? value : null));
  return { solid: part(true), dashed: part(false) };
}

/** An SVG path through the points of a box, whose scale holds zero; y grows downwards, and nulls are gaps. */
export function sparkPath(line: readonly (number | null)[], all: readonly (number | null)[], width: number, height: number): string {
  const numbers = all.filter((value) => value !== null);
  const top = Math.max(0, ...numbers);
  const bottom = Math.min(0, ...numbers);
  const step = line.length > 1 ? width / (line.length - 1) : 0;
  const scale = top === bottom ? 0 : height / (top - bottom);
  return line.map((value, i) => {
    if (value === null) return '';
    const command = i === 0 || line[i - 1] === null ? 'M' : 'L';
    return `${command}${(i * step).toFixed(1)} ${(height - (value - bottom) * scale).toFixed(1)}`;
  }).join('');
}

export function jobsOf(jobs: readonly KpiJob[], period: string): KpiJob[] {
  return jobs.filter((job) => job.period === period);
}

/** How long a bar is beside the longest, from 0 to 1. */
export function shareOf(value: string, values: readonly string[]): number {
  const top = Math.max(0, ...values.map((text) => drawable(text) ?? 0));
  return top === 0 ? 0 : Math.max(0, (drawable(value) ?? 0) / top);
}
