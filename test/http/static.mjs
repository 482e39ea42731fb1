// The page's files: exact paths, compression, caching.
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Gateway, assertHeaders, assertProblem, env } from './lib.mjs';

const script = 'console.log("hello");\n'.repeat(100);
describe('static files', () => {
  let directory;
  let gateway;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'opsadmin-web-'));
    mkdirSync(join(directory, 'assets'));
    writeFileSync(join(directory, 'index.html'), '<!doctype html>');
    writeFileSync(join(directory, 'assets/app-1a2b.js'), script);
    writeFileSync(join(directory, 'assets/tiny.css'), 'a{}');
    gateway = await Gateway.start('--web', directory);
  });
  after(async () => {
    await gateway.stop();
    rmSync(directory, { recursive: true });
  });

  const tagOf = (answer) => {
    assert.match(answer.headers.etag, /^"[0-9a-f]{32}"$/);
    return { etag: answer.headers.etag };
  };

  test('every address of both sites is the page', async () => {
    for (const path of ['/admin', '/admin/', '/admin/jobs/12', '/admin/resources/product?sort=-price', '/partner/', '/partner/sign-in', '/admin/../etc/passwd']) {
      const answer = await gateway.request('GET', path);
      assert.equal(answer.status, 200, path);
      assert.equal(answer.text, '<!doctype html>');
      assertHeaders(answer, {
        'content-type': 'text/html; charset=utf-8', 'content-length': '15', 'cache-control': 'no-cache', ...tagOf(answer),
      });
    }
  });

  test('the root leads to the internal site', async () => {
    const answer = await gateway.request('GET', '/');
    assert.equal(answer.status, 302);
    assert.equal(answer.text, '');
    assertHeaders(answer, { location: '/admin/', 'content-length': '0' });
  });

  test('hashed assets may be kept for ever and are compressed for those who accept it', async () => {
    const path = '/assets/app-1a2b.js';
    const expected = (answer) => ({
      'content-type': 'text/javascript; charset=utf-8',
      'content-length': String(answer.bytes.length),
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'Accept-Encoding',
      ...tagOf(answer),
    });
    const plain = await gateway.request('GET', path);
    assert.equal(plain.text, script);
    assertHeaders(plain, expected(plain));
    for (const accepted of ['gzip', 'br, GZIP;q=0.5', 'deflate, gzip']) {
      const packed = await gateway.request('GET', path, { headers: { 'accept-encoding': accepted } });
      assert.equal(gunzipSync(packed.bytes).toString(), script);
      assertHeaders(packed, { ...expected(packed), 'content-encoding': 'gzip' });
      assert.notEqual(packed.headers.etag, plain.headers.etag);
    }
    for (const accepted of ['br', 'gzip;q=0', 'identity'])
      assert.equal((await gateway.request('GET', path, { headers: { 'accept-encoding': accepted } })).text, script);
  });

  test('a file that compression would make larger is sent as it is', async () => {
    const answer = await gateway.request('GET', '/assets/tiny.css', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(answer.text, 'a{}');
    assertHeaders(answer, {
      'content-type': 'text/css; charset=utf-8', 'content-length': '3', 'cache-control': 'public, max-age=31536000, immutable', ...tagOf(answer),
    });
  });

  test('what the client has is not sent again', async () => {
    const first = await gateway.request('GET', '/admin/');
    const again = await gateway.request('GET', '/admin/', { headers: { 'if-none-match': first.headers.etag } });
    assert.equal(again.status, 304);
    assert.equal(again.text, '');
    assertHeaders(again, { 'cache-control': 'no-cache', ...tagOf(first) });
  });

  test('other paths lead nowhere, however they are spelt', async () => {
    for (const path of ['/nonsense', '/assets/', '/assets/../index.html', '/assets/%2e%2e/index.html', '/..%2f..%2fetc/passwd', '//admin/', '/adminx/'])
      assertProblem(await gateway.request('GET', path), 'OA102');
  });

  test('the page can only be read', async () => {
    for (const path of ['/', '/admin/', '/assets/tiny.css'])
      assertProblem(await gateway.request('POST', path), 'OA103', { headers: { allow: 'GET, HEAD' } });
    assertProblem(await gateway.request('POST', '/nonsense'), 'OA102');
  });

  test('HEAD gives the headers of GET', async () => {
    const answer = await gateway.request('HEAD', '/assets/tiny.css');
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '');
    assert.equal(answer.headers['content-length'], '3');
  });

  test('the built page is served with all that it names', async () => {
    const built = await Gateway.start();
    try {
      const page = await built.request('GET', '/admin/');
      assert.equal(page.text, readFileSync(join(env.web, 'index.html'), 'utf8'));
      for (const [, path] of page.text.matchAll(/(?:src|href)="?(\/[^" >]+)/g))
        assert.equal((await built.request('GET', path)).status, 200, path);
      for (const name of readdirSync(join(env.web, 'assets')))
        assert.deepEqual((await built.request('GET', `/assets/${name}`)).bytes, readFileSync(join(env.web, 'assets', name)));
    } finally {
      await built.stop();
    }
  });
});
