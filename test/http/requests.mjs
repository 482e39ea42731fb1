// What the database keeps of requests: by whom, how they were answered, and how long that took.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { Gateway, Session, assertProblem, env, integerText, assertJson, nullable, oneOf, runGateway, sql, text, time, until } from './lib.mjs';

const started = [];
const start = async (...args) => {
  started.push(await Gateway.start(...args));
  return started.at(-1);
};

// The record of an answer, once it is there.
const recordOf = (answer) =>
  until('the record', () => {
    const rows = JSON.parse(sql(`SELECT coalesce(json_agg(r), '[]') FROM opsadmin.request r WHERE request_id = '${answer.headers['x-request-id']}'`));
    assert.ok(rows.length <= 1, 'a request is recorded once');
    return rows[0];
  });
const recorded = (answer) => sql(`SELECT count(*) FROM opsadmin.request WHERE request_id = '${answer.headers['x-request-id']}'`) === '1';
const tenant = (slug) => Number(sql(`SELECT id FROM opsadmin.tenant WHERE slug = '${slug}'`));

describe('requests', () => {
  after(() => Promise.all(started.map((gateway) => gateway.stop())));

  test('by default writes and denials are recorded, and nothing that reads', async () => {
    const gateway = await start();
    const session = await Session.signIn(gateway, 'partner');
    const read = await session.get('/me');
    const write = await session.send('PUT', '/session/tenant', { tenant: env.slug });
    assert.equal(write.status, 200);
    const { id, created_at, milliseconds, ...row } = await recordOf(write);
    assert.ok(milliseconds > 0 && milliseconds < 60_000);
    assert.deepEqual(row, {
      tenant_id: tenant(env.slug), site: 'partner', actor_id: Number(sql(`SELECT id FROM opsadmin.actor WHERE email = '${env.partner.email}'`)),
      actor_name: 'Partner', ip: '127.0.0.1', method: 'PUT', path: '/api/v1/partner/session/tenant',
      request_id: write.headers['x-request-id'], action: 'choose_tenant', status: 200, code: null,
    });
    const forged = await session.send('PUT', '/session/tenant', { tenant: env.slug }, { 'x-csrf-token': 'guessed' });
    assertProblem(forged, 'OA104', { detail: true });
    const denied = await session.get('/findings');
    assertProblem(denied, 'OA403');
    for (const [answer, code, action] of [[forged, 'OA104', 'choose_tenant'], [denied, 'OA403', 'list_findings']]) {
      const record = await recordOf(answer);
      assert.deepEqual([record.actor_name, record.status, record.code, record.action], ['Partner', 403, code, action]);
    }
    // They are written in their order, so what was before would be there.
    assert.ok(!recorded(read));
  });

  test('whose session is not known is nobody', async () => {
    // At most so many of nobody are kept a minute, and other tests have made some.
    sql('DELETE FROM opsadmin.request WHERE actor_id IS NULL');
    const gateway = await start();
    const answer = await gateway.request('GET', '/api/v1/admin/me', { headers: { cookie: 'opsadmin-admin=guessed' } });
    assertProblem(answer, 'OA010', { detail: true, headers: { 'set-cookie': ['opsadmin-admin=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'] }, hint: true });
    const { actor_id, actor_name, tenant_id, status, site } = await recordOf(answer);
    assert.deepEqual({ actor_id, actor_name, tenant_id, status, site }, { actor_id: null, actor_name: null, tenant_id: 0, status: 401, site: 'internal' });
    const wrong = await gateway.request('POST', '/api/v1/admin/session', {
      headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'nobody@example.com', password: 'hunter2 hunter2' }),
    });
    const record = await recordOf(wrong);
    assert.deepEqual([record.action, record.status, record.code], ['sign_in', 401, 'OA011']);
    assert.ok(!JSON.stringify(record).includes('hunter2'));
  });

  test('what reaches no route is not recorded', async () => {
    const gateway = await start('--record-requests=all');
    const session = await Session.signIn(gateway, 'internal');
    const missing = [await session.send('POST', '/nothing', {}), await gateway.request('GET', '/admin/'), await gateway.request('GET', '/healthz')];
    await recordOf(await session.get('/me?x=1'));
    for (const answer of missing) assert.ok(!recorded(answer));
  });

  test('--record-requests=all keeps reads too, none nothing', async () => {
    const everything = await start('--record-requests', 'all');
    const read = await (await Session.signIn(everything, 'internal')).get('/me');
    assert.equal((await recordOf(read)).action, 'me');
    const nothing = await start('--record-requests=none');
    const session = await Session.signIn(nothing, 'internal');
    const write = await session.send('PUT', '/session/tenant', { tenant: null });
    await nothing.stop();
    started.pop();
    assert.ok(!recorded(write));
  });

  test('what is queued when the gateway ends is written', async () => {
    const gateway = await start();
    const session = await Session.signIn(gateway, 'internal');
    const answers = await Promise.all(Array.from({ length: 50 }, () => session.get('/audit?page_size=0')));
    const writes = await Promise.all(Array.from({ length: 50 }, () => session.send('PUT', '/session/tenant', { tenant: null })));
    await gateway.stop();
    started.pop();
    assert.ok(writes.every(recorded));
    assert.ok(!answers.some(recorded));
  });

  test('a database that does not take records delays no answer', async () => {
    const gateway = await start('--pool', '1');
    const session = await Session.signIn(gateway, 'internal');
    const psql = spawn('psql', ['-XAtq'], { stdio: ['pipe', 'pipe', 'inherit'] });
    psql.stdin.write('BEGIN; LOCK TABLE opsadmin.request; SELECT 1;\n');
    await once(psql.stdout, 'data');
    // Had a record taken the connection of the pool, these would wait for it.
    const answers = [];
    for (let i = 0; i < 20; ++i) answers.push(await session.send('PUT', '/session/tenant', { tenant: null }));
    assert.ok(answers.every((answer) => answer.status === 200));
    assert.ok(!answers.some((answer) => gateway.log.some((line) => line.event === 'record_request_failed' && line.detail.startsWith(answer.headers['x-request-id']))));
    psql.kill();
    await recordOf(answers.at(-1));
  });

  test('GET /requests lists them', async () => {
    const gateway = await start();
    const session = await Session.signIn(gateway, 'internal');
    const write = await session.send('PUT', '/session/tenant', { tenant: null });
    await recordOf(write);
    const filter = encodeURIComponent(JSON.stringify({ request_id: write.headers['x-request-id'] }));
    const { rows } = assertJson(await session.get(`/requests?filter=${filter}`), 200, {
      rows: [{
        id: integerText, created_at: time, tenant: nullable({ slug: text, name: text }), actor_name: nullable(text), site: oneOf('internal', 'partner'),
        ip: nullable(text), method: text, path: text, request_id: text, action: text, status: 'number', code: nullable(text), milliseconds: 'number',
      }],
      next: nullable(text),
    });
    assert.equal(rows.length, 1);
    assert.equal(rows[0].actor_name, 'Ops');
  });

  test('another value of the option is refused', () => {
    const { status, stderr } = runGateway('--dsn', env.dsn, '--web', env.web, '--record-requests', 'some');
    assert.deepEqual([status, stderr], [2, 'opsadmin-gateway: --record-requests must be none, writes or all\n']);
  });
});
