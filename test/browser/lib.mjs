// What the browser tests share: the gateway, one Chromium of the distribution, windows that take offence at
// every error of the page, and the small waits that Playwright's library leaves to its test runner.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { env, Gateway, partnerDomain, Session, until } from '../http/lib.mjs';

export { env, holdProduct, sql, until } from '../http/lib.mjs';

const gateway = await Gateway.start();
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  chromiumSandbox: process.getuid() !== 0,
  args: ['--disable-gpu'],
});
after(() => browser.close());

export const wide = { width: 1280, height: 800 };
export const narrow = { width: 360, height: 740 };

export function address(site, path, slug = env.slug) {
  return site === 'internal'
    ? `http://127.0.0.1:${gateway.port}/admin${path}`
    : `http://${slug}.${partnerDomain}:${gateway.port}/partner${path}`;
}

/** Somebody signed in without the page, for requests beside it. */
export function session(site) {
  return Session.signIn(gateway, site);
}

// Chromium reports a refused request as an error of the page; before anybody has signed in there is one.
const refused = /^Failed to load resource: the server responded with a status of (\d+)/;

/**
 * Runs a test in a window of its own, and fails when the page had an error: an exception, anything on the
 * console's error level (violations of the content security policy are there), or a refused request other
 * than 401 and the given ones. `as` is a session whose cookie the window begins with.
 */
export async function inWindow({ site = 'internal', as, refusals = [], ...options }, run) {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
  const errors = [];
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    const status = Number(refused.exec(message.text())?.[1]);
    if (message.type() === 'error' && ![401, ...refusals].includes(status)) errors.push(message.text());
  });
  if (as) {
    const [name, value] = as.cookie.split('=');
    await context.addCookies([{ name, value, url: new URL('/', address(site, '/')).href }]);
  }
  try {
    await run(page);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

/** Opens a screen and waits until it shows what it loads. */
export async function show(page, url) {
  await page.goto(url);
  await loaded(page);
}

export async function loaded(page) {
  await page.locator('h1').waitFor();
  await until('the screen to be loaded', async () => (await page.locator('.skeleton, [aria-busy="true"]').count()) === 0);
}

export async function enterCredentials(page, email, password) {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Waits until the path and query of the page's address are these. */
export function arrived(page, url) {
  return page.waitForURL((now) => now.href === url);
}

export function heading(page, name) {
  return page.getByRole('heading', { level: 1, name }).waitFor();
}

/** No violation that axe knows of, and nothing that makes the screen scroll sideways. */
export async function assertFitForAll(page, where) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} (${node.failureSummary})`));
  assert.deepEqual(told, [], where);
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(content <= screen, `${where}: ${content} px on ${screen}`);
}

/** Presses Tab until the element has the focus. */
export async function tabTo(page, locator) {
  for (let i = 0; i < 120; ++i) {
    await page.keyboard.press('Tab');
    if ((await locator.count()) === 1 && (await locator.evaluate((element) => element === document.activeElement))) return;
  }
  assert.fail(`Tab does not reach ${locator}`);
}
