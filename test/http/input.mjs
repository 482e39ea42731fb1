// Input that is well formed and yet wrong: unknown names, wrong types, values out of range.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertProblem } from './lib.mjs';

describe('input', () => {
  let gateway;
  let session;
  before(async () => {
    gateway = await Gateway.start();
    session = await Session.signIn(gateway, 'internal');
  });
  after(() => gateway.stop());

  const filterBy = (filter) => `/resources/product/rows?filter=${encodeURIComponent(JSON.stringify(filter))}`;
  const run = (params, selection = { ids: ['1'] }, action = 'discount') => session.send('POST', `/actions/${action}/run`, { params, selection });
  const fromServer = { detail: true, hint: true };

  test('unknown resource, action, job and tenant', async () => {
    assertProblem(await session.get('/resources/nonsense/rows'), 'OA405', fromServer);
    assertProblem(await session.get('/resources/nonsense/count'), 'OA405', fromServer);
    assertProblem(await session.get('/resources/pg_authid/rows'), 'OA405', fromServer);
    assertProblem(await session.get(`/resources/${encodeURIComponent("product'; --/가")}/rows`), 'OA405', fromServer);
    assertProblem(await run({ percent: 10 }, { ids: ['1'] }, 'nonsense'), 'OA406', fromServer);
    assertProblem(await session.get('/jobs/9223372036854775807'), 'OA407', fromServer);
    assertProblem(await session.send('PUT', '/session/tenant', { tenant: 'nonsense', reason: 'x' }), 'OA404', {
      ...fromServer, errors: [{ pointer: '/tenant' }],
    });
  });

  test('an unknown column is refused with a pointer', async () => {
    const answer = await session.get(filterBy({ and: [{ column: 'nonsense', op: '=', value: 1 }] }));
    assertProblem(answer, 'OA421', { ...fromServer, errors: [{ pointer: '/filter/and/0/column' }] });
  });

  test('an action parameter out of range, of the wrong type or unknown is refused with a pointer', async () => {
    for (const params of [{ percent: 0 }, { percent: 91 }, { percent: 90.01 }, { percent: 'ten' }, { percent: [10] }])
      assertProblem(await run(params), 'OA420', { ...fromServer, errors: [{ pointer: '/params/percent' }] });
    assertProblem(await run({ percent: 10, more: 1 }), 'OA420', { ...fromServer, errors: [{ pointer: '/params/more' }] });
  });

  test('a selection that does not fit is refused', async () => {
    for (const selection of [{}, { ids: 'all' }, { ids: ['x'] }, { nonsense: 1 }]) {
      const { status, text } = await run({ percent: 10 }, selection);
      assert.equal(status, 422, text);
      assert.equal(JSON.parse(text).code, 'OA423');
    }
  });

  test('a filter, sort or cursor that does not fit is refused', async () => {
    const cases = [
      [filterBy({ and: [{ column: 'price', op: 'nonsense', value: 1 }] }), 'OA422'],
      [filterBy({ and: [{ column: 'price', op: '=', value: 'cheap' }] }), 'OA422'],
      [filterBy([]), 'OA422'],
      ['/resources/product/rows?sort=nonsense', 'OA421'],
      ['/resources/product/rows?cursor=nonsense', 'OA424'],
    ];
    for (const [path, code] of cases) {
      const { status, text } = await session.get(path);
      assert.ok(status === 422 || status === 400, `${path}: ${text}`);
      assert.equal(JSON.parse(text).code, code, path);
    }
  });

  test('a member of the body that is missing, of the wrong type or unknown is refused with a pointer', async () => {
    const post = (body) => session.send('POST', '/actions/discount/run', body);
    const good = { params: { percent: 10 }, selection: { ids: ['1'] } };
    const cases = [
      [{ ...good, params: undefined }, '/params', 'is missing'],
      [{ ...good, selection: null }, '/selection', 'is missing'],
      [{ ...good, selection: ['1'] }, '/selection', 'must be an object'],
      [{ ...good, token: 5 }, '/token', 'must be text'],
      [{ ...good, confirm: true }, '/confirm', 'is not known here'],
    ];
    for (const [body, pointer, detail] of cases) assertProblem(await post(body), 'OA108', { errors: [{ pointer, detail }] });
  });

  test('a parameter of the query that does not parse, is unknown or stands twice is refused with a pointer', async () => {
    const integer = 'must be an integer';
    const date = 'must be a date like 2026-01-31';
    const cases = [
      ['/jobs/twelve', '/id', integer],
      ['/jobs/1.0', '/id', integer],
      ['/jobs/9223372036854775808', '/id', integer],
      ['/jobs?page_size=ten', '/page_size', integer],
      ['/jobs?page_size=', '/page_size', integer],
      ['/jobs?page_size=2147483648', '/page_size', integer],
      ['/kpi?first_day=2026-02-30', '/first_day', date],
      ['/kpi?last_day=yesterday', '/last_day', date],
      ['/resources/product/rows?filter=%7B', '/filter', 'must be valid JSON'],
      ['/resources/product/rows?fliter=%7B%7D', '/fliter', 'is not known here'],
      ['/jobs?page_size=1&page_size=2', '/page_size', 'given more than once'],
    ];
    for (const [path, pointer, detail] of cases) assertProblem(await session.get(path), 'OA108', { errors: [{ pointer, detail }] });
  });

  test('a page size out of range is refused with a pointer', async () => {
    for (const size of [0, -1, 1_000_000])
      assertProblem(await session.get(`/resources/product/rows?page_size=${size}`), 'OA420', { ...fromServer, errors: [{ pointer: '/page_size' }] });
  });

  test('broken percent-encoding, NUL and invalid UTF-8 in the query are refused', async () => {
    for (const value of ['%', '%2', '%zz', '%00', 'a%00b', '%ff', '%c0%af', '%ed%a0%80'])
      assertProblem(await session.get(`/resources/product/rows?search=${value}`), 'OA108', { detail: 'the query is malformed' });
  });

  test('NUL and invalid UTF-8 in the path lead nowhere', async () => {
    for (const value of ['%00', 'product%00', '%ff', '%']) assertProblem(await session.get(`/resources/${value}/rows`), 'OA102');
  });

  test('an unknown path is 404 and a known one with another method 405', async () => {
    assertProblem(await session.get('/nonsense'), 'OA102');
    assertProblem(await gateway.request('GET', '/api/v1/nobody/me'), 'OA102');
    assertProblem(await gateway.request('GET', '/api/v2/admin/me'), 'OA102');
    assertProblem(await gateway.request('GET', '/api/v1/admin/me/'), 'OA102');
    assertProblem(await session.send('POST', '/me', {}), 'OA103', { headers: { allow: 'GET, HEAD' } });
    assertProblem(await session.get('/session'), 'OA103', { headers: { allow: 'POST, DELETE' } });
    assertProblem(await session.send('OPTIONS', '/jobs/1'), 'OA103', { headers: { allow: 'GET, HEAD' } });
  });
});
