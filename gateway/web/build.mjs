// Builds dist/: index.html (the same shell for both sites) and hashed files under assets/.
// Prints the sizes and fails when a budget is broken. It must run on nodejs 18.
import { build } from 'esbuild';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = new URL('.', import.meta.url);
const dist = new URL('dist/', root);
const assets = new URL('assets/', dist);
// First: what every screen waits for. All: with what only some of them load.
const budget = { 'first js': 60 * 1024, 'all js': 130 * 1024, css: 15 * 1024 };

const common = {
  absWorkingDir: fileURLToPath(root),
  bundle: true,
  minify: true,
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  outdir: 'dist/assets',
  metafile: true,
  write: false,
  logLevel: 'warning',
};
const results = await Promise.all([
  build({ ...common, entryPoints: ['src/main.tsx', 'src/styles/index.css'], format: 'esm', splitting: true }),
  // It blocks the first paint, as no module does.
  build({ ...common, entryPoints: ['src/early.ts'], format: 'iife' }),
]);

await mkdir(assets, { recursive: true });
const sizes = new Map();
for (const file of results.flatMap((result) => result.outputFiles)) {
  const name = basename(file.path);
  sizes.set(name, gzipSync(file.contents, { level: 9 }).length);
  await writeFile(new URL(name, assets), file.contents);
}

const outputs = Object.assign({}, ...results.map((result) => result.metafile.outputs));
const pathOf = (source) => Object.keys(outputs).find((path) => outputs[path].entryPoint === source);
const [app, early, style] = ['src/main.tsx', 'src/early.ts', 'src/styles/index.css'].map(pathOf);

/** A file and those that it imports at once. */
const withImports = (path) => [path, ...outputs[path].imports.filter(({ kind }) => kind === 'import-statement').flatMap((i) => withImports(i.path))];
const first = new Set([early, ...withImports(app)].map((path) => basename(path)));

const shell = await readFile(new URL('src/index.html', root), 'utf8');
const names = { app, early, style };
await writeFile(new URL('index.new', dist), shell.replace(/\{\{(.+?)\}\}/g, (_, name) => `/assets/${basename(names[name])}`));
// The shell changes at once, and what the shell before needed goes last: a server may be reading.
await rename(new URL('index.new', dist), new URL('index.html', dist));
for (const name of await readdir(assets)) {
  if (!sizes.has(name)) await rm(new URL(name, assets));
}

const print = (name, size, limit) =>
  console.log(`${name.padEnd(20)} ${(size / 1024).toFixed(1).padStart(6)} ${limit ? `of ${limit / 1024} KB gzip` : 'KB gzip'}`);
const total = (belongs) => [...sizes].reduce((sum, [name, size]) => sum + (belongs(name) ? size : 0), 0);
for (const [name, size] of sizes) print(name, size);
const used = {
  'first js': total((name) => first.has(name)),
  'all js': total((name) => name.endsWith('.js')),
  css: total((name) => name.endsWith('.css')),
};
for (const [what, limit] of Object.entries(budget)) {
  print(what, used[what], limit);
  if (used[what] > limit) {
    console.error(`${what} is over its budget`);
    process.exitCode = 1;
  }
}
