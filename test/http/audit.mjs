// Reading the audit log: filters and pages, the history of a row, and what partners are not told.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertProblem, env, sql } from './lib.mjs';

describe('audit', () => {
  let gateway;
  let staff;
  let partner;
  const tenant = sql(`SELECT id FROM opsadmin.tenant WHERE slug = '${env.slug}'`);
  const product = sql(`SELECT max(id) FROM shop.product WHERE tenant_id = ${tenant}`);
  const other = sql(`SELECT max(id) FROM shop.product WHERE tenant_id <> ${tenant}`);
  const moments = [];
  before(async () => {
    gateway = await Gateway.start();
    [staff, partner] = [await Session.signIn(gateway, 'internal'), await Session.signIn(gateway, 'partner')];
    // Three changes: without a context, by the partner, by staff in the tenant; and a moment after each.
    const name = `UPDATE shop.product SET stock = stock + 1 WHERE id = ${product};`;
    for (const begin of ['', `SELECT opsadmin.begin_as('${env.partner.email}');`, `SELECT opsadmin.begin_as('${env.internal.email}', '${env.slug}', 'ticket 7');`]) {
      sql(`BEGIN; ${begin} ${name} COMMIT;`);
      moments.push(sql(`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM pg_sleep(0.002)`));
    }
    sql(`UPDATE shop.product SET stock = stock + 1 WHERE id = ${other}`);
  });
  after(() => gateway.stop());

  const list = async (session, filter, rest = '') => {
    const answer = await session.get(`/audit?filter=${encodeURIComponent(JSON.stringify(filter))}${rest}`);
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text);
  };
  const ofProduct = { target: 'shop.product', key: product };
  const history = `/resources/product/rows/${product}/history`;

  test('each filter is passed on, and one that is wrong is pointed to', async () => {
    assert.equal((await list(staff, { ...ofProduct, from: moments[0], to: moments[1] })).rows.length, 1);
    const [newest] = (await list(staff, ofProduct)).rows;
    for (const filter of [{ id: newest.id }, { ...ofProduct, op: 'UPDATE' }, { ...ofProduct, tenant: env.slug }, { ...ofProduct, actor: 'ops' }]) {
      assert.deepEqual((await list(staff, filter)).rows[0], newest);
    }
    const wrong = await staff.get(`/audit?filter=${encodeURIComponent('{"from":"x"}')}`);
    assertProblem(wrong, 'OA422', { detail: true, hint: true, errors: [{ pointer: '/filter/from' }] });
    assertProblem(await staff.get('/audit?actor=x'), 'OA108', { errors: [{ pointer: '/actor' }] });
    assertProblem(await staff.get('/audit/histogram?buckets=0'), 'OA420', { detail: true, hint: true, errors: [{ pointer: '/buckets' }] });
  });

  test('pages lead on and back', async () => {
    const page = async (cursor) => JSON.parse((await staff.get(`${history}?page_size=1${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)).text);
    const first = await page();
    assert.equal(first.prev, null);
    const second = await page(first.next);
    assert.notEqual(second.rows[0].id, first.rows[0].id);
    assert.deepEqual((await page(second.prev)).rows, first.rows);
    assertProblem(await staff.get(`/audit?cursor=${encodeURIComponent(first.next)}`), 'OA424', { detail: true, hint: true, errors: [{ pointer: '/cursor' }] });
  });

  test('a page that has not changed is not sent again', async () => {
    const { headers } = await staff.get(history);
    assert.equal((await staff.get(history, { 'if-none-match': headers.etag })).status, 304);
  });

  test('partners see staff as "support", without address, and no other tenant', async () => {
    const { rows } = JSON.parse((await partner.get(history)).text);
    assert.deepEqual(rows.slice(0, 3).map(({ actor_name, site, ip, db_user }) => [actor_name, site, ip, db_user]),
      [['support', 'internal', null, null], ['Partner', 'partner', null, rows[1].db_user], [null, null, null, null]]);
    assert.deepEqual((await list(partner, { target: 'shop.product', key: other })).rows, []);
    assert.deepEqual(JSON.parse((await partner.get(`/resources/product/rows/${other}/history`)).text).rows, []);
    const past = JSON.parse((await partner.get(`/resources/product/rows/${other}/as-of?at=${moments[0]}`)).text);
    assert.deepEqual([past.row, past.present], [null, null]);
    const refused = await partner.get(`/audit?filter=${encodeURIComponent(JSON.stringify({ tenant: env.slug }))}`);
    assertProblem(refused, 'OA422', { detail: true, hint: true, errors: [{ pointer: '/filter/tenant' }] });
  });

  test('a row as of a moment', async () => {
    const stock = async (at) => JSON.parse((await staff.get(`/resources/product/rows/${product}/as-of?at=${encodeURIComponent(at)}`)).text);
    const [one, three] = [await stock(moments[0]), await stock(moments[2])];
    assert.equal(Number(three.row.stock) - Number(one.row.stock), 2);
    assert.equal(three.row.stock, three.present.stock);
    assert.ok(!('updated_at' in one.row) && one.unknown.includes('updated_at'));
    for (const at of ['', 'now', '2026-02-30T00:00:00Z', '2026-01-31 12:00:00Z', '2026-01-31T24:00:00Z', '2026-01-31T12:00:00', '2026-01-31T12:00:00.Z', '2026-01-31T12:00:00+16:00']) {
      assertProblem(await staff.get(`/resources/product/rows/${product}/as-of?at=${encodeURIComponent(at)}`), 'OA108', { errors: [{ pointer: '/at' }] });
    }
    assertProblem(await staff.get(`/resources/product/rows/${product}/as-of`), 'OA108', { errors: [{ pointer: '/at' }] });
    assertProblem(await staff.get(`/resources/product/rows/${product}/as-of?at=2300-01-01T00:00:00Z`), 'OA422', { detail: true, hint: true, errors: [{ pointer: '/at' }] });
    assert.equal((await staff.get(`/resources/product/rows/${product}/as-of?at=2026-01-31T12:00:00.123456%2B09:00`)).status, 200);
  });

  test('what names no row is refused', async () => {
    assertProblem(await staff.get('/resources/product/rows/x/history'), 'OA422', { detail: true, hint: true, errors: [{ pointer: '/key' }] });
    assertProblem(await staff.get('/resources/nothing/rows/1/history'), 'OA405', { detail: true, hint: true });
  });
});
