// The command line, --check, and listening on a unix socket.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Gateway, env, runGateway, shell, until } from './lib.mjs';

const version = /^default_version *= *'(.*)'/m.exec(readFileSync(new URL('../../opsadmin.control', import.meta.url), 'utf8'))[1];
const common = ['--dsn', env.dsn, '--web', env.web];

function assertUsageError(args, message) {
  const { status, stdout, stderr } = runGateway(...args);
  assert.deepEqual({ status, stdout, stderr }, { status: 2, stdout: '', stderr: `opsadmin-gateway: ${message}\n` });
}

test('--version and --help', () => {
  const { status, stdout } = runGateway('--version');
  assert.deepEqual({ status, stdout }, { status: 0, stdout: `opsadmin-gateway ${version}\n` });
  const help = runGateway('--help');
  assert.equal(help.status, 0);
  for (const option of ['listen', 'dsn', 'web', 'partner-domain', 'behind-tls', 'pool', 'threads', 'check']) assert.match(help.stdout, new RegExp(`--${option}\\b`));
});

test('options that make no sense are refused', () => {
  assertUsageError(['--web', env.web], '--dsn is needed, for example --dsn "host=/run/postgresql dbname=shop"');
  assertUsageError(['--dsn', env.dsn], '--web is needed: the directory of the built page');
  assertUsageError([...common, '--pool', '0'], '--pool must be a number from 1 to 100');
  assertUsageError([...common, '--threads', 'many'], '--threads must be a number from 1 to 200');
  assertUsageError([...common, '--listen', '8080'], '--listen must be host:port or unix:/path');
  assertUsageError([...common, '--listen', '127.0.0.1:70000'], 'the port of --listen must be a number from 0 to 65535');
  assertUsageError([...common, 'more'], 'unexpected argument: more');
});

test('an address that can be reached from outside needs a proxy with TLS in front', () => {
  for (const listen of ['0.0.0.0:8080', '[::]:8080', '192.0.2.1:8080', 'example.com:80'])
    assertUsageError([...common, '--listen', listen], `--listen ${listen} can be reached from outside: let a proxy that speaks TLS stand in front and add --behind-tls`);
});

test('a directory without a page is refused', () => {
  const { status, stderr } = runGateway('--dsn', env.dsn, '--web', '/nonexistent');
  assert.equal(status, 1);
  assert.equal(stderr, 'opsadmin-gateway: /nonexistent holds no index.html: build the page and name its directory with --web\n');
});

test('a port in use is refused', async () => {
  const gateway = await Gateway.start();
  const { status, stderr } = runGateway(...common, '--listen', gateway.address);
  assert.equal(status, 1);
  assert.equal(stderr, `opsadmin-gateway: cannot listen on ${gateway.address}\n`);
  await gateway.stop();
});

test('--check finds a good set-up good', () => {
  const { status, stdout } = runGateway(...common, '--check');
  assert.equal(
    stdout,
    'ok: opsadmin_internal_login can connect.\n' +
      `ok: The extension is installed in the gateway's version, ${version}.\n` +
      'ok: The server module is preloaded.\n' +
      'ok: opsadmin_partner_login can connect.\n' +
      `ok: The page is in ${env.web}.\n`,
  );
  assert.equal(status, 0);
});

test('--check says what is wrong and what to do', () => {
  const { status, stdout } = runGateway('--dsn', `${env.dsn} dbname=nonsense`, '--web', '/nonexistent', '--check');
  assert.equal(status, 1);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, 3);
  for (const [i, login] of ['opsadmin_internal_login', 'opsadmin_partner_login'].entries())
    assert.match(lines[i], new RegExp(`^wrong: ${login} cannot connect \\(.*"nonsense".*\\): check --dsn, the password in PGPASSFILE, and that pg_hba.conf lets this role in\\.$`));
  assert.equal(lines[2], 'wrong: /nonexistent holds no index.html: build the page and name its directory with --web.');
});

test('--check warns of a connection pooler in between', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'opsadmin-pooler-'));
  writeFileSync(join(directory, 'users'), '"opsadmin_internal_login" ""\n"opsadmin_partner_login" ""\n');
  writeFileSync(
    join(directory, 'pgbouncer.ini'),
    `[databases]\n* = host=${process.env.PGHOST} port=${process.env.PGPORT}\n` +
      `[pgbouncer]\nunix_socket_dir = ${directory}\nlisten_port = 6432\nauth_type = trust\nauth_file = ${directory}/users\npool_mode = transaction\n`,
  );
  // PgBouncer does not run as root.
  const command = ['pgbouncer', '-q', join(directory, 'pgbouncer.ini')];
  if (process.getuid() === 0) {
    shell(`chown -R postgres '${directory}'`);
    command.unshift('runuser', '-u', 'postgres', '--');
  }
  const pooler = spawn(command[0], command.slice(1), { stdio: 'ignore' });
  try {
    await until('PgBouncer', () => existsSync(join(directory, '.s.PGSQL.6432')));
    const { status, stdout } = runGateway('--dsn', `host=${directory} port=6432 dbname=${process.env.PGDATABASE}`, '--web', env.web, '--check');
    const lines = stdout.trimEnd().split('\n').filter((line) => line.startsWith('wrong'));
    assert.deepEqual(
      lines,
      ['opsadmin_internal_login', 'opsadmin_partner_login'].map(
        (login) => `wrong: ${login} reaches PostgreSQL through a connection pooler: name the server itself in --dsn; the gateway has pools of its own.`,
      ),
    );
    assert.equal(status, 1);
  } finally {
    pooler.kill();
    rmSync(directory, { recursive: true });
  }
});

test('a unix socket works, is taken over when it is stale, and is removed at the end', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'opsadmin-socket-'));
  const socketPath = join(directory, 'gateway.sock');
  const killed = await Gateway.start('--listen', `unix:${socketPath}`);
  killed.process.kill('SIGKILL');
  await killed.ended;
  assert.ok(existsSync(socketPath));
  const gateway = await Gateway.start('--listen', `unix:${socketPath}`);
  const status = await new Promise((resolve, reject) => {
    http.get({ socketPath, path: '/healthz', headers: { host: 'localhost' } }, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
  assert.equal(status, 200);
  await gateway.stop();
  assert.ok(!existsSync(socketPath));
  rmSync(directory, { recursive: true });
});
