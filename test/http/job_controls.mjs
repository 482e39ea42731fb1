// Pausing, resuming and cancelling a job. A transaction of the shop holds the only row of the job, so that no
// worker of pg_cron can end it meanwhile.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Gateway, Session, assertHeaders, assertProblem, holdProduct, sql, until } from './lib.mjs';

const controls = ['pause', 'resume', 'cancel'];

describe('the controls of a job', () => {
  let gateway;
  let session;
  let product;
  let letGo;
  let job;
  before(async () => {
    gateway = await Gateway.start();
    session = await Session.signIn(gateway, 'internal');
    product = JSON.parse((await session.get('/resources/product/rows?page_size=1')).text).rows[0].id;
    letGo = await holdProduct(product);
  });
  after(() => {
    letGo();
    return gateway.stop();
  });
  beforeEach(async () => {
    const started = await session.send('POST', '/actions/discount/run', { params: { percent: 1 }, selection: { ids: [product] } });
    assert.equal(started.status, 202, started.text);
    job = JSON.parse(started.text).job_id;
  });

  const order = (control, id = job, ...rest) => session.send('POST', `/jobs/${id}/${control}`, ...rest);
  const state = async () => JSON.parse((await session.get(`/jobs/${job}`)).text).state;
  const moves = (name) => ['PENDING', 'RUNNING'].includes(name);

  function assertDone(answer) {
    assert.equal(answer.status, 204, answer.text);
    assert.equal(answer.text, '');
    assertHeaders(answer, {});
  }

  async function assertRefused(...refused) {
    for (const control of refused) assertProblem(await order(control), 'OA444', { detail: `job ${job} is ${(await state()).toLowerCase()}`, hint: true });
  }

  test('a job is paused, resumed and cancelled, each in its time alone', async () => {
    assertProblem(await order('resume'), 'OA444', { detail: true, hint: true });
    assertDone(await order('pause'));
    assert.equal(await state(), 'PAUSED');
    await assertRefused('pause');
    assertDone(await order('resume', job, {}));
    assert.ok(moves(await state()));
    assertDone(await order('cancel', job, {}));
    assert.equal(await state(), 'CANCELLED');
    await assertRefused(...controls);
  });

  test('a paused job can be cancelled', async () => {
    assertDone(await order('pause'));
    assertDone(await order('cancel'));
    assert.equal(await state(), 'CANCELLED');
  });

  test('a request that is refused changes nothing', async () => {
    const partner = await Session.signIn(gateway, 'partner');
    for (const control of controls) {
      assertProblem(await order(control, job, {}, { 'x-csrf-token': undefined }), 'OA104', { detail: true });
      assertProblem(await partner.send('POST', `/jobs/${job}/${control}`), 'OA407', { detail: true, hint: true });
      assertProblem(await order(control, '9223372036854775807'), 'OA407', { detail: true, hint: true });
      assertProblem(await order(control, 'x'), 'OA108', { errors: [{ pointer: '/id' }] });
      assertProblem(await session.get(`/jobs/${job}/${control}`), 'OA103', { headers: { allow: 'POST' } });
    }
    assertProblem(await order('pause', job, { reason: 'x' }), 'OA108', { errors: [{ pointer: '/reason' }] });
    assert.ok(moves(await state()));
    assertDone(await order('cancel'));
  });

  test('a job that was paused goes on to its end', async () => {
    assertDone(await order('pause'));
    letGo();
    assertDone(await order('resume'));
    // Not to wait for the next minute of pg_cron; its workers may take part.
    sql('CALL opsadmin.run_jobs()');
    await until('the job to end', async () => !moves(await state()));
    const { changed, skipped, failed, ...rest } = JSON.parse((await session.get(`/jobs/${job}`)).text);
    assert.deepEqual({ state: rest.state, changed, skipped, failed }, { state: 'DONE', changed: 1, skipped: 0, failed: 0 });
    await assertRefused(...controls);
  });
});
