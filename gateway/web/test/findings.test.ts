// Findings: the filter survives the way through the URL, groups tell what a check found, and remedies are told apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../src/api/types';
import { countOf, groupsOf, isSql, parseFilter, writeFilter } from '../src/findings/finding';

const finding = (check: Finding['check'], level: Finding['level'], object: string): Finding =>
  ({ check, level, object, rule: 'rule', problem: 'problem', remedy: 'SELECT 1;' });
const findings = [finding('health', 'error', 'a'), finding('isolation', 'error', 'b'), finding('health', 'warning', 'c')];
const shown = (level: 'all' | Finding['level'], check: 'all' | Finding['check'], of: readonly Finding[] = findings) =>
  groupsOf(of, { level, check }).map((group) => [group.check, ...group.findings.map((f) => f.object)]);

test('the filter is in the URL, and what the URL says wrongly is no filter', () => {
  for (const filter of [{ level: 'all', check: 'all' }, { level: 'error', check: 'all' }, { level: 'warning', check: 'isolation' }] as const) {
    assert.deepEqual(parseFilter(writeFilter(filter)), filter);
  }
  assert.equal(writeFilter({ level: 'all', check: 'all' }).toString(), '');
  assert.deepEqual(parseFilter(new URLSearchParams('level=fatal&check=')), { level: 'all', check: 'all' });
});

test('findings come by check, in the order of the answer', () => {
  assert.deepEqual(shown('all', 'all'), [['health', 'a', 'c'], ['isolation', 'b']]);
  assert.deepEqual(shown('all', 'isolation'), [['isolation', 'b']]);
  assert.equal(countOf(findings, 'error'), 2);
});

test('a check that found nothing is told so, but not where findings are left out', () => {
  assert.deepEqual(shown('all', 'all', [finding('health', 'warning', 'c')]), [['health', 'c'], ['isolation']]);
  assert.deepEqual(shown('warning', 'all'), [['health', 'c']]);
  assert.deepEqual(shown('warning', 'isolation'), []);
});

test('a remedy is SQL when it begins with a statement, whatever comment stands before it', () => {
  for (const sql of ['ALTER TABLE a FORCE ROW LEVEL SECURITY;', 'CALL opsadmin.schedule();', '-- first this\nCREATE INDEX ON a (b);',
    "SELECT opsadmin.unprotect('a'); -- then protect() it", 'GRANT\n  SELECT ON a TO b;', 'BEGIN;\nDROP VIEW a;\nCOMMIT;']) assert.ok(isSql(sql), sql);
  for (const words of ['Look at SELECT * FROM cron.job_run_details; and mend it', 'local shop opsadmin_worker peer map=opsadmin', 'Select another column', '']) {
    assert.ok(!isSql(words), words);
  }
});
