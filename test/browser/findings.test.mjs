// The findings: a fault is on the screen until somebody has run the remedy that was copied from it; filters in the
// address; what is shown when there is nothing to show; who may see it; and the screen in both themes and languages.
// topic: page
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { address, arrived, assertFitForAll, heading, inWindow, loaded, narrow, session, show, sql, tabTo, wide } from './lib.mjs';

const clipboard = ['clipboard-read', 'clipboard-write'];
const screen = address('internal', '/findings');
const copied = (page) => page.evaluate(() => navigator.clipboard.readText());
const finding = (page, object) => page.locator('.finding').filter({ has: page.getByRole('heading', { level: 3, name: object, exact: true }) });

// As long as a remedy gets, with names of 63 bytes.
const long = 'a_table_with_a_name_that_is_as_long_as_postgresql_allows_it_to_b';
const sample = [
  { check: 'isolation', level: 'error', rule: 'reference', object: `shop.${long}`, problem: `foreign key "${long}" does not hold the tenant`,
    remedy: `-- first\nALTER TABLE shop.${long} ADD CONSTRAINT ${long} FOREIGN KEY (tenant_id, product_id) REFERENCES shop.product (tenant_id, id) NOT VALID;` },
  { check: 'health', level: 'warning', rule: 'worker', object: 'opsadmin_worker', problem: 'no worker has connected yet', remedy: 'Look at the log of the server' },
];

// Answers the page's question for findings with these, or with a status.
async function answer(page, rows) {
  await page.route('**/api/v1/admin/findings', (route) => (Array.isArray(rows)
    ? route.fulfill({ json: { rows, checked_at: '2026-11-26T08:16:10Z' } })
    : route.fulfill({ status: rows, contentType: 'application/problem+json', json: { code: 'OA403', title: 'permission denied', status: rows } })));
}

function psql(input) {
  const { status, stdout, stderr } = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], { input, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

test('a fault is shown until its remedy, copied from the screen, was run', async () => {
  const staff = await session('internal');
  const faults = [
    { plant: 'ALTER TABLE shop.review NO FORCE ROW LEVEL SECURITY', object: 'shop.review', mend: 'ALTER TABLE shop.review FORCE ROW LEVEL SECURITY' },
    { plant: 'ALTER ROLE opsadmin_trusted CREATEROLE', object: 'opsadmin_trusted', mend: 'ALTER ROLE opsadmin_trusted NOCREATEROLE' },
  ];
  for (const { plant, object, mend } of faults) {
    sql(plant);
    try {
      await inWindow({ as: staff, permissions: clipboard }, async (page) => {
        await show(page, screen);
        await finding(page, object).getByRole('button', { name: `Copy SQL: remedy for ${object}` }).click();
        await page.getByText('SQL copied').waitFor();
        psql(await copied(page));
        await page.getByRole('button', { name: 'Refresh' }).click();
        await finding(page, object).waitFor({ state: 'detached' });
      });
    } finally {
      sql(mend);
    }
  }
});

test('"Copy as SQL" gives psql the findings of the screen', async () => {
  sql('ALTER ROLE opsadmin_trusted CREATEROLE');
  try {
    await inWindow({ as: await session('internal'), permissions: clipboard }, async (page) => {
      await show(page, screen);
      await page.getByRole('button', { name: 'Copy as SQL' }).click();
      await page.getByText('SQL copied').waitFor();
      const objects = JSON.parse(psql(await copied(page))).rows.map((row) => row.object);
      assert.ok(objects.includes('opsadmin_trusted'));
      // A worker of pg_cron may connect for the first time meanwhile.
      const lasting = (names) => names.filter((name) => name !== 'opsadmin_worker').sort();
      assert.deepEqual(lasting(await page.locator('.finding h3').allInnerTexts()), lasting(objects));
    });
  } finally {
    sql('ALTER ROLE opsadmin_trusted NOCREATEROLE');
  }
});

test('filters are in the address, and can be cleared', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await answer(page, sample);
    await show(page, screen);
    const shown = () => page.locator('.finding h3').allInnerTexts();
    assert.deepEqual(await shown(), ['opsadmin_worker', `shop.${long}`]);
    await page.getByRole('radio', { name: 'Errors 1' }).check();
    await arrived(page, `${screen}?level=error`);
    assert.deepEqual(await shown(), [`shop.${long}`]);
    await page.getByRole('radio', { name: 'Health' }).check();
    await page.getByText('No finding matches these filters.').waitFor();
    await page.reload();
    await page.getByText('No finding matches these filters.').waitFor();
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await arrived(page, screen);
    assert.equal((await shown()).length, 2);
  }));

test('without a clipboard the remedy is shown, to the keyboard too', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    await answer(page, sample);
    await show(page, screen);
    const opener = page.getByRole('button', { name: 'Copy: remedy for opsadmin_worker' });
    await tabTo(page, opener);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Remedy' });
    assert.equal(await dialog.getByLabel('Select the text and copy it.').inputValue(), 'Look at the log of the server');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await opener.and(page.locator(':focus')).waitFor();
  }));

test('where there is nothing to show, the screen says why', async () => {
  const staff = await session('internal');
  await inWindow({ as: staff }, async (page) => {
    await answer(page, []);
    await show(page, screen);
    await page.locator('.state').getByText('Everything is in order').waitFor();
    await page.locator('.state').getByText(/^Ways around the separation of tenants/).waitFor();
    await page.unroute('**/api/v1/admin/findings');
    await answer(page, sample.slice(1));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByText('Nothing found.').waitFor();
    await page.getByRole('status').getByText('0 errors, 1 warning').waitFor({ state: 'attached' });
  });
  await inWindow({ as: staff, refusals: [403] }, async (page) => {
    await answer(page, 403);
    await show(page, screen);
    await page.getByRole('alert').getByText('You may not see this').waitFor();
  });
});

test('who may not see findings finds no link', async () => {
  await inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', '/jobs'));
    await page.getByRole('link', { name: 'Findings' }).click();
    await heading(page, 'Findings');
  });
  await inWindow({ as: await session('internal') }, async (page) => {
    await page.route('**/api/v1/admin/me', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), permissions: ['audit:read'] } });
    });
    await show(page, address('internal', '/jobs'));
    await page.getByRole('link', { name: 'Audit' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Findings' }).count(), 0);
  });
  await inWindow({ site: 'partner', as: await session('partner'), refusals: [403] }, async (page) => {
    await show(page, address('partner', '/findings'));
    await page.getByRole('alert').getByText('You may not see this').waitFor();
    await page.getByRole('link', { name: 'Audit' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Findings' }).count(), 0);
  });
});

describe('the screen for everybody', () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const [viewport, locale] of [[wide, 'en-US'], [narrow, 'ko-KR'], [{ width: 320, height: 640 }, 'en-US'], [wide, 'ko-KR']]) {
      test(`${colorScheme}, ${viewport.width} px, ${locale}`, async () =>
        inWindow({ as: await session('internal'), colorScheme, viewport, locale }, async (page) => {
          await answer(page, sample);
          await show(page, screen);
          await assertFitForAll(page, 'findings');
          await show(page, `${screen}?level=error`);
          await assertFitForAll(page, 'filtered');
          await page.unroute('**/api/v1/admin/findings');
          await answer(page, []);
          await page.reload();
          await loaded(page);
          await assertFitForAll(page, 'all in order');
        }));
    }
  }
});
