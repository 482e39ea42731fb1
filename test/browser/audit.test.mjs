// The audit explorer and the history of a record: filters in the address, the histogram by pointer, keyboard and as a
// table, following what is written, the record as it was, and what is shown when there is nothing to show.
// topic: page
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, describe, test } from 'node:test';
import { address, arrived, assertFitForAll, env, heading, inWindow, loaded, narrow, session, show, sql, until, wide } from './lib.mjs';

const tenant = sql(`SELECT id FROM opsadmin.tenant WHERE slug = '${env.slug}'`);
const product = sql(`SELECT max(id) FROM shop.product WHERE tenant_id = ${tenant}`);
const change = (what, begin = '') => sql(`BEGIN; ${begin} UPDATE shop.product SET ${what} WHERE id = ${product}; COMMIT;`);
const path = `/audit?target=shop.product&key=${product}`;
const historyPath = `/resources/product/${product}/history`;
let moment;

before(() => {
  change(`name = 'First name'`);
  moment = sql(`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM pg_sleep(0.002)`);
  change(`name = 'Second name'`, `SELECT opsadmin.begin_as('${env.partner.email}');`);
  change(`stock = stock + 1`, `SELECT opsadmin.begin_as('${env.internal.email}', '${env.slug}', 'ticket 7');`);
});

const entries = (page) => page.locator('tbody tr:has(.expander)');

test('filters are in the address, narrow down from an entry, and can be cleared', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', '/audit'));
    await page.getByLabel('Actor').fill('part');
    await page.getByLabel('Target').fill('shop.product');
    await page.getByRole('button', { name: 'More filters' }).click();
    await page.getByLabel('Key', { exact: true }).fill(product);
    await page.keyboard.press('Enter');
    await arrived(page, address('internal', `/audit?actor=part&target=shop.product&key=${product}`));
    const wanted = sql(`SELECT count(*) FROM opsadmin.audit_log WHERE actor_name = 'Partner' AND target = 'shop.product' AND target_pk = '{"id": ${product}}'`);
    await until('the entries of the partner', async () => (await entries(page).count()) === Number(wanted));
    await page.reload();
    await loaded(page);
    assert.equal(await page.getByLabel('Actor').inputValue(), 'part');
    await page.locator('.expander').first().click();
    await page.getByRole('link', { name: /^\d{18,19}$/ }).click();
    await page.waitForURL(/\/audit\?id=\d+$/);
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await arrived(page, address('internal', '/audit'));
    await page.getByLabel('Actor').fill('nobody at all');
    await page.keyboard.press('Enter');
    await page.getByText('No entry matches these filters.').waitFor();
  }));

test('the histogram narrows the time down, by the keyboard too, and is a table as well', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', path));
    const bars = page.getByRole('button', { name: /: \d+ entr/ });
    await bars.last().waitFor();
    const full = page.locator('.bucket[aria-disabled="false"]');
    await bars.last().focus();
    await page.keyboard.press('Home');
    await bars.first().and(page.locator(':focus')).waitFor();
    await page.keyboard.press('ArrowRight');
    await bars.nth(1).and(page.locator(':focus')).waitFor();
    await full.first().focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/from=.*&to=/);
    await page.getByRole('radio', { name: 'Table' }).check();
    await page.waitForURL(/view=table/);
    await page.getByRole('columnheader', { name: 'Entries' }).waitFor();
  }));

test('what is written meanwhile appears while it follows, and not while somebody reads further down', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await page.setViewportSize({ width: 1280, height: 400 });
    await show(page, address('internal', path));
    const before = await entries(page).count();
    await page.getByRole('button', { name: 'Follow', exact: true }).click();
    await arrived(page, address('internal', `${path}&follow=1`));
    await page.getByText('Following', { exact: true }).waitFor();
    change('stock = stock + 1');
    await until('the new entry', async () => (await entries(page).count()) === before + 1);
    await page.getByRole('status').getByText('1 new entry').waitFor({ state: 'attached' });
    await page.locator('.expander').first().click();
    await page.mouse.wheel(0, 2000);
    await page.getByText('Paused: scroll up to follow').waitFor();
    change('stock = stock + 1');
    await page.evaluate(() => scrollTo(0, 0));
    await page.getByText('Following', { exact: true }).waitFor();
    await until('the entry that came meanwhile', async () => (await entries(page).count()) === before + 2);
    await page.getByRole('button', { name: 'Follow', exact: true }).click();
    await arrived(page, address('internal', path));
  }));

test('from a row of a list to its history, and to how it was', async () =>
  inWindow({ as: await session('internal'), permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await show(page, address('internal', `/resources/product?q=Second+name`));
    await page.getByRole('link', { name: String(product), exact: true }).click();
    await heading(page, `Products ${product}`);
    await arrived(page, address('internal', historyPath));
    await loaded(page);
    // As it is, in the order and with the names of the list.
    const name = page.locator('.versus tr').filter({ has: page.getByRole('rowheader', { name: /^Name/ }) });
    assert.deepEqual(await name.getByRole('cell').allInnerTexts(), ['Second name']);
    assert.deepEqual(await page.locator('.versus tbody th').allInnerTexts(), ['ID', 'Name', 'Price', 'Stock', 'Public', 'Shop']);
    await show(page, address('internal', `${historyPath}?at=${moment}`));
    assert.deepEqual(await name.getByRole('cell').allInnerTexts(), ['First name', 'Second name']);
    await page.getByText('Not in the log: Updated').waitFor();
    await page.getByRole('button', { name: 'Copy as SQL' }).click();
    await page.getByText('SQL copied').waitFor();
    const { status, stdout, stderr } = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], { input: await page.evaluate(() => navigator.clipboard.readText()), encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.ok(stdout.includes('First name'));

    await page.locator('.expander').first().click();
    await page.getByRole('button', { name: 'As of this change' }).click();
    await page.waitForURL((url) => url.searchParams.get('at') !== moment);
    await page.getByRole('heading', { name: 'As of a moment' }).and(page.locator(':focus')).waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await arrived(page, address('internal', historyPath));
    await page.getByLabel('As of', { exact: true }).fill('2020-01-01T00:00:01');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByText(/^The log has nothing about this record from before/).waitFor();
  }));

test('a record that there is not is said to be so', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', '/resources/product/999999999/history'));
    await page.getByText('There is no such record, or it is not open to you.').waitFor();
  }));

test('from an entry to the history of its record', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', path));
    await page.locator('.expander').first().click();
    await page.getByRole('link', { name: 'History of the record' }).click();
    await arrived(page, address('internal', historyPath));
  }));

test('an entry speaks of its record as the list does, and leads to it; the table has its name in the details', async () =>
  inWindow({ site: 'partner', as: await session('partner'), locale: 'ko-KR' }, async (page) => {
    await show(page, address('partner', path));
    const row = entries(page).filter({ hasText: 'First name → Second name' }).first();
    assert.match((await row.innerText()).replace(/\s+/g, ' '), new RegExp(`상품 ${product} 상품명 First name → Second name`));
    await row.locator('.expander').click();
    await page.getByRole('rowheader', { name: '상품명' }).waitFor();
    await page.getByRole('link', { name: 'shop.product', exact: true }).waitFor();
    await row.getByRole('link', { name: `상품 ${product}` }).click();
    await arrived(page, address('partner', historyPath));
  }));

test('a partner sees staff as support', async () =>
  inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
    await show(page, address('partner', historyPath));
    await page.getByRole('cell', { name: 'support', exact: true }).first().waitFor();
  }));

test('those without the permission find no links, and are told at the address', async () =>
  inWindow({ as: await session('internal'), refusals: [403] }, async (page) => {
    await page.route('**/api/v1/admin/me', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), permissions: ['product:read'] } });
    });
    await page.route('**/rows/*/history**', (route) => route.fulfill({ status: 403, contentType: 'application/problem+json', json: { code: 'OA403', title: 'permission denied', status: 403 } }));
    await show(page, address('internal', '/resources/product'));
    assert.equal(await page.getByTitle('Show the record and its history').count(), 0);
    await show(page, address('internal', historyPath));
    await page.getByRole('alert').getByText('You may not see this').waitFor();
  }));

test('without the server the screen says so, and keeps what it has while it follows', async () =>
  inWindow({ as: await session('internal'), refusals: [503] }, async (page) => {
    const lose = (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: { code: 'OA110', title: 'busy', status: 503 } });
    await show(page, address('internal', `${path}&follow=1`));
    const shown = await entries(page).count();
    await page.route('**/api/v1/admin/audit?**', lose);
    await page.getByText('Could not be refreshed.').waitFor();
    assert.equal(await entries(page).count(), shown);
    await page.getByRole('button', { name: 'Follow', exact: true }).click();
    await page.unroute('**/api/v1/admin/audit?**');
  }));

describe('the screens for everybody', () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const [viewport, locale] of [[wide, 'en-US'], [narrow, 'ko-KR'], [{ width: 320, height: 640 }, 'en-US']]) {
      test(`${colorScheme}, ${viewport.width} px, ${locale}`, async () =>
        inWindow({ as: await session('internal'), colorScheme, viewport, locale }, async (page) => {
          await show(page, address('internal', `/audit?target=shop.product&key=${product}&follow=1`));
          await page.locator('.expander').first().click();
          await assertFitForAll(page, 'explorer');
          await show(page, address('internal', `/audit?view=table`));
          await assertFitForAll(page, 'table');
          await show(page, address('internal', `${historyPath}?at=${moment}`));
          await page.locator('.versus').waitFor();
          await page.locator('.expander').first().click();
          await assertFitForAll(page, 'history');
        }));
    }
  }
});
