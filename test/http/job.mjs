// A change from the request to the audit log: through the workers, with who, from where and by which request.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertProblem, env, sql, until } from './lib.mjs';

describe('a bulk change', () => {
  const address = '203.0.113.9';
  let gateway;
  let session;
  before(async () => {
    gateway = await Gateway.start('--behind-tls');
    session = await Session.signIn(gateway, 'partner');
  });
  after(() => gateway.stop());

  const read = async (path) => JSON.parse((await session.get(path)).text);
  const firstProduct = async () => (await read('/resources/product/rows?page_size=1')).rows[0];

  test('is carried out, and the audit log names the request behind it', async () => {
    const { id } = await firstProduct();
    const answer = await session.send('POST', '/actions/discount/run', { params: { percent: 10 }, selection: { ids: [id] } }, {
      'x-forwarded-for': `6.6.6.6, ${address}`,
    });
    assert.equal(answer.status, 202, answer.text);
    const { job_id: job } = JSON.parse(answer.text);
    // Not to wait for the next minute of pg_cron; its workers may take part.
    sql('CALL opsadmin.run_jobs()');
    await until('the job to end', async () => !['PENDING', 'PLANNING', 'RUNNING'].includes((await read(`/jobs/${job}`)).state));
    const { state, total, processed, changed, failed, tenant } = await read(`/jobs/${job}`);
    assert.deepEqual({ state, total, processed, changed, failed, tenant: tenant.slug },
      { state: 'DONE', total: 1, processed: 1, changed: 1, failed: 0, tenant: env.slug });

    const entries = (await read(`/audit?filter=${encodeURIComponent(JSON.stringify({ job }))}`)).rows
      .filter((entry) => entry.op === 'UPDATE');
    assert.equal(entries.length, 1);
    const [entry] = entries;
    assert.deepEqual(
      { site: entry.site, ip: entry.ip, method: entry.method, path: entry.path, request: entry.request_id, action: entry.action },
      { site: 'partner', ip: address, method: 'POST', path: '/api/v1/partner/actions/discount/run',
        request: answer.headers['x-request-id'], action: 'discount' },
    );
    const [before, after] = [Number(entry.before.price), Number(entry.after.price)];
    assert.ok(Math.abs(after - before * 0.9) < 0.0051, `${before} became ${after}`);
    const { id: sameId, price } = await firstProduct();
    assert.deepEqual({ id: sameId, price: Number(price) }, { id, price: after });
  });

  test("a partner sees fewer rows than staff, and another's job is as unknown as one that never was", async () => {
    const staff = await Session.signIn(gateway, 'internal');
    const count = async (who) => JSON.parse((await who.get('/resources/product/count')).text).value;
    const own = await count(session);
    assert.ok(own > 0 && own < await count(staff));

    const { rows } = JSON.parse((await staff.get('/resources/product/rows?page_size=1')).text);
    const started = await staff.send('POST', '/actions/discount/run', { params: { percent: 1 }, selection: { ids: [rows[0].id] } });
    assert.equal(started.status, 202, started.text);
    for (const id of [JSON.parse(started.text).job_id, '9223372036854775807']) {
      const headers = { 'strict-transport-security': 'max-age=31536000' };
      assertProblem(await session.get(`/jobs/${id}`), 'OA407', { detail: true, hint: true, headers });
    }
  });
});
