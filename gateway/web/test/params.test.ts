// Parameters of an action: checked as the registry says, and sent as JSON.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActionParam } from '../src/api/types';
import { flawOf, initialText, paramsBody } from '../src/resources/params';

const label = { en: 'x', ko: 'x' };
const percent: ActionParam = { name: 'percent', label, type: 'numeric', min: 1, max: 90, required: true, default: 10 };
const note: ActionParam = { name: 'note', label, type: 'text' };

test('the default is filled in', () => {
  assert.equal(initialText(percent, 'UTC'), '10');
  assert.equal(initialText(note, 'UTC'), '');
});

test('bounds, kind and presence are checked', () => {
  assert.equal(flawOf(percent, ''), 'required');
  assert.equal(flawOf(percent, '0'), 'min');
  assert.equal(flawOf(percent, '90.01'), 'max');
  assert.equal(flawOf(percent, 'ten'), 'number');
  assert.equal(flawOf({ ...percent, type: 'integer' }, '1.5'), 'integer');
  assert.equal(flawOf(percent, ' 90 '), null);
  assert.equal(flawOf(note, ''), null);
});

test('an optional parameter left empty is left out', () => {
  assert.deepEqual(paramsBody([percent, note], { percent: '12.5', note: ' ' }, 'UTC'), { percent: 12.5 });
});
