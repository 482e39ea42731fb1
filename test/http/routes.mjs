// Every route once, with its shape.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Gateway, Session, assertHeaders, assertJson, assertProblem, day, env, integerText, nullable, oneOf, text, time, until,
} from './lib.mjs';

const anything = () => true;
const label = { en: text, ko: text };
const tenant = { id: integerText, slug: text, name: text, time_zone: text, suspended: 'boolean' };
const shortTenant = { slug: text, name: text };

const me = {
  actor: { id: integerText, email: text, display_name: text },
  site: oneOf('internal', 'partner'),
  tenant: nullable(tenant),
  tenants: [shortTenant],
  permissions: [text],
  expires_at: time,
};

const resources = {
  resources: [{
    name: text,
    label,
    target: text,
    key: text,
    columns: [{
      name: text,
      label,
      type: oneOf('bigint', 'integer', 'numeric', 'text', 'boolean', 'timestamp with time zone', 'date', 'jsonb', 'uuid'),
      list: 'boolean',
      filter: 'boolean',
      sort: 'boolean',
      search: 'boolean',
    }],
    verbs: [text],
    actions: [{ name: text, label, params: [anything] }],
  }],
};

const job = {
  id: integerText,
  name: text,
  label,
  actor_name: nullable(text),
  tenant: nullable(shortTenant),
  target: text,
  selection_summary: text,
  params: (value) => typeof value === 'object',
  state: oneOf('PENDING', 'PLANNING', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'CANCELLED'),
  total: nullable('number'),
  processed: 'number',
  changed: 'number',
  skipped: 'number',
  failed: 'number',
  error: nullable(text),
  wait_reason: nullable(text),
  rate: nullable('number'),
  eta: nullable(time),
  on_error: oneOf('stop', 'skip'),
  has_errors: 'boolean',
  can_retry: 'boolean',
  created_at: time,
  started_at: nullable(time),
  finished_at: nullable(time),
};

const auditEntry = {
  id: integerText,
  created_at: time,
  tenant: nullable(shortTenant),
  actor_name: nullable(text),
  db_user: nullable(text),
  site: nullable(oneOf('internal', 'partner')),
  ip: nullable(text),
  method: nullable(text),
  path: nullable(text),
  request_id: nullable(text),
  job_id: nullable(integerText),
  action: nullable(text),
  target: nullable(text),
  target_pk: anything,
  op: nullable(oneOf('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'EVENT')),
  before: anything,
  after: anything,
  meta: anything,
};

const list = (row) => ({
  rows: [row],
  next: nullable(text),
  prev: nullable(text),
  count: { value: nullable('number'), kind: oneOf('exact', 'capped', 'estimated', 'none') },
});

const findings = {
  rows: [{
    check: oneOf('health', 'isolation'), level: oneOf('error', 'warning'), rule: text, object: text, problem: text, remedy: text,
  }],
  checked_at: time,
};

const etag = /^"[0-9a-f]{32}"$/;

// An answer with a tag, whose value is not known beforehand.
function assertTagged(answer, shape) {
  assert.match(answer.headers.etag, etag);
  return assertJson(answer, 200, shape, { etag: answer.headers.etag });
}

describe('routes', () => {
  let gateway;
  let session;
  before(async () => {
    gateway = await Gateway.start();
    session = await Session.signIn(gateway, 'internal');
  });
  after(() => gateway.stop());

  test('GET /me tells who is signed in and hands out the CSRF token', async () => {
    const answer = await session.get('/me');
    const body = assertJson(answer, 200, me, { 'x-csrf-token': session.csrf });
    assert.equal(body.actor.email, env.internal.email);
    assert.equal(body.site, 'internal');
    assert.equal(body.tenant, null);
  });

  test('PUT /session/tenant chooses a tenant and leaves it again', async () => {
    const chosen = assertJson(await session.send('PUT', '/session/tenant', { tenant: env.slug, reason: 'a test' }), 200, me);
    assert.equal(chosen.tenant.slug, env.slug);
    assert.equal(JSON.parse((await session.get('/me')).text).tenant.slug, env.slug);
    const left = assertJson(await session.send('PUT', '/session/tenant', { tenant: null, reason: 'done' }), 200, me);
    assert.equal(left.tenant, null);
  });

  test('GET /resources lists what may be read', async () => {
    const body = assertJson(await session.get('/resources'), 200, resources);
    const product = body.resources.find((resource) => resource.name === 'product');
    assert.equal(product.key, 'id');
    assert.ok(product.actions.some((action) => action.name === 'discount'));
  });

  test('GET /resources/{resource}/rows gives a page of rows, with 64-bit integers and numerics as text', async () => {
    const body = assertTagged(await session.get('/resources/product/rows?page_size=3&sort=-price'), list((row) => typeof row === 'object'));
    assert.equal(body.rows.length, 3);
    for (const row of body.rows) {
      assert.ok(integerText(row.id));
      assert.match(row.price, /^\d+\.\d\d$/);
      assert.equal(typeof row.stock, 'number');
      assert.equal(typeof row.is_public, 'boolean');
    }
    const following = await session.get(`/resources/product/rows?page_size=3&sort=-price&cursor=${encodeURIComponent(body.next)}`);
    const ids = assertTagged(following, list(anything)).rows.map((row) => row.id);
    assert.ok(body.rows.every((row) => !ids.includes(row.id)));
  });

  test('GET /resources/{resource}/rows takes a filter and a search', async () => {
    const filter = encodeURIComponent(JSON.stringify({ and: [{ column: 'price', op: '>=', value: 1000 }] }));
    const body = assertTagged(await session.get(`/resources/product/rows?filter=${filter}&search=a`), list(anything));
    for (const row of body.rows) assert.ok(Number(row.price) >= 1000);
  });

  test('GET /resources/{resource}/count counts', async () => {
    assertJson(await session.get('/resources/product/count'), 200, { value: 'number', kind: oneOf('exact', 'capped') });
  });

  test('POST /actions/{action}/run starts a job, which GET /jobs and GET /jobs/{id} show', async () => {
    const { rows } = JSON.parse((await session.get('/resources/product/rows?page_size=1&sort=-id')).text);
    const answer = await session.send('POST', '/actions/discount/run', {
      params: { percent: 1.5 },
      selection: { ids: [rows[0].id] },
    });
    assert.equal(answer.status, 202, answer.text);
    const { job_id: id } = JSON.parse(answer.text);
    assert.equal(answer.text, `{"job_id":"${id}"}`);
    const path = `/api/v1/admin/jobs/${id}`;
    assertHeaders(answer, { 'content-type': 'application/json', 'content-length': String(answer.text.length), location: path });

    const detail = assertTagged(await session.get(`/jobs/${id}`), job);
    assert.equal(detail.id, id);
    assert.equal(detail.name, 'discount');
    assert.equal(Number(detail.params.percent), 1.5);

    const jobs = assertJson(await session.get('/jobs?page_size=5'), 200, { rows: [job], next: nullable(text) });
    assert.ok(jobs.rows.some((row) => row.id === id));

    const none = assertTagged(await session.get(`/jobs/${id}/errors`), { rows: [anything], next: nullable(text) });
    assert.deepEqual(none, { rows: [], next: null });
  });

  const entries = { rows: [auditEntry], next: nullable(text), prev: nullable(text) };

  test('GET /audit lists entries, all or of one target', async () => {
    assertTagged(await session.get('/audit?page_size=5'), entries);
    const filter = encodeURIComponent(JSON.stringify({ target: 'shop.product' }));
    const body = assertTagged(await session.get(`/audit?filter=${filter}&page_size=5`), entries);
    for (const row of body.rows) assert.equal(row.target, 'shop.product');
  });

  test('GET /audit/histogram counts entries over time', async () => {
    const body = assertJson(await session.get('/audit/histogram?buckets=7'), 200, { from: time, to: time, counts: ['number'], total: 'number', capped: 'boolean' });
    assert.equal(body.counts.length, 7);
    assert.equal(body.counts.reduce((a, b) => a + b), body.total);
  });

  test('GET /resources/{resource}/rows/{key}/history and …/as-of tell the past of a row', async () => {
    const { rows } = JSON.parse((await session.get('/resources/product/rows?page_size=1&sort=id')).text);
    const path = `/resources/product/rows/${rows[0].id}`;
    assertTagged(await session.get(`${path}/history?page_size=5`), entries);
    const row = (value) => value === null || value.id === rows[0].id;
    assertJson(await session.get(`${path}/as-of?at=2026-01-31T12:00:00Z`), 200, { at: time, row, present: row, unknown: [text], reason: nullable(text) });
  });

  test('GET /findings lists what the checks of opsadmin found', async () => {
    assertJson(await session.get('/findings'), 200, findings);
  });

  test('HEAD gives the headers of GET and no body', async () => {
    for (const path of ['/me', '/resources', '/resources/shop/rows?page_size=2']) {
      const get = await session.get(path);
      const head = await session.send('HEAD', path);
      assert.equal(head.status, 200);
      assert.equal(head.text, '');
      for (const answer of [get, head]) {
        delete answer.headers.date;
        delete answer.headers['x-request-id'];
      }
      assert.deepEqual(head.headers, get.headers);
    }
  });

  test('rows and jobs that did not change are answered with 304', async () => {
    const path = '/resources/shop/rows?page_size=2';
    const first = await session.get(path);
    for (const tag of [first.headers.etag, `W/${first.headers.etag}`, `"other", ${first.headers.etag}`, '*']) {
      const again = await session.get(path, { 'if-none-match': tag });
      assert.equal(again.status, 304);
      assert.equal(again.text, '');
      assertHeaders(again, { etag: first.headers.etag });
    }
    assert.equal((await session.get(path, { 'if-none-match': '"other"' })).status, 200);
  });

  test('GET /healthz and /readyz tell the state of the process and of the database', async () => {
    const alive = assertJson(await gateway.request('GET', '/healthz'), 200, { status: text, version: text });
    assert.equal(alive.status, 'alive');
    const ready = assertJson(await gateway.request('GET', '/readyz'), 200, { status: text, version: text, extension: text, internal: text, partner: text });
    assert.deepEqual(ready, { status: 'ready', version: alive.version, extension: alive.version, internal: 'ready', partner: 'ready' });
  });

  test('GET /metrics gives totals as a monitoring system reads them, to whoever asks the gateway itself', async () => {
    const answer = await gateway.request('GET', '/metrics');
    assert.equal(answer.status, 200);
    assertHeaders(answer, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'content-length': String(answer.bytes.length) });
    const figures = answer.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of figures) assert.match(line, /^opsadmin_[a-z_]+(\{(state|status|version)="[^"]+"\})? \d+(\.\d+)?$/);
    const value = (name) => Number(figures.find((line) => line.startsWith(`${name} `)).split(' ')[1]);
    assert.equal(value('opsadmin_database_up'), 1);
    assert.ok(value('opsadmin_gateway_answers_total{status="2xx"}') > 0);
    assert.ok(figures.some((line) => line.startsWith('opsadmin_jobs{state="DONE"} ')));
    assertProblem(await gateway.request('GET', '/metrics', { headers: { 'x-forwarded-for': '203.0.113.9' } }), 'OA102', {});
  });

  test('the log has one line for each request, without query string or secrets', async () => {
    await session.get('/resources/product/rows?search=confidential');
    const answer = await session.get('/me');
    const isOurs = (entry) => entry.request_id === answer.headers['x-request-id'];
    const line = await until('the line of the log', () => gateway.log.find(isOurs));
    const { time: at, request_id: id, ms, ...rest } = line;
    assert.ok(time(at) && typeof ms === 'number' && id);
    assert.deepEqual(rest, { method: 'GET', path: '/api/v1/admin/me', status: 200, site: 'internal' });
    assert.deepEqual([...new Set(gateway.log.map((entry) => entry.event))].sort(), ['listening', 'plain_http', undefined]);
    const whole = JSON.stringify(gateway.log);
    for (const secret of ['confidential', session.cookie.split('=')[1], session.csrf, env.internal.password]) assert.ok(!whole.includes(secret));
  });
});
