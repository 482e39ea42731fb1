// Both catalogs have a text for each code of the server's table, and for no other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errors } from '../src/i18n/errors';

test('the catalogs and the server agree on the codes', () => {
  const table = readFileSync(new URL('../../../extension/core/errors.def', import.meta.url), 'utf8');
  const codes = [...table.matchAll(/^\w+\("(OA\d{3})"/gm)].map((match) => match[1]);
  assert.deepEqual(Object.keys(errors).sort(), codes.sort());
});

test('each code has a text in both languages', () => {
  for (const [code, text] of Object.entries(errors)) {
    assert.ok(text.en !== '' && /[가-힣]/.test(text.ko), code);
  }
});
