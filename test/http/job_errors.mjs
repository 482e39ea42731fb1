// Rows that a job could not change: their list, and trying them again. A constraint of the shop that is not enforced for
// its own rows keeps one of them as it is.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertHeaders, assertJson, assertProblem, nullable, oneOf, sql, text, time, until } from './lib.mjs';

describe('the errors of a job', () => {
  const page = { rows: [{ key: { id: text }, sqlstate: text, message: text, created_at: time }], next: nullable(text) };
  let gateway;
  let session;
  let bad;
  let job;
  before(async () => {
    gateway = await Gateway.start();
    session = await Session.signIn(gateway, 'internal');
    const { rows } = JSON.parse((await session.get('/resources/product/rows?page_size=5')).text);
    // In the order of their keys, as the job comes to them.
    bad = rows.slice(1, 4).map((row) => row.id).sort((a, b) => a - b);
    sql(`ALTER TABLE shop.product ADD CONSTRAINT product_frozen CHECK (id NOT IN (${bad})) NOT VALID;
         SELECT opsadmin.define_action('restock', 'shop.product', 'stock = stock', on_error => 'skip')`);
    const started = await session.send('POST', '/actions/restock/run', { params: {}, selection: { ids: rows.map((row) => row.id) } });
    assert.equal(started.status, 202, started.text);
    job = JSON.parse(started.text).job_id;
    await ended();
  });
  after(() => {
    sql(`ALTER TABLE shop.product DROP CONSTRAINT IF EXISTS product_frozen; SELECT opsadmin.drop_action('restock')`);
    return gateway.stop();
  });

  const read = async () => JSON.parse((await session.get(`/jobs/${job}`)).text);
  // Not to wait for the next minute of pg_cron; its workers may take part.
  async function ended() {
    sql('CALL opsadmin.run_jobs()');
    await until('the job to end', async () => oneOf('DONE', 'FAILED')((await read()).state));
  }
  const keys = (list) => list.rows.map((row) => row.key.id);

  test('are listed page by page, and not sent again while they are the same', async () => {
    const { state, changed, failed, on_error, has_errors, can_retry } = await read();
    assert.deepEqual({ state, changed, failed, on_error, has_errors, can_retry },
      { state: 'DONE', changed: 2, failed: 3, on_error: 'skip', has_errors: true, can_retry: true });
    const answer = await session.get(`/jobs/${job}/errors?page_size=2`);
    const first = assertJson(answer, 200, page, { etag: answer.headers.etag });
    assert.deepEqual(keys(first), bad.slice(0, 2));
    assert.equal(first.rows[0].sqlstate, '23514');
    assert.match(first.rows[0].message, /product_frozen/);
    assert.equal((await session.get(`/jobs/${job}/errors?page_size=2`, { 'if-none-match': answer.headers.etag })).status, 304);
    const second = JSON.parse((await session.get(`/jobs/${job}/errors?page_size=2&cursor=${encodeURIComponent(first.next)}`)).text);
    assert.deepEqual([keys(second), second.next], [bad.slice(2), null]);
  });

  test('are for those who may see the job', async () => {
    const partner = await Session.signIn(gateway, 'partner');
    for (const [who, id] of [[partner, job], [session, '9223372036854775807']]) {
      assertProblem(await who.get(`/jobs/${id}/errors`), 'OA407', { detail: true, hint: true });
      assertProblem(await who.send('POST', `/jobs/${id}/retry`), 'OA407', { detail: true, hint: true });
    }
    assertProblem(await session.get(`/jobs/${job}/errors?page_size=0`), 'OA420', { detail: true, hint: true, errors: [{ pointer: '/page_size' }] });
    assertProblem(await session.get(`/jobs/${job}/errors?cursor=x`), 'OA424', { detail: true, hint: true, errors: [{ pointer: '/cursor' }] });
    assertProblem(await session.get(`/jobs/x/errors`), 'OA108', { errors: [{ pointer: '/id' }] });
    assertProblem(await session.send('POST', `/jobs/${job}/errors`), 'OA103', { headers: { allow: 'GET, HEAD' } });
    assertProblem(await session.get(`/jobs/${job}/retry`), 'OA103', { headers: { allow: 'POST' } });
  });

  test('go away once they are mended and the rows are tried again', async () => {
    sql('ALTER TABLE shop.product DROP CONSTRAINT product_frozen');
    const answer = await session.send('POST', `/jobs/${job}/retry`);
    assert.equal(answer.status, 204, answer.text);
    assertHeaders(answer, {});
    await ended();
    const { state, changed, failed, has_errors, can_retry } = await read();
    assert.deepEqual({ state, changed, failed, has_errors, can_retry }, { state: 'DONE', changed: 5, failed: 0, has_errors: false, can_retry: false });
    assert.deepEqual(JSON.parse((await session.get(`/jobs/${job}/errors`)).text), { rows: [], next: null });
    assertProblem(await session.send('POST', `/jobs/${job}/retry`), 'OA444', { detail: true, hint: true });
  });
});
