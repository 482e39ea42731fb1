// Many requests, slow clients, a full queue, and stopping in the middle of it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Gateway, Session, assertProblem, until } from './lib.mjs';

const credentials = '{"email":"nobody@example.com","password":"wrong"}';
const slowHead = `POST /api/v1/admin/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${credentials.length}\r\n\r\n`;

// Begins a request whose body stays away: it is in flight until `finish` sends the rest and gives the answer.
async function beginSlowRequest(gateway) {
  const socket = net.connect(gateway.port, '127.0.0.1');
  let text = '';
  const ended = new Promise((resolve) => socket.on('close', () => resolve(text)));
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  // The answer to "Expect" is the sign that a worker has the request and reads its body.
  socket.write(slowHead.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n'));
  await until('the gateway to ask for the body', () => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
  return {
    finish: () => {
      socket.write(credentials);
      return ended;
    },
  };
}

const sockets = (gateway) => {
  const directory = `/proc/${gateway.process.pid}/fd`;
  return readdirSync(directory).filter((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`).startsWith('socket:');
    } catch {
      return false;  // closed in between
    }
  }).length;
};

// How many of the gateway's connections have bytes that the client's end has not taken.
const unsent = (gateway) => {
  const port = `:${gateway.port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return rows.filter(([, local, , , queues]) => local?.endsWith(port) && !queues.startsWith('00000000')).length;
};

test('1,000 requests leave no connection behind', async () => {
  const gateway = await Gateway.start('--pool', '4');
  const session = await Session.signIn(gateway, 'internal');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const headers = { cookie: session.cookie };
  const paths = ['/api/v1/admin/me', '/api/v1/admin/jobs', '/api/v1/admin/resources/nonsense/rows', '/api/v1/partner/me', '/admin/'];
  const statuses = { 200: 0, 401: 0, 404: 0 };
  const one = async (i) => {
    const { status } = await gateway.request('GET', paths[i % paths.length], { headers, agent: i % 2 ? agent : false });
    statuses[status] += 1;
  };
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < 1000) await one(next++);
  }));
  assert.deepEqual(statuses, { 200: 600, 401: 200, 404: 200 });
  agent.destroy();
  // The listener, the log (a pipe of Node is a socket), at most the four connections of the pool that was used, and
  // one for each login by which requests are recorded.
  await until('the connections to go', () => sockets(gateway) <= 1 + 1 + 4 + 2);
  await gateway.stop();
});

test('idle and slow clients keep no worker busy', async () => {
  const gateway = await Gateway.start('--threads', '1');
  const lingering = [];
  for (const bytes of ['', 'GET /healthz HTTP/1.1\r\nHo'])
    for (let i = 0; i < 10; ++i) {
      const socket = net.connect(gateway.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('error', () => {});
      lingering.push(socket);
    }
  assert.equal((await gateway.request('GET', '/healthz')).status, 200);
  lingering.forEach((socket) => socket.destroy());
  await gateway.stop();
});

test('a client that does not take its answer keeps no worker busy', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'opsadmin-web-'));
  writeFileSync(join(directory, 'index.html'), '');
  // More than the buffers of both ends hold.
  writeFileSync(join(directory, 'large.txt'), Buffer.alloc(32 << 20));
  const gateway = await Gateway.start('--threads', '1', '--web', directory);
  const slow = Array.from({ length: 4 }, () => net.connect(gateway.port, '127.0.0.1').on('error', () => {}));
  for (const socket of slow) socket.write('GET /large.txt HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('an answer to be sent in part', () => unsent(gateway) > 0);
  const before = sockets(gateway);
  assert.equal((await gateway.request('GET', '/healthz')).status, 200);
  // Had the worker waited for one of them, that one would be gone by now.
  assert.ok(sockets(gateway) >= before);
  slow.forEach((socket) => socket.destroy());
  await gateway.stop();
  rmSync(directory, { recursive: true });
});

test('hundreds of idle connections keep nobody out', async () => {
  const gateway = await Gateway.start();
  const idle = [];
  await Promise.all(Array.from({ length: 700 }, () => new Promise((connected) => {
    const socket = net.connect(gateway.port, '127.0.0.1', connected);
    socket.on('error', () => {});
    idle.push(socket);
  })));
  for (let i = 0; i < 5; ++i) assert.equal((await gateway.request('GET', '/healthz')).status, 200);
  idle.forEach((socket) => socket.destroy());
  await gateway.stop();
});

test('what does not fit into the queue is refused at once, the rest is answered', async () => {
  const gateway = await Gateway.start('--threads', '1');
  const slow = await beginSlowRequest(gateway);
  const answers = [];
  const all = Array.from({ length: 300 }, () => gateway.request('GET', '/healthz').then((answer) => answers.push(answer)));
  await until('the surplus to be refused', () => answers.length === 300 - 256);
  for (const answer of answers) assertProblem(answer, 'OA106');
  assert.match(await slow.finish(), /\r\n\r\nHTTP\/1\.1 401 /);
  await Promise.all(all);
  for (const answer of answers.slice(300 - 256)) assert.equal(answer.status, 200);
  await gateway.stop();
});

test('of many clients whose bodies stay away, most are refused without being waited for', async () => {
  const gateway = await Gateway.start();
  const told = [];
  const many = Array.from({ length: 40 }, (_, i) => {
    const socket = net.connect(gateway.port, '127.0.0.1', () => socket.write(slowHead.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n')));
    told.push('');
    return socket.setEncoding('utf8').on('error', () => {}).on('data', (text) => (told[i] += text));
  });
  await until('most to be refused', () => told.filter((text) => text.includes(' 503 ')).length === 40 - 4);
  assert.ok(told.filter((text) => text.startsWith('HTTP/1.1 100 ')).length <= 6);
  many.forEach((socket) => socket.destroy());
  await gateway.stop();
});

test('a request in flight is answered before the gateway stops, and nothing new is accepted', async () => {
  const gateway = await Gateway.start();
  const slow = await beginSlowRequest(gateway);
  gateway.process.kill('SIGTERM');
  await until('the gateway to stop accepting', () => gateway.request('GET', '/healthz').then(() => false, (error) => error.code === 'ECONNREFUSED'));
  assert.equal(gateway.process.exitCode, null);
  assert.match(await slow.finish(), /\r\n\r\nHTTP\/1\.1 401 /);
  assert.deepEqual(await gateway.ended, { code: 0, signal: null });
  assert.equal(gateway.log.at(-1).event, 'stopped');
  assert.equal(gateway.log.at(-1).detail, 'all requests were answered');
});

test('SIGINT stops it too, and idle connections do not hold it up', async () => {
  const gateway = await Gateway.start();
  const agent = new http.Agent({ keepAlive: true });
  assert.equal((await gateway.request('GET', '/healthz', { agent })).status, 200);
  gateway.process.kill('SIGINT');
  assert.deepEqual(await gateway.ended, { code: 0, signal: null });
  agent.destroy();
});
