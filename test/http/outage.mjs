// PostgreSQL goes away and comes back, while the gateway stays.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertJson, assertProblem, env, shell, until } from './lib.mjs';

describe('outage', () => {
  let gateway;
  let session;
  before(async () => {
    gateway = await Gateway.start();
    session = await Session.signIn(gateway, 'internal');
    shell(env.stopPostgres);
  });
  after(() => gateway.stop());

  test('without PostgreSQL every call is 503 with Retry-After, reading or writing', async () => {
    for (let i = 0; i < 3; ++i) {
      assertProblem(await session.get('/me'), 'OA105');
      assertProblem(await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' }), 'OA105');
      assertProblem(await gateway.request('POST', '/api/v1/partner/session', {
        headers: { 'content-type': 'application/json' }, body: JSON.stringify(env.partner),
      }), 'OA105');
    }
  });

  test('the process is alive and not ready, and the page is served', async () => {
    const alive = await gateway.request('GET', '/healthz');
    assert.equal(alive.status, 200);
    const { version } = JSON.parse(alive.text);
    const state = { status: 'unavailable', version, extension: null, internal: 'unavailable', partner: 'unavailable' };
    const text = (value) => value === null || typeof value === 'string';
    const shape = Object.fromEntries(Object.keys(state).map((key) => [key, text]));
    assert.deepEqual(assertJson(await gateway.request('GET', '/readyz'), 503, shape, { 'retry-after': '1' }), state);
    assert.equal((await gateway.request('GET', '/admin/')).status, 200);
    const { status, text: figures } = await gateway.request('GET', '/metrics');
    assert.equal(status, 200);
    assert.match(figures, /^opsadmin_gateway_answers_total\{status="5xx"\} [1-9]\d*$/m);
    assert.match(figures, /^opsadmin_database_up 0\n$/m);
  });

  test('a gateway started without PostgreSQL waits for it, too', async () => {
    const early = await Gateway.start();
    assert.equal((await early.request('GET', '/readyz')).status, 503);
    shell(env.startPostgres);
    await until('the new gateway to be ready', async () => (await early.request('GET', '/readyz')).status === 200);
    await early.stop();
  });

  test('it recovers by itself, with the sessions that there were', async () => {
    await until('the first answer', async () => (await session.get('/me')).status === 200);
    assert.equal((await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' })).status, 200);
  });

  test('a restart between two requests goes unnoticed, also by one that writes', async () => {
    assert.equal((await session.get('/me')).status, 200);
    shell(env.stopPostgres);
    shell(env.startPostgres);
    assert.equal((await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' })).status, 200);
    assert.equal((await session.get('/me')).status, 200);
  });
});
