// The figures of the dashboards: GET /kpi, /kpi/{kpi}/series and /kpi/{kpi}/ranking, on both sites.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertJson, assertProblem, day, env, integerText, nullable, oneOf, sql, text, time } from './lib.mjs';

const label = { en: text, ko: text };
const number = (value) => typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value);
const summary = {
  today: day,
  first_day: day,
  last_day: day,
  previous: { first_day: day, last_day: day },
  by: oneOf('day', 'week', 'month'),
  periods: [day],
  kpis: [{
    kpi: text, label, unit: oneOf('count', 'money'), over_days: oneOf('sum', 'avg', 'max', 'min'), value: number, previous: number, change: nullable(number),
    today: { value: number, same_weekday: number, change: nullable(number) }, sparkline: [number], sparkline_final: ['boolean'], final: 'boolean', as_of: nullable(time),
  }],
  jobs: [{ id: integerText, label, tenant: nullable({ slug: text, name: text }), day, period: day, changed: 'number' }],
  as_of: nullable(time),
  stale: 'boolean',
};
const series = { rows: [{ day, value: number, final: 'boolean', as_of: nullable(time) }] };
const ranking = { rows: [{ tenant: text, name: text, value: number, previous: number, change: nullable(number) }] };

const range = 'first_day=2026-01-01&last_day=2026-01-03';
const january = ['2026-01-01', '2026-01-02', '2026-01-03'];

describe('kpi', () => {
  let gateway;
  const sessions = {};
  before(async () => {
    gateway = await Gateway.start();
    for (const site of ['internal', 'partner']) sessions[site] = await Session.signIn(gateway, site);
  });
  after(() => gateway.stop());

  for (const site of ['internal', 'partner']) {
    test(`${site}: GET /kpi gives all KPIs of the last 14 days, or of a range, by day, week or month`, async () => {
      const usual = assertJson(await sessions[site].get('/kpi'), 200, summary);
      assert.equal(usual.periods.length, 14);
      assert.equal(usual.last_day, usual.today);
      for (const [by, periods] of [['', january], ['&by=day', january], ['&by=week', ['2025-12-29']], ['&by=month', ['2026-01-01']]]) {
        const body = assertJson(await sessions[site].get(`/kpi?${range}${by}`), 200, summary);
        assert.deepEqual(body.periods, periods);
        assert.deepEqual(body.kpis.map((k) => k.kpi), ['signups', 'dau', 'orders', 'revenue', 'churned']);
        for (const k of body.kpis) assert.deepEqual([k.sparkline.length, k.sparkline_final.length], [periods.length, periods.length]);
      }
    });

    test(`${site}: GET /kpi/{kpi}/series gives a row a period, with the values of GET /kpi`, async () => {
      const usual = JSON.parse((await sessions[site].get('/kpi?by=week')).text);
      const orders = usual.kpis.find((k) => k.kpi === 'orders');
      const { rows } = assertJson(await sessions[site].get(`/kpi/orders/series?first_day=${usual.first_day}&last_day=${usual.last_day}&by=week`), 200, series);
      assert.deepEqual(rows.map((row) => row.day), usual.periods);
      assert.deepEqual(rows.map((row) => row.value), orders.sparkline);
      assert.deepEqual(rows.map((row) => row.final), orders.sparkline_final);
      assert.deepEqual(assertJson(await sessions[site].get(`/kpi/orders/series?${range}`), 200, series).rows.map((row) => row.day), january);
    });

    test(`${site}: what does not exist or does not fit is refused, with a pointer where there is one`, async () => {
      const get = (path) => sessions[site].get(path);
      const problem = { detail: true, hint: true };
      assertProblem(await get(`/kpi/nothing/series?${range}`), 'OA410', problem);
      assertProblem(await get(`/kpi?${range}&tenant=nowhere`), 'OA404', problem);
      assertProblem(await get(`/kpi/orders/series?${range}&tenant=nowhere`), 'OA404', problem);
      for (const path of ['/kpi', '/kpi/orders/series']) {
        assertProblem(await get(`${path}?first_day=2026-01-03&last_day=2026-01-01`), 'OA420', { ...problem, errors: [{ pointer: '/first_day' }] });
        assertProblem(await get(`${path}?first_day=2024-01-01&last_day=2026-01-01`), 'OA420', { ...problem, errors: [{ pointer: '/first_day' }] });
        assertProblem(await get(`${path}?${range}&by=year`), 'OA420', { ...problem, errors: [{ pointer: '/by' }] });
        assertProblem(await get(`${path}?${range}&bye=day`), 'OA108', { errors: [{ pointer: '/bye' }] });
      }
      for (const path of ['series', 'ranking'])
        assertProblem(await get(`/kpi/orders/${path}?first_day=2026-01-01`), 'OA108', { errors: [{ pointer: '/last_day', detail: 'is missing' }] });
    });
  }

  test('staff read the figures of all tenants or of one, partners their own alone', async () => {
    const figures = async (session, tenant) => JSON.parse((await session.get(`/kpi?by=month${tenant}`)).text).kpis.map((k) => k.sparkline);
    const own = await figures(sessions.partner, '');
    assert.deepEqual(await figures(sessions.partner, `&tenant=${env.slug}`), own);
    assert.deepEqual(await figures(sessions.internal, `&tenant=${env.slug}`), own);
    assert.notDeepEqual(await figures(sessions.internal, ''), own);
    assertProblem(await sessions.partner.get(`/kpi?tenant=${env.otherSlug}`), 'OA404', { detail: true, hint: true });
    assertProblem(await sessions.partner.get(`/kpi/orders/series?${range}&tenant=${env.otherSlug}`), 'OA404', { detail: true, hint: true });
  });

  test('GET /kpi/{kpi}/ranking compares tenants for staff', async () => {
    const { first_day: first, last_day: last } = JSON.parse((await sessions.internal.get('/kpi')).text);
    const { rows } = assertJson(await sessions.internal.get(`/kpi/orders/ranking?first_day=${first}&last_day=${last}`), 200, ranking);
    assert.equal(rows.length, Number(sql('SELECT least(20, count(*)) FROM opsadmin.tenant')));
    const values = rows.map((row) => Number(row.value));
    assert.deepEqual(values, [...values].sort((a, b) => b - a));
    const one = assertJson(await sessions.internal.get(`/kpi/orders/ranking?first_day=${first}&last_day=${last}&page_size=1`), 200, ranking);
    assert.deepEqual(one.rows, rows.slice(0, 1));
    assertProblem(await sessions.internal.get(`/kpi/orders/ranking?${range}&page_size=0`), 'OA420', { detail: true, hint: true, errors: [{ pointer: '/page_size' }] });
    assertProblem(await sessions.internal.get(`/kpi/nothing/ranking?${range}`), 'OA410', { detail: true, hint: true });
    assertProblem(await sessions.partner.get(`/kpi/orders/ranking?${range}`), 'OA403', { detail: true, hint: true });
  });

  test('without kpi:read there are no figures', async () => {
    const [email, role] = [`'${env.partner.email}'`, `'regress_no_kpi'`];
    const [tenant] = [`'${env.slug}'`];
    sql(`SELECT opsadmin.define_role(${role}, 'partner', '{product:read}'), opsadmin.grant_role(${email}, ${role}, ${tenant}), opsadmin.revoke_role(${email}, 'partner_admin', ${tenant})`);
    try {
      for (const path of ['/kpi', `/kpi/orders/series?${range}`, `/kpi/orders/ranking?${range}`])
        assertProblem(await sessions.partner.get(path), 'OA403', { detail: true, hint: true });
    } finally {
      sql(`SELECT opsadmin.grant_role(${email}, 'partner_admin', ${tenant}), opsadmin.revoke_role(${email}, ${role}, ${tenant}), opsadmin.drop_role(${role})`);
    }
    assert.equal((await sessions.partner.get('/kpi')).status, 200);
  });

  test('without a session there are none either', async () => {
    for (const path of ['/kpi', `/kpi/orders/series?${range}`, `/kpi/orders/ranking?${range}`])
      assertProblem(await sessions.partner.get(path, { cookie: undefined }), 'OA010');
  });
});
