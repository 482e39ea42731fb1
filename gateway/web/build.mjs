// Builds dist/: index.html (the same shell for both sites) and hashed files under assets/.
// Prints the sizes and fails when a budget is broken. It must run on nodejs 18.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = new URL('.', import.meta.url);
const dist = new URL('dist/', root);
const budget = { js: 60 * 1024, css: 15 * 1024 };

const result = await build({
  absWorkingDir: fileURLToPath(root),
  entryPoints: { app: 'src/main.tsx', early: 'src/early.ts', style: 'src/styles/index.css' },
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  outdir: 'dist/assets',
  write: false,
  logLevel: 'warning',
});

const assets = new URL('assets/', dist);
await mkdir(assets, { recursive: true });

const names = {};
const total = { js: 0, css: 0 };
for (const file of result.outputFiles) {
  const [stem, kind] = file.path.split('/').pop().split('.');
  const hash = createHash('sha256').update(file.contents).digest('hex').slice(0, 10);
  names[`${stem}.${kind}`] = `${stem}-${hash}.${kind}`;
  const size = gzipSync(file.contents, { level: 9 }).length;
  total[kind] += size;
  await writeFile(new URL(names[`${stem}.${kind}`], assets), file.contents);
  console.log(`${`${stem}.${kind}`.padEnd(10)} ${(size / 1024).toFixed(1).padStart(6)} KB gzip`);
}

const shell = await readFile(new URL('src/index.html', root), 'utf8');
await writeFile(new URL('index.new', dist), shell.replace(/\{\{(.+?)\}\}/g, (_, name) => `/assets/${names[name]}`));
// The shell changes at once, and what the shell before needed goes last: a server may be reading.
await rename(new URL('index.new', dist), new URL('index.html', dist));
for (const name of await readdir(assets)) {
  if (!Object.values(names).includes(name)) await rm(new URL(name, assets));
}

for (const kind of ['js', 'css']) {
  const used = `${(total[kind] / 1024).toFixed(1)} of ${budget[kind] / 1024} KB`;
  console.log(`${kind.padEnd(10)} ${used}`);
  if (total[kind] > budget[kind]) {
    console.error(`${kind} is over its budget`);
    process.exitCode = 1;
  }
}
