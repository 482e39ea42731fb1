// Signing in and out, cookies, and requests that other sites make in a user's name.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertHeaders, assertJson, assertProblem, env, time } from './lib.mjs';

describe('session', () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway.stop());

  const signIn = (body, headers = {}, site = 'admin') =>
    gateway.request('POST', `/api/v1/${site}/session`, { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });

  test('signing in sets a cookie that scripts cannot read and hands out the CSRF token made of it', async () => {
    const session = await Session.signIn(gateway, 'internal');
    const [name, token] = session.cookie.split('=');
    assert.equal(name, 'opsadmin-admin');
    const csrf = createHash('sha256').update(`opsadmin-csrf:${token}`).digest('base64url');
    assertJson(session.answer, 200, { expires_at: time }, {
      'set-cookie': [`opsadmin-admin=${token}; Path=/; HttpOnly; SameSite=Lax`],
      'x-csrf-token': csrf,
    });
  });

  test('behind TLS the cookie is bound to the host and secure, and HSTS is set', async () => {
    const secure = await Gateway.start('--behind-tls');
    try {
      const session = await Session.signIn(secure, 'partner');
      const [name, token] = session.cookie.split('=');
      assert.equal(name, '__Host-opsadmin-partner');
      assertJson(session.answer, 200, { expires_at: time }, {
        'set-cookie': [`__Host-opsadmin-partner=${token}; Path=/; HttpOnly; SameSite=Lax; Secure`],
        'strict-transport-security': 'max-age=31536000',
        'x-csrf-token': session.csrf,
      });
      const plain = await secure.request('GET', '/api/v1/partner/me', { headers: { cookie: `opsadmin-partner=${token}` } });
      assertProblem(plain, 'OA010', {
        headers: {
          'strict-transport-security': 'max-age=31536000',
          'set-cookie': ['__Host-opsadmin-partner=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure'],
        },
      });
    } finally {
      await secure.stop();
    }
  });

  test('a wrong password and an unknown address get the same answer', async () => {
    assertProblem(await signIn({ email: env.internal.email, password: 'wrong' }), 'OA011');
    assertProblem(await signIn({ email: 'nobody@example.com', password: 'wrong' }), 'OA011');
  });

  test('nobody signs in on the other site', async () => {
    assertProblem(await signIn(env.partner), 'OA011');
    assertProblem(await signIn(env.internal, {}, 'partner'), 'OA011');
  });

  test('credentials that are missing or of the wrong type are refused', async () => {
    assertProblem(await signIn({ email: 'a@b' }), 'OA108', { errors: [{ pointer: '/password', detail: 'is missing' }] });
    assertProblem(await signIn({ email: 5, password: 'x' }), 'OA108', { errors: [{ pointer: '/email', detail: 'must be text' }] });
    assertProblem(await signIn({ email: 'a\0b', password: 'x' }), 'OA108', { errors: [{ pointer: '/email', detail: 'must not hold NUL' }] });
  });

  test('without a cookie there is no session', async () => {
    assertProblem(await gateway.request('GET', '/api/v1/admin/me'), 'OA010');
  });

  test('a cookie that opens nothing is taken back', async () => {
    for (const token of ['nonsense', '', 'x'.repeat(600), 'a b', 'A'.repeat(43)]) {
      const answer = await gateway.request('GET', '/api/v1/admin/me', { headers: { cookie: `theme=dark; opsadmin-admin=${token}` } });
      const detail = JSON.parse(answer.text).detail;
      assertProblem(answer, 'OA010', { detail, hint: true, headers: { 'set-cookie': ['opsadmin-admin=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'] } });
    }
  });

  test("one site's session is none on the other", async () => {
    const session = await Session.signIn(gateway, 'partner');
    const token = session.cookie.split('=')[1];
    const answer = await gateway.request('GET', '/api/v1/admin/me', { headers: { cookie: `opsadmin-admin=${token}` } });
    assert.equal(answer.status, 401);
    assert.equal(JSON.parse(answer.text).code, 'OA010');
  });

  test('signing out ends the session', async () => {
    const session = await Session.signIn(gateway, 'internal');
    const answer = await session.send('DELETE', '/session');
    assert.equal(answer.status, 204);
    assert.equal(answer.text, '');
    const cleared = { 'set-cookie': ['opsadmin-admin=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'] };
    assertHeaders(answer, cleared);
    assertProblem(await session.get('/me'), 'OA010', { detail: true, hint: true, headers: cleared });
  });

  test('an unknown invitation is refused, without a session', async () => {
    const answer = await gateway.request('POST', '/api/v1/partner/invitation', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: 'nonsense', password: 'a long enough password' }),
    });
    assertProblem(answer, 'OA013', { detail: true, hint: true });
  });

  test('unsafe requests need the CSRF token of their own session', async () => {
    const session = await Session.signIn(gateway, 'internal');
    const other = await Session.signIn(gateway, 'internal');
    const detail = 'the X-CSRF-Token header is missing or belongs to another session';
    for (const token of [undefined, '', 'nonsense', other.csrf])
      assertProblem(await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' }, { 'x-csrf-token': token }), 'OA104', { detail });
    assertProblem(await session.send('DELETE', '/session', undefined, { 'x-csrf-token': undefined }), 'OA104', { detail });
    assert.equal((await session.get('/me')).status, 200);
  });

  test('unsafe requests from another origin are refused, signing in too', async () => {
    const session = await Session.signIn(gateway, 'internal');
    const own = { host: `127.0.0.1:${gateway.port}` };
    const foreign = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { ...own, origin: 'http://evil.example' },
      { ...own, origin: 'null' },
      { ...own, origin: `https://127.0.0.1:${gateway.port}` },
      { ...own, origin: `http://127.0.0.1:${gateway.port + 1}` },
    ];
    for (const headers of foreign) {
      assertProblem(await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' }, headers), 'OA104');
      assertProblem(await signIn(env.internal, headers), 'OA104');
    }
    const same = { ...own, 'sec-fetch-site': 'same-origin', origin: `http://127.0.0.1:${gateway.port}` };
    assert.equal((await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' }, same)).status, 200);
  });

  test('bodies must be JSON by their type', async () => {
    const session = await Session.signIn(gateway, 'internal');
    for (const type of [undefined, 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx'])
      assertProblem(await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' }, { 'content-type': type }), 'OA107');
    for (const type of ['application/json; charset=utf-8', 'Application/JSON'])
      assert.equal((await session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' }, { 'content-type': type })).status, 200);
  });
});
