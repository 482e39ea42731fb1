// Every error code that is written down anywhere is in the one table, the server has that table, and the page
// has a text in both languages for each code and for no other. Needs no browser.
// topic: errors page
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { sql } from '../http/lib.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const table = [...readFileSync(`${root}extension/core/errors.def`, 'utf8').matchAll(/^OPSADMIN_ERROR\("(OA\d{3})", (\w+),/gm)];
const codes = table.map((match) => match[1]).sort();
const conditions = new Set(table.map((match) => match[2]));

// [path, word] for each match of the pattern in the sources below a folder.
function* words(pattern, folder) {
  for (const entry of readdirSync(root + folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist'].includes(entry.name)) yield* words(pattern, path);
    } else if (/\.(sql|cpp|h|ts|tsx|md)$/.test(entry.name)) {
      for (const [, word] of readFileSync(root + path, 'utf8').matchAll(pattern)) yield [path, word];
    }
  }
}

test('each code and each condition is in the table once', () => {
  assert.equal(new Set(codes).size, codes.length);
  assert.equal(conditions.size, codes.length);
});

test('the server has the codes of the table', () => {
  assert.deepEqual(sql('SELECT sqlstate FROM opsadmin.error_codes() ORDER BY sqlstate COLLATE "C"').split('\n'), codes);
});

test('the page has a text in English and in Korean for each code, and for no other', () => {
  const texts = readFileSync(`${root}gateway/web/src/i18n/errors.ts`, 'utf8').matchAll(/^ {2}(\w+): \{ en: '([^']+)', ko: '([^']+)' \},$/gm);
  const known = [...texts];
  assert.deepEqual(known.map((match) => match[1]).sort(), codes);
  for (const [, code, en, ko] of known) {
    assert.match(en, /^[\x20-\x7e]+$/, code);
    assert.match(ko, /[가-힣]/, code);
  }
});

test('no source and no document speaks of another code', () => {
  const found = ['sql', 'extension', 'gateway', 'docs'].flatMap((folder) => [...words(/\b(OA\d+)\b/g, folder)]);
  assert.ok(found.length > codes.length);
  assert.deepEqual(found.filter(([, code]) => !codes.includes(code)), []);
});

test('the server module names conditions of the table only', () => {
  const found = [...words(/\boa::(\w+)/g, 'extension')];
  assert.ok(found.length > 0);
  assert.deepEqual(found.filter(([, condition]) => !conditions.has(condition)), []);
});
