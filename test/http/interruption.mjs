// Requests that PostgreSQL keeps waiting, or breaks off while they are in flight.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { Gateway, Session, assertProblem, sql, until } from './lib.mjs';

describe('interruption', () => {
  const waiting = "FROM pg_stat_activity WHERE application_name = 'opsadmin-gateway' AND wait_event_type = 'Lock'";
  let gateway;
  let session;
  before(async () => {
    // Records of requests would wait, too.
    gateway = await Gateway.start('--record-requests=none');
    session = await Session.signIn(gateway, 'internal');
    // The first request also tells the database that the session is in use; that is not to wait here.
    assert.equal((await session.get('/me')).status, 200);
  });
  after(() => gateway.stop());

  const write = () => session.send('PUT', '/session/tenant', { tenant: null, reason: 'x' });

  // Runs the body while every request waits for the table of sessions.
  async function whileLocked(body) {
    const locker = spawn('psql', ['-Xqc', "SET application_name = 'locker'; BEGIN; LOCK opsadmin.secret; SELECT pg_sleep(60)"], { stdio: 'ignore' });
    const ended = new Promise((resolve) => locker.on('exit', resolve));
    const release = () => sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'locker'");
    await until('the lock', () => sql("SELECT count(*) FROM pg_locks WHERE relation = 'opsadmin.secret'::regclass AND mode = 'AccessExclusiveLock' AND granted") === '1');
    try {
      return await body(release);
    } finally {
      release();
      await ended;
    }
  }

  const oneWaits = () => until('a request to wait', () => sql(`SELECT count(*) ${waiting}`) === '1');

  // Breaks off the one request that waits.
  async function breakOff() {
    await oneWaits();
    const pid = sql(`SELECT pid ${waiting}`);
    sql(`SELECT pg_terminate_backend(${pid})`);
    await until('the backend to end', () => sql(`SELECT count(*) FROM pg_stat_activity WHERE pid = ${pid}`) === '0');
  }

  test('what partners wait for, staff do not', async () => {
    const partner = await Session.signIn(gateway, 'partner');
    const locker = spawn('psql', ['-XAtq'], { stdio: ['pipe', 'pipe', 'inherit'] });
    locker.stdin.write('BEGIN; LOCK shop.product; SELECT 1;\n');
    await once(locker.stdout, 'data');
    const answers = [];
    const pending = Array.from({ length: 40 }, () => partner.get('/resources/product/rows').then((answer) => answers.push(answer)));
    await until('requests to wait', () => sql(`SELECT count(*) ${waiting}`) === '8');
    assert.equal((await session.get('/me')).status, 200);
    assert.equal((await gateway.request('GET', '/admin/')).status, 200);
    assert.deepEqual(answers, []);
    locker.kill();
    await Promise.all(pending);
    assert.ok(answers.every(({ status }) => status === 200));
  });

  test('what only reads is tried again on a new connection', async () => {
    const answer = await whileLocked(async (release) => {
      const pending = session.get('/me');
      await breakOff();
      await oneWaits();
      release();
      return pending;
    });
    assert.equal(answer.status, 200, answer.text);
  });

  test('what reads is tried again only once', async () => {
    await whileLocked(async () => {
      const pending = session.get('/me');
      await breakOff();
      await breakOff();
      assertProblem(await pending, 'OA105');
    });
    assert.equal((await session.get('/me')).status, 200);
  });

  test('what writes is never tried again', async () => {
    await whileLocked(async () => {
      const pending = write();
      await breakOff();
      assertProblem(await pending, 'OA105');
      assert.equal(sql(`SELECT count(*) ${waiting}`), '0');
    });
    assert.equal((await write()).status, 200);
  });

  test('a request does not wait for a lock for ever', async () => {
    await whileLocked(async () => {
      assertProblem(await session.get('/me'), '55P03', { foreign: { status: 503, title: 'the data is locked by another transaction' } });
    });
    assert.equal((await session.get('/me')).status, 200);
  });
});
