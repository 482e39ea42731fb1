// Selections: by key, by everything that matches, and exceptions from it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  everything, isEmpty, isSelected, keysBetween, nothing, selectionBody, sizeOf, withKeys,
} from '../src/resources/selection';

test('keys are added and taken away', () => {
  const two = withKeys(nothing, ['1', '2'], true);
  assert.ok(isSelected(two, '1') && !isSelected(two, '3'));
  assert.deepEqual(selectionBody(withKeys(two, ['1'], false), null, ''), { ids: ['2'] });
  assert.ok(isEmpty(withKeys(two, ['1', '2'], false)));
});

test('of everything that matches, single rows can be excluded and taken back', () => {
  const but = withKeys(everything, ['3', '4'], false);
  assert.ok(isSelected(but, '1') && !isSelected(but, '3') && !isEmpty(but));
  assert.equal(sizeOf(but, 48210), 48208);
  assert.equal(sizeOf(but, null), null);
  const filter = { and: [{ column: 'price', op: '>=' as const, value: 1 }] };
  assert.deepEqual(selectionBody(withKeys(but, ['4'], true), filter, 'tea'), { filter, search: 'tea', except: ['3'] });
  assert.deepEqual(selectionBody(everything, null, ''), { filter: null, search: null, except: [] });
});

test('a selection is not changed in place', () => {
  withKeys(nothing, ['1'], true);
  assert.ok(isEmpty(nothing));
});

test('a range goes either way and holds both ends', () => {
  assert.deepEqual(keysBetween(['a', 'b', 'c', 'd'], 'd', 'b'), ['b', 'c', 'd']);
  assert.deepEqual(keysBetween(['a', 'b'], 'x', 'b'), ['b']);
});
