// What the dashboard draws: ranges of days in the address, lines that are final in part, and bars.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KpiSummary } from '../src/api/types';
import { comparable, countDays, dayIn, daysBefore, daysOf, drawable, isWhole, jobsOf, parseRange, shareOf, sparkPath, splitLine, withRange } from '../src/dashboard/kpi';

const query = (text: string) => new URLSearchParams(text);

test('a range is a number of days or two dates, and anything else the usual one', () => {
  assert.deepEqual(parseRange(query('')), { days: 14 });
  assert.deepEqual(parseRange(query('days=30')), { days: 30 });
  assert.deepEqual(parseRange(query('days=30&from=2026-10-01&to=2026-11-12')), { from: '2026-10-01', to: '2026-11-12' });
  for (const text of ['days=31', 'days=', 'from=2026-10-01', 'from=2026-13-01&to=2026-11-12', 'from=x&to=y']) {
    assert.deepEqual(parseRange(query(text)), { days: 14 }, text);
  }
});

test('a range is written as it is read, and the rest of the address stays', () => {
  for (const range of [{ days: 14 }, { days: 90 }, { from: '2026-10-01', to: '2026-11-12' }]) {
    const written = withRange(query('kpi=orders&days=7&from=a&to=b'), range);
    assert.equal(written.get('kpi'), 'orders');
    assert.deepEqual(parseRange(written), range);
  }
  assert.equal(withRange(query('days=7'), { days: 14 }).toString(), '');
});

test('days are counted by the calendar', () => {
  assert.equal(daysBefore('2026-03-01', 1), '2026-02-28');
  assert.deepEqual(daysOf({ days: 14 }, '2026-11-22'), { first: '2026-11-09', last: '2026-11-22' });
  assert.deepEqual(daysOf({ from: '2026-10-01', to: '2026-11-12' }, '2026-11-22'), { first: '2026-10-01', last: '2026-11-12' });
  assert.equal(countDays('2026-11-09', '2026-11-22'), 14);
  assert.equal(countDays('2026-10-20', '2026-11-02'), 14);
});

test('today is that of a time zone', () => {
  const now = new Date('2026-11-22T22:30:00Z');
  assert.equal(dayIn('UTC', now), '2026-11-22');
  assert.equal(dayIn('Asia/Seoul', now), '2026-11-23');
});

test('what is no number is not drawn', () => {
  assert.deepEqual(['12.5', '-3', 'NaN', 'Infinity', ''].map(drawable), [12.5, -3, null, null, null]);
});

test('a line is dashed on both sides of what is not final', () => {
  assert.deepEqual(splitLine([1, 2, 3, 4], [true, true, true, false]), { solid: [1, 2, 3, null], dashed: [null, null, 3, 4] });
  assert.deepEqual(splitLine([1, 2, 3, 4, 5], [true, true, false, true, true]), { solid: [1, 2, null, 4, 5], dashed: [null, 2, 3, 4, null] });
  assert.deepEqual(splitLine([1, 2], [true, true]), { solid: [1, 2], dashed: [null, null] });
  assert.deepEqual(splitLine([1, 2], [false, false]), { solid: [null, null], dashed: [1, 2] });
  assert.deepEqual(splitLine([1], [false]), { solid: [1], dashed: [null] });
});

test('a period is whole when the range has its first and its last day', () => {
  assert.ok(isWhole('day', '2026-11-09', '2026-11-09', '2026-11-09'));
  assert.ok(isWhole('week', '2026-11-09', '2026-11-09', '2026-11-15'));
  assert.ok(!isWhole('week', '2026-11-09', '2026-11-10', '2026-11-15') && !isWhole('week', '2026-11-09', '2026-11-09', '2026-11-14'));
  assert.ok(isWhole('month', '2028-02-01', '2028-02-01', '2028-02-29') && !isWhole('month', '2028-02-01', '2028-02-01', '2028-02-28'));
  assert.ok(isWhole('month', '2026-12-01', '2026-12-01', '2026-12-31'));
});

test('what is cut by the range is compared with nothing, as what is not final', () => {
  const summary = { by: 'week', periods: ['2026-10-26', '2026-11-02', '2026-11-09'], first_day: '2026-10-30', last_day: '2026-11-15' } as KpiSummary;
  assert.deepEqual(comparable({ sparkline_final: [true, true, false] }, summary), [false, true, false]);
});

test('a small line holds zero in its scale, and has gaps', () => {
  assert.equal(sparkPath([0, 10, 5], [0, 10, 5], 100, 20), 'M0.0 20.0L50.0 0.0L100.0 10.0');
  assert.equal(sparkPath([null, 10, 5], [0, 10, 5], 100, 20), 'M50.0 0.0L100.0 10.0');
  assert.equal(sparkPath([10, null, 10], [10, null, 10], 100, 20), 'M0.0 0.0M100.0 0.0');
  assert.equal(sparkPath([-5, 5], [-5, 5], 100, 20), 'M0.0 20.0L100.0 0.0');
  assert.equal(sparkPath([0, 0], [0, 0], 100, 20), 'M0.0 20.0L100.0 20.0');
});

test('jobs belong to the period in which they ended', () => {
  const job = (id: string, period: string) => ({ id, label: { en: '', ko: '' }, tenant: null, day: period, period, changed: 100 });
  assert.deepEqual(jobsOf([job('1', '2026-11-16'), job('2', '2026-11-23')], '2026-11-23').map((j) => j.id), ['2']);
});

test('bars are as long as their values, and what is below zero has none', () => {
  const values = ['200', '50', '-5', 'NaN'];
  assert.deepEqual(values.map((value) => shareOf(value, values)), [1, 0.25, 0, 0]);
  assert.equal(shareOf('0', ['0']), 0);
});
