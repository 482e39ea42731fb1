// The state of a list survives the way through its URL, and becomes the filter that the API wants.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Column, ColumnType } from '../src/api/types';
import { filterOf, fits, nextSort, parseListState, plain, typed, writeListState } from '../src/resources/list-state';

const column = (name: string, type: ColumnType): Column => ({
  name, type, label: { en: name, ko: name }, list: true, filter: true, sort: true, search: false,
});
const columns = [column('price', 'numeric'), column('is_public', 'boolean'), column('name', 'text')];

test('what is written is read back', () => {
  const state = {
    search: '50% & more',
    conditions: [
      { column: 'price', op: '>=' as const, value: '1000.50' },
      { column: 'name', op: 'contains' as const, value: 'a.b=c&d' },
      { column: 'memo', op: 'is_null' as const, value: '' },
    ],
    sort: '-price',
    cursor: 'abc_-.',
    pageSize: 100,
  };
  assert.deepEqual(parseListState(new URLSearchParams(writeListState(state).toString())), state);
});

test('an empty state leaves nothing in the URL', () => {
  assert.equal(writeListState(parseListState(new URLSearchParams())).toString(), '');
});

test('what is not understood in the URL is ignored', () => {
  const state = parseListState(new URLSearchParams('f=price&f=.eq.1&f=price.like.1&size=7'));
  assert.deepEqual(state.conditions, []);
  assert.equal(state.pageSize, 50);
});

test('a filter holds values of the type of the column', () => {
  assert.deepEqual(filterOf([
    { column: 'price', op: '>=', value: '1000' },
    { column: 'is_public', op: '=', value: 'true' },
    { column: 'name', op: 'is_null', value: '' },
  ], columns), {
    and: [
      { column: 'price', op: '>=', value: 1000 },
      { column: 'is_public', op: '=', value: true },
      { column: 'name', op: 'is_null', value: true },
    ],
  });
  assert.equal(filterOf([], columns), null);
});

test('a number that a double cannot hold stays text', () => {
  assert.equal(typed('9007199254740993', 'bigint'), '9007199254740993');
  assert.equal(typed('12.50', 'numeric'), '12.50');
  assert.equal(typed('12.5', 'numeric'), 12.5);
});

test('typed values are checked by type', () => {
  assert.ok(fits('-12.5', 'numeric') && !fits('12,5', 'numeric') && !fits('1e3', 'numeric'));
  assert.ok(fits('12', 'integer') && !fits('1.5', 'integer'));
  assert.ok(fits('2026-11-22', 'date') && !fits('22.11.2026', 'date'));
  assert.ok(!fits('PAID', 'uuid') && fits('PAID', 'other') && !fits('', 'other'));
});

test('a number may be grouped as lists show it', () => {
  assert.equal(plain(' 1,234,567.50 ', 'numeric'), '1234567.50');
  assert.equal(plain('-1,000', 'bigint'), '-1000');
  for (const text of ['1,00', '12,5', ',100', '1,000,00']) assert.equal(plain(text, 'numeric'), text);
  assert.equal(plain('1,000', 'text'), '1,000');
});

test('a header sorts up, down, not at all', () => {
  assert.equal(nextSort('', 'price'), 'price');
  assert.equal(nextSort('price', 'price'), '-price');
  assert.equal(nextSort('-price', 'price'), '');
  assert.equal(nextSort('-price', 'name'), 'name');
});
