// Which tenant a partner's request works for: the host name says it, or the session.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertProblem, env, partnerDomain, sql } from './lib.mjs';

describe('tenant', () => {
  let gateway;
  let session;
  before(async () => {
    gateway = await Gateway.start();
    session = await Session.signIn(gateway, 'partner');
  });
  after(() => gateway.stop());

  const tenantOf = (answer) => JSON.parse(answer.text).tenant?.slug;
  const host = (slug) => ({ host: `${slug}.${partnerDomain}:${gateway.port}` });

  test('the own subdomain names the tenant, in any case and with or without a port', async () => {
    for (const headers of [host(env.slug), host(env.slug.toUpperCase()), { host: `${env.slug}.${partnerDomain}` }]) {
      const answer = await session.get('/me', headers);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(tenantOf(answer), env.slug);
    }
  });

  test('a foreign tenant and an unknown one get the same 404', async () => {
    // All but what tells the requests apart: the request's id and the name that was asked for.
    const strip = (answer, slug) => ({ ...JSON.parse(answer.text.replaceAll(slug, 'SLUG')), instance: undefined });
    const foreign = await session.get('/me', host(env.otherSlug));
    const unknown = await session.get('/me', host('nonsense'));
    const nested = await session.get('/me', host(`x.${env.slug}`));
    for (const answer of [foreign, unknown, nested]) assertProblem(answer, 'OA404', { detail: true, hint: true });
    assert.deepEqual(strip(foreign, env.otherSlug), strip(unknown, 'nonsense'));
    assert.deepEqual(strip(nested, `x.${env.slug}`), strip(unknown, 'nonsense'));
  });

  test('without a subdomain the only membership counts', async () => {
    for (const headers of [{}, { host: partnerDomain }, { host: `${partnerDomain}:${gateway.port}` }]) {
      const answer = await session.get('/me', headers);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(tenantOf(answer), env.slug);
    }
  });

  test('a suspended tenant is refused, and whoever is shut out can sign out', async () => {
    const leaving = await Session.signIn(gateway, 'partner');
    const suspended = { detail: true, hint: true, headers: { 'x-csrf-token': session.csrf } };
    sql(`UPDATE opsadmin.tenant SET suspended_at = now() WHERE slug = '${env.slug}'`);
    try {
      for (const path of ['/me', '/resources', '/jobs']) assertProblem(await session.get(path), 'OA412', suspended);
      assertProblem(await session.get('/me', host(env.slug)), 'OA412', suspended);
      const refused = await leaving.get('/me');
      leaving.csrf = refused.headers['x-csrf-token'];
      assert.equal((await leaving.send('DELETE', '/session')).status, 204);
      assert.equal((await leaving.get('/me')).status, 401);
    } finally {
      sql(`UPDATE opsadmin.tenant SET suspended_at = NULL WHERE slug = '${env.slug}'`);
    }
    assert.equal((await session.get('/me')).status, 200);
  });

  test('the host name does not choose a tenant on the internal site', async () => {
    const internal = await Session.signIn(gateway, 'internal');
    assert.equal(tenantOf(await internal.get('/me', host(env.slug))), undefined);
  });
});
