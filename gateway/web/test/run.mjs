// Bundles the unit tests (nodejs 18 runs no TypeScript) and gives them to node's test runner.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const outdir = await mkdtemp(join(tmpdir(), 'opsadmin-web-test-'));
const entryPoints = (await readdir(here)).filter((name) => name.endsWith('.test.ts')).map((name) => join(here, name));
await build({
  entryPoints, outdir, bundle: true, platform: 'node', format: 'esm', target: 'node18',
  outExtension: { '.js': '.mjs' }, logLevel: 'warning',
  define: { 'import.meta.url': JSON.stringify(import.meta.url) },
});
const files = (await readdir(outdir)).map((name) => join(outdir, name));
const { status } = spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit' });
await rm(outdir, { recursive: true });
process.exitCode = status ?? 1;
