// What the HTTP tests share: starting the real gateway, speaking to it well and badly, and comparing answers
// whole. It knows nothing of single routes.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { after } from 'node:test';

const need = (name) => process.env[name] ?? assert.fail(`the environment variable ${name} is needed`);

export const env = {
  gateway: need('OPSADMIN_GATEWAY'),
  web: need('OPSADMIN_WEB'),
  dsn: `host=${need('PGHOST')} port=${need('PGPORT')} dbname=${need('PGDATABASE')}`,
  internal: { email: need('OPSADMIN_INTERNAL_EMAIL'), password: need('OPSADMIN_INTERNAL_PASSWORD') },
  partner: { email: need('OPSADMIN_PARTNER_EMAIL'), password: need('OPSADMIN_PARTNER_PASSWORD') },
  slug: need('OPSADMIN_PARTNER_SLUG'),
  otherSlug: need('OPSADMIN_OTHER_SLUG'),
  stopPostgres: need('OPSADMIN_PG_CTL_STOP'),
  startPostgres: need('OPSADMIN_PG_CTL_START'),
};

export const partnerDomain = 'partner.localhost';

// Polls until the condition gives something true, or fails at the deadline.
export async function until(what, condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > deadline) assert.fail(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function shell(command) {
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  assert.equal(status, 0, `${command}: ${stderr}`);
}

// Runs SQL as the superuser that the environment of psql names.
export function sql(statement) {
  const { status, stdout, stderr } = spawnSync('psql', ['-XAtqc', statement], { encoding: 'utf8' });
  assert.equal(status, 0, `${statement}: ${stderr}`);
  return stdout.trim();
}

// Locks a product as a transaction of the shop does, and returns what lets it go.
export async function holdProduct(id) {
  const psql = spawn('psql', ['-XAtq'], { stdio: ['pipe', 'pipe', 'inherit'] });
  psql.stdin.write(`BEGIN; SELECT id FROM shop.product WHERE id = ${id} FOR UPDATE;\n`);
  await once(psql.stdout, 'data');
  return () => psql.kill();
}

export function runGateway(...args) {
  return spawnSync(env.gateway, args, { encoding: 'utf8' });
}

// What a failed test left running must not keep the others waiting.
const running = new Set();
after(() => running.forEach((gateway) => gateway.process.kill('SIGKILL')));

// A running gateway on a port of its own.
export class Gateway {
  static async start(...args) {
    const gateway = new Gateway();
    gateway.log = [];
    const all = ['--listen', '127.0.0.1:0', '--dsn', env.dsn, '--web', env.web, '--partner-domain', partnerDomain, ...args];
    gateway.process = spawn(env.gateway, all, { stdio: ['ignore', 'ignore', 'pipe'] });
    running.add(gateway);
    gateway.ended = new Promise((resolve) => gateway.process.on('exit', (code, signal) => resolve({ code, signal })));
    gateway.ended.then(() => running.delete(gateway));
    let rest = '';
    gateway.process.stderr.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      gateway.log.push(...lines.map((line) => JSON.parse(line)));
    });
    const listening = await until('the gateway to listen', () => gateway.log.find((line) => line.event === 'listening'));
    gateway.address = listening.detail;
    gateway.port = Number(listening.detail.split(':').pop());
    return gateway;
  }

  async stop() {
    this.process.kill('SIGTERM');
    assert.deepEqual(await this.ended, { code: 0, signal: null });
  }

  // Sends a well-formed request; `agent` false means a connection of its own.
  request(method, path, { headers = {}, body, agent = false } = {}) {
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: this.port, method, path, headers, agent }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          resolve({ status: response.statusCode, headers: response.headers, bytes, text: bytes.toString() });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  // Sends bytes as they are and gives the first answer, or null when the connection ends without one.
  raw(bytes, { then } = {}) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1', () => socket.write(bytes));
      let text = '';
      const finish = (answer) => {
        socket.destroy();
        resolve(answer);
      };
      socket.setTimeout(30_000, () => finish(assert.fail('no answer')));
      socket.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
        if (then && text.startsWith('HTTP/1.1 100 ')) {
          text = text.slice(text.indexOf('\r\n\r\n') + 4);
          socket.write(then);
        }
        const answer = parseAnswer(text);
        if (answer) finish(answer);
      });
      socket.on('error', reject);
      socket.on('close', () => finish(null));
    });
  }
}

function parseAnswer(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [first, ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]));
  const body = text.slice(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return null;
  return { status: Number(first.split(' ')[1]), headers, text: body };
}

// Somebody who signed in on one site.
export class Session {
  static async signIn(gateway, site, { host, behindTls = false } = {}) {
    const session = new Session();
    Object.assign(session, { gateway, host, base: `/api/v1/${site === 'internal' ? 'admin' : 'partner'}` });
    const answer = await gateway.request('POST', `${session.base}/session`, {
      headers: { 'content-type': 'application/json', ...(host && { host }) },
      body: JSON.stringify(env[site]),
    });
    assert.equal(answer.status, 200, answer.text);
    session.answer = answer;
    session.cookie = answer.headers['set-cookie'][0].split(';')[0];
    session.csrf = answer.headers['x-csrf-token'];
    session.behindTls = behindTls;
    return session;
  }

  get(path, headers = {}) {
    return this.send('GET', path, undefined, headers);
  }

  // Sends what the page would send; a header given as undefined is left out.
  send(method, path, json, headers = {}) {
    const all = {
      cookie: this.cookie,
      ...(this.host && { host: this.host }),
      ...(method !== 'GET' && method !== 'HEAD' && { 'x-csrf-token': this.csrf }),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    };
    for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
    return this.gateway.request(method, this.base + path, { headers: all, body: json === undefined ? undefined : JSON.stringify(json) });
  }
}

const commonHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cache-control': 'no-store',
};

// Compares all headers: those that every answer has, and these.
export function assertHeaders(answer, expected) {
  const { date, 'x-request-id': id, connection, ...rest } = answer.headers;
  assert.match(date, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.ok([undefined, 'close', 'keep-alive'].includes(connection));
  assert.deepEqual({ ...rest }, { ...commonHeaders, ...expected });
}

// Compares status, headers and body of an answer that is JSON, and gives the body.
export function assertJson(answer, status, shape, headers = {}) {
  assert.equal(answer.status, status, answer.text);
  assertHeaders(answer, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(answer.text)), ...headers });
  const body = JSON.parse(answer.text);
  assertShape(body, shape);
  return body;
}

const errorTable = new Map(
  [...readFileSync(new URL('../../extension/core/errors.def', import.meta.url), 'utf8').matchAll(/^OPSADMIN_ERROR\("(OA\d+)", \w+, (\d+), "([^"]*)"\)/gm)].map(
    ([, code, status, title]) => [code, { status: Number(status), title }],
  ),
);

// Compares an answer that is a problem: whole, but for a text of the server that `detail` replaces by true. A code
// that is not opsadmin's comes with its status and title.
export function assertProblem(answer, code, { headers = {}, detail, hint, errors, foreign } = {}) {
  const { status, title } = foreign ?? errorTable.get(code);
  assert.equal(answer?.status, status, answer?.text ?? 'no answer');
  assertHeaders(answer, {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(answer.text, answer.bytes ? 'utf8' : 'latin1')),
    ...(status === 503 && { 'retry-after': '1' }),
    ...headers,
  });
  const body = JSON.parse(answer.text);
  const expected = { type: `/problems/${code}`, title, status, code, instance: answer.headers['x-request-id'] };
  if (detail !== undefined) expected.detail = detail === true ? body.detail : detail;
  if (hint === true && body.hint !== undefined) expected.hint = body.hint;
  if (errors !== undefined) expected.errors = errors.map((error, i) => ({ detail: body.errors?.[i]?.detail, ...error }));
  assert.deepEqual(body, expected);
}

// Shapes: a type's name, a predicate, an array with the shape of its elements, or an object with exactly these keys.
export const nullable = (shape) => (value) => value === null || fits(value, shape);
export const oneOf = (...values) => (value) => values.includes(value);
export const text = 'string';
export const time = (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$/.test(value);
export const day = (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value);
export const integerText = (value) => typeof value === 'string' && /^-?\d+$/.test(value);

function fits(value, shape) {
  try {
    assertShape(value, shape);
    return true;
  } catch {
    return false;
  }
}

export function assertShape(value, shape, path = '$') {
  if (typeof shape === 'function') assert.ok(shape(value), `${path}: ${JSON.stringify(value)}`);
  else if (typeof shape === 'string') assert.equal(typeof value, shape, path);
  else if (Array.isArray(shape)) {
    assert.ok(Array.isArray(value), path);
    value.forEach((item, i) => assertShape(item, shape[0], `${path}[${i}]`));
  } else {
    assert.deepEqual(Object.keys(value).sort(), Object.keys(shape).sort(), path);
    for (const key of Object.keys(shape)) assertShape(value[key], shape[key], `${path}.${key}`);
  }
}
