// "Copy as SQL": what a person pastes into psql must say exactly what the page asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, jsonLiteral, literal, transaction } from '../src/sql/sql';

test('quotes are doubled', () => {
  assert.equal(literal("O'Brien"), "'O''Brien'");
  assert.equal(literal("'; DROP TABLE x; --"), "'''; DROP TABLE x; --'");
});

test('a backslash makes an escape string, whatever standard_conforming_strings says', () => {
  assert.equal(literal("a\\'b"), "E'a\\\\''b'");
});

test('what a terminal would obey, or not show, is escaped: a value can come from a link', () => {
  assert.equal(literal('x\x03\n\\! id'), "E'x\\u0003\\u000a\\\\! id'");
  assert.equal(literal('\x7f \x9b \u202e \u2066 \u2028'), "E'\\u007f \\u009b \\u202e \\u2066 \\u2028'");
  assert.equal(jsonLiteral({ a: '\x03\x9b' }), "E'{\"a\":\"\\\\u0003\\u009b\"}'::jsonb");
  assert.equal(literal('한국어 \u200d é 😀'), "'한국어 \u200d é 😀'");
});

test('null is NULL', () => {
  assert.equal(literal(null), 'NULL');
  assert.equal(jsonLiteral(null), 'NULL');
});

test('json is one literal with a cast', () => {
  assert.equal(jsonLiteral({ and: [{ column: 'name', op: '=', value: "it's" }] }),
    `'{"and":[{"column":"name","op":"=","value":"it''s"}]}'::jsonb`);
});

test('absent arguments are left out of a call', () => {
  assert.equal(call('list_rows', { resource: literal('product'), search: undefined, page_size: '50' }),
    "SELECT opsadmin.list_rows(resource => 'product', page_size => 50);");
});

test('a transaction binds the context first and commits last', () => {
  assert.equal(transaction('kim@shop.example', 'acme', ['SELECT 1;']), [
    'BEGIN;',
    "SELECT opsadmin.begin_as('kim@shop.example', 'acme', 'copied from the page');",
    'SELECT 1;',
    'COMMIT;',
    '',
  ].join('\n'));
  assert.match(transaction('kim@shop.example', null, []), /begin_as\('kim@shop\.example', NULL, /);
});
