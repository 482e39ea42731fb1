// Small pure parts: job arithmetic, audit differences, permissions, and the way back after sign-in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnType } from '../src/api/column-type';
import { permits } from '../src/api/permits';
import { changesOf } from '../src/audit/diff';
import { keyText, shareDone, timeLeft, toggleOf } from '../src/jobs/job';
import { safeNext } from '../src/sign-in/next';
import { siteOfPath } from '../src/site-of-path';

test('the share of a job is unknown before it is planned, and whole when it is done', () => {
  assert.equal(shareDone({ state: 'PENDING', total: null, processed: 0 }), null);
  assert.equal(shareDone({ state: 'RUNNING', total: 200, processed: 50 }), 0.25);
  assert.equal(shareDone({ state: 'DONE', total: 0, processed: 0 }), 1);
});

test('only a moving job has time left', () => {
  const eta = '2026-11-22T10:00:40Z';
  assert.equal(timeLeft({ state: 'RUNNING', eta }, Date.parse('2026-11-22T10:00:00Z')), 40_000);
  assert.equal(timeLeft({ state: 'DONE', eta }, 0), null);
});

test('a job that has ended can neither be paused nor resumed', () => {
  assert.deepEqual((['PENDING', 'PLANNING', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'CANCELLED'] as const).map(toggleOf),
    ['pause', 'pause', 'pause', 'resume', null, null, null]);
});

test('a key of one column is its value, one of several names them', () => {
  assert.equal(keyText({ id: '42' }), '42');
  assert.equal(keyText({ shop_id: '1', code: 'a b' }), 'shop_id = 1, code = a b');
});

test('an update shows the fields that differ, an insert all of them', () => {
  assert.deepEqual(changesOf({ before: { price: 100, name: 'a' }, after: { price: 90, name: 'a' } }),
    [{ field: 'price', before: 100, after: 90 }]);
  assert.deepEqual(changesOf({ before: null, after: { id: 1 } }), [{ field: 'id', before: undefined, after: 1 }]);
});

test('sign-in leads back only inside the site', () => {
  assert.equal(safeNext('/jobs/12?x=1'), '/jobs/12?x=1');
  for (const next of [null, '', '//evil.example', '/\\evil.example', 'https://evil.example', '/sign-in?next=/']) {
    assert.equal(safeNext(next), '/');
  }
});

test('the site is read from the path', () => {
  assert.equal(siteOfPath('/partner/jobs'), 'partner');
  assert.equal(siteOfPath('/partners'), 'internal');
});

test('types go by the names that PostgreSQL gives them', () => {
  assert.equal(columnType('timestamp with time zone'), 'timestamptz');
  assert.equal(columnType('character varying'), 'text');
  assert.equal(columnType('shop.order_state'), 'other');
});

test('permissions hold others by their stars', () => {
  assert.ok(permits(['*'], 'audit:read') && permits(['*:read'], 'audit:read') && permits(['audit:read'], 'audit:read'));
  assert.ok(!permits(['*:run', 'product:read'], 'audit:read') && !permits([], 'audit:read'));
});
