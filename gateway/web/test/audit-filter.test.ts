// The audit log's filter survives the way through its URL; keys and buckets become what they mean.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../src/api/types';
import { apiFilter, keyField, parseAuditFilter, writeAuditFilter } from '../src/audit/audit-filter';
import { bucketsOf, stepTo } from '../src/audit/buckets';
import { fieldsOf } from '../src/audit/diff';
import { historyOfEntry } from '../src/audit/row-path';

test('what is written is read back, and nothing else', () => {
  const filter = { actor: '50% & more', from: '2026-11-26T09:00:00.000Z', target: 'shop.product', key: '5' };
  assert.deepEqual(parseAuditFilter(writeAuditFilter(filter)), filter);
  assert.deepEqual(parseAuditFilter(new URLSearchParams('actor=+&cursor=x&colour=red')), {});
  assert.equal(apiFilter({}), null);
});

test('a key is a value, or an object of the columns', () => {
  assert.deepEqual(apiFilter({ target: 'a.b', key: '5' }), { target: 'a.b', key: '5' });
  assert.deepEqual(apiFilter({ key: '{"a":1,"b":"x"}' }), { key: { a: 1, b: 'x' } });
  assert.deepEqual(apiFilter({ key: '{not json' }), { key: '{not json' });
  for (const key of [{ id: '5' }, { a: '1', b: 'x' }, { name: '{odd' }]) {
    const read = apiFilter({ key: keyField(key) })?.key;
    assert.deepEqual(read, key.id === undefined ? key : '5');
  }
});

test('buckets are equally long, and a single entry among many is seen', () => {
  const buckets = bucketsOf({ from: '2026-11-26T09:00:00Z', to: '2026-11-26T09:04:00Z', counts: [1000, 0, 1, 500], total: 1501, capped: false });
  assert.deepEqual(buckets.map(({ from }) => from.slice(11, 19)), ['09:00:00', '09:01:00', '09:02:00', '09:03:00']);
  assert.equal(buckets[3]?.to, '2026-11-26T09:04:00.000Z');
  assert.deepEqual(buckets.map(({ height }) => height), [1, 0, 0.06, 0.5]);
});

test('keys lead from bar to bar, and not beyond the last', () => {
  assert.deepEqual(['ArrowLeft', 'ArrowRight', 'Home', 'End', 'a'].map((key) => stepTo(key, 3, 3)), [2, 3, 0, 3, null]);
  assert.equal(stepTo('ArrowLeft', 0, 3), 0);
});

test('then and now: what differs comes first, and a side without the row has no values', () => {
  assert.deepEqual(fieldsOf({ id: '1', price: '9' }, { id: '1', price: '8', stock: '2' }, []).map(({ field, differs }) => [field, differs]),
    [['price', true], ['stock', true], ['id', false]]);
  assert.deepEqual(fieldsOf(null, { id: '1' }, ['name', 'id']), [{ field: 'id', was: undefined, is: '1', differs: true }]);
  assert.deepEqual(fieldsOf(null, null, ['id']), []);
  assert.deepEqual(fieldsOf(null, { d: 1, id: 1, name: 1 }, ['id', 'name', 'price']).map(({ field }) => field), ['id', 'name', 'd']);
});

test('an entry leads to the history of its record where the table is a resource', () => {
  const product = { name: 'product', target: 'shop.product', key: 'id' } as Resource;
  assert.equal(historyOfEntry({ target: 'shop.product', target_pk: { id: 'a/b' } }, [product]), '/resources/product/a%2Fb/history');
  for (const entry of [{ target: 'shop.other', target_pk: { id: '1' } }, { target: 'shop.product', target_pk: null }, { target: null, target_pk: null }]) {
    assert.equal(historyOfEntry(entry, [product]), null);
  }
});
