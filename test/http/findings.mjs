// GET /findings: both checks, for staff with health:read alone.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertProblem, env, sql } from './lib.mjs';

describe('findings', () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway.stop());

  test('staff see what both checks find', async () => {
    const session = await Session.signIn(gateway, 'internal');
    const found = async (check, object) => JSON.parse((await session.get('/findings')).text).rows.some((row) => row.check === check && row.object === object);
    sql(`ALTER TABLE shop.review NO FORCE ROW LEVEL SECURITY; UPDATE opsadmin.kpi SET filter = 'nothing' WHERE name = 'churned'`);
    try {
      assert.ok(await found('health', 'churned'));
      assert.ok(await found('isolation', 'shop.review'));
    } finally {
      sql(`ALTER TABLE shop.review FORCE ROW LEVEL SECURITY; UPDATE opsadmin.kpi SET filter = NULL WHERE name = 'churned'`);
    }
    assert.ok(!(await found('health', 'churned')));
  });

  test('a query is refused', async () => {
    const session = await Session.signIn(gateway, 'internal');
    assertProblem(await session.get('/findings?level=error'), 'OA108', { errors: [{ pointer: '/level' }] });
  });

  test('the partner site has none, whatever the permissions', async () => {
    const partner = await Session.signIn(gateway, 'partner');
    assertProblem(await partner.get('/findings'), 'OA403');
  });

  // Signs in as somebody of the staff who has these permissions alone.
  async function signInWith(permissions) {
    const [email, role] = [`'${env.internal.email}'`, `'regress_narrow'`];
    sql(`SELECT opsadmin.define_role(${role}, 'internal', '{${permissions}}'), opsadmin.grant_role(${email}, ${role}), opsadmin.revoke_role(${email}, 'superadmin')`);
    return [await Session.signIn(gateway, 'internal'), () => {
      sql(`SELECT opsadmin.grant_role(${email}, 'superadmin'), opsadmin.revoke_role(${email}, ${role}), opsadmin.drop_role(${role})`);
    }];
  }

  test('health:read alone is enough for every finding', async () => {
    // A worker may connect for the first time meanwhile.
    const rows = async (session) => JSON.parse((await session.get('/findings')).text).rows.filter(({ rule }) => rule !== 'worker');
    const whole = await rows(await Session.signIn(gateway, 'internal'));
    const [session, restore] = await signInWith('health:read');
    try {
      assert.deepEqual(await rows(session), whole);
    } finally {
      restore();
    }
  });

  test('staff without the permission have none', async () => {
    const [session, restore] = await signInWith('product:read');
    try {
      assertProblem(await session.get('/findings'), 'OA403', { detail: 'permission "health:read" is required', hint: true });
    } finally {
      restore();
    }
  });
});
