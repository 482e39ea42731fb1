// The language of the page and what depends on it: the catalog, labels from the registry, numbers and dates.
import { computed, signal } from '@preact/signals';
import type { Label, Period } from '../api/types';
import type { Problem } from '../api/request';
import { recall, remember } from '../storage';
import { type Catalog, en } from './en';
import { errors } from './errors';
import { ko } from './ko';
import { isZone } from './zone';

export type Language = 'en' | 'ko';

const KEY = 'opsadmin-language';
const catalogs: Record<Language, Catalog> = { en, ko };

export const language = signal<Language>(firstLanguage());
export const msg = computed<Catalog>(() => catalogs[language.value]);

/** The zone in which moments are told and entered: the tenant's, or the browser's where there is none. */
export const timeZone = signal<string | undefined>(undefined);

export function chooseTimeZone(name: string | undefined): void {
  timeZone.value = name !== undefined && isZone(name) ? name : undefined;
}

export const timeZoneName = () => timeZone.value ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;

function firstLanguage(): Language {
  return (recall(KEY) ?? navigator.language).startsWith('ko') ? 'ko' : 'en';
}

export function chooseLanguage(next: Language): void {
  language.value = next;
  remember(KEY, next);
}

export function label(text: Label | null | undefined, fallback: string): string {
  return text?.[language.value] || text?.en || fallback;
}

/** The sentence for a problem: ours by its code, else what the server said. */
export function problemText(problem: Problem): string {
  if (problem.code === 'OFFLINE') return msg.value.offlineText;
  // A proxy's own page, when the gateway is away.
  if (problem.code.startsWith('HTTP5')) return msg.value.serverText;
  const known = (errors as Record<string, Label>)[problem.code];
  return known ? known[language.value] : problem.detail || problem.title || msg.value.unexpected;
}

interface Formats {
  integer: Intl.NumberFormat;
  percent: Intl.NumberFormat;
  seconds: Intl.NumberFormat;
  dateTime: Intl.DateTimeFormat;
  stamp: Intl.DateTimeFormat;
  shortDate: Intl.DateTimeFormat;
  full: Intl.DateTimeFormat;
  time: Intl.DateTimeFormat;
  day: Intl.DateTimeFormat;
  longDay: Intl.DateTimeFormat;
  days: Intl.DateTimeFormat;
  month: Intl.DateTimeFormat;
  shortMonth: Intl.DateTimeFormat;
  weekday: Intl.DateTimeFormat;
  compact: Intl.NumberFormat;
}

const formats = computed<Formats>(() => {
  const tag = language.value === 'ko' ? 'ko-KR' : 'en-GB';
  const clock = { timeZone: timeZone.value, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const date = { year: 'numeric', month: language.value === 'ko' ? '2-digit' : 'short', day: language.value === 'ko' ? '2-digit' : 'numeric' } as const;
  return {
    integer: new Intl.NumberFormat(tag, { maximumFractionDigits: 0 }),
    percent: new Intl.NumberFormat(tag, { style: 'percent', maximumFractionDigits: 0 }),
    seconds: new Intl.NumberFormat(tag, { style: 'unit', unit: 'second', unitDisplay: 'short', maximumFractionDigits: 1 }),
    dateTime: new Intl.DateTimeFormat(tag, { ...date, ...clock }),
    stamp: new Intl.DateTimeFormat(tag, { ...date, ...clock, second: '2-digit' }),
    shortDate: new Intl.DateTimeFormat(tag, { ...clock, month: 'short', day: 'numeric' }),
    full: new Intl.DateTimeFormat(tag, { timeZone: timeZone.value, dateStyle: 'full', timeStyle: 'long' }),
    time: new Intl.DateTimeFormat(tag, { ...clock, second: '2-digit' }),
    day: new Intl.DateTimeFormat(tag, { month: 'short', day: 'numeric', timeZone: 'UTC' }),
    longDay: new Intl.DateTimeFormat(tag, { year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', timeZone: 'UTC' }),
    days: new Intl.DateTimeFormat(tag, { year: 'numeric', month: 'short', day: 'numeric', timeZone: 'UTC' }),
    month: new Intl.DateTimeFormat(tag, { year: 'numeric', month: 'long', timeZone: 'UTC' }),
    shortMonth: new Intl.DateTimeFormat(tag, { year: '2-digit', month: 'short', timeZone: 'UTC' }),
    weekday: new Intl.DateTimeFormat(tag, { weekday: 'long', timeZone: 'UTC' }),
    compact: new Intl.NumberFormat(tag, { notation: 'compact', maximumFractionDigits: 1 }),
  };
});

const isDecimal = (text: string) => /^-?\d+(\.\d+)?$/.test(text);
const decimals = new Map<string, Intl.NumberFormat>();

/** Formats a decimal given as text with all its digits; it is never turned into a double. */
export function formatDecimal(value: string): string {
  const fraction = value.split('.')[1]?.length ?? 0;
  const key = `${language.value} ${fraction}`;
  let format = decimals.get(key);
  if (!format) {
    const digits = Math.min(fraction, 20);
    format = new Intl.NumberFormat(language.value === 'ko' ? 'ko-KR' : 'en-GB', {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    decimals.set(key, format);
  }
  return isDecimal(value) ? format.format(value as Intl.StringNumericLiteral) : value;
}

/** A sum or a count has at most two decimals, and none that are zero. */
const amount = (value: string) => value.replace(/(\.\d\d)\d+$/, '$1').replace(/\.0*$/, '');

export const formatAmount = (value: string) => formatDecimal(amount(value));

/** Amounts that stand below each other: all with the decimals that one of them needs. */
export function formatColumn(values: readonly string[]): string[] {
  const amounts = values.map(amount);
  const places = Math.max(0, ...amounts.map((text) => text.split('.')[1]?.length ?? 0));
  return amounts.map((text) => {
    const [whole, fraction = ''] = text.split('.');
    return formatDecimal(places > 0 && isDecimal(text) ? `${whole}.${fraction.padEnd(places, '0')}` : text);
  });
}

/** As formatAmount, but without decimals where they are noise. */
export function formatBrief(value: string): string {
  return Math.abs(Number(value)) < 1000 ? formatAmount(value) : formatInteger(Number(value));
}

export const formatInteger = (value: number) => formats.value.integer.format(value);
/** A number on an axis: 1.2M rather than 1,200,000. */
export const formatCompact = (value: number) => formats.value.compact.format(value);
export const formatPercent = (value: number) => formats.value.percent.format(value);
export const formatDateTime = (iso: string) => moment(formats.value.dateTime, iso);
export const formatStamp = (iso: string) => moment(formats.value.stamp, iso);
export const formatFull = (iso: string) => moment(formats.value.full, iso);
export const formatTime = (iso: string) => moment(formats.value.time, iso);

/** The time of what happened today, and the day of what did not. */
export function formatTimeOrDay(iso: string): string {
  const day = (at: string | number) => new Date(at).toLocaleDateString('en', { timeZone: timeZone.value });
  return day(iso) === day(Date.now()) ? formatTime(iso) : moment(formats.value.shortDate, iso);
}

// Intl throws for what is no date, and a date may come from the address bar.
function moment(format: Intl.DateTimeFormat, iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : format.format(date);
}

/** A calendar day (`2026-11-22`) is no moment: it is formatted as it is, in no zone. */
export const formatDay = (day: string) => moment(formats.value.day, `${day}T00:00:00Z`);
export const formatLongDay = (day: string) => moment(formats.value.longDay, `${day}T00:00:00Z`);
export const formatShortMonth = (day: string) => moment(formats.value.shortMonth, `${day}T00:00:00Z`);
export const formatWeekday = (day: string) => moment(formats.value.weekday, `${day}T00:00:00Z`);

/** A day, a week or a month by its first day. */
export function formatPeriod(by: Period, day: string): string {
  if (by === 'day') return formatLongDay(day);
  return by === 'week' ? msg.value.weekOf(moment(formats.value.days, `${day}T00:00:00Z`)) : moment(formats.value.month, `${day}T00:00:00Z`);
}

/** A range of days, such as 13–26 Nov 2026. */
export function formatDays(first: string, last: string): string {
  return formats.value.days.formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
}

/** A duration such as 0:40 or 1:02:05. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** How long something took: 0.3 sec, and from ten seconds on 0:10. */
export function formatTaken(milliseconds: number): string {
  return milliseconds < 10_000 ? formats.value.seconds.format(milliseconds / 1000) : formatDuration(milliseconds);
}
