// Staff who act in one tenant: only with a reason, and with the rows of this tenant alone until they leave it. Moments are
// told and entered by the tenant's clock.
// topic: page isolation
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, arrived, env, inWindow, loaded, session, show, sql } from './lib.mjs';

test('acting in a tenant needs a reason, narrows the list, and ends', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    const [name, own] = sql(`SELECT t.name, count(*) FROM opsadmin.tenant t JOIN shop.product p ON p.tenant_id = t.id
      WHERE t.slug = '${env.otherSlug}' GROUP BY t.name`).split('|');
    const countOf = (n) => page.locator('.page-aside').getByText(`${Number(n).toLocaleString('en')} rows`, { exact: true }).waitFor();

    await show(page, address('internal', '/resources/product'));
    await countOf(sql('SELECT count(*) FROM shop.product'));
    await page.getByRole('button', { name: 'Tenant: All tenants' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('radio', { name: env.otherSlug }).check();
    await dialog.getByRole('button', { name: 'Enter tenant' }).click();
    await dialog.getByText('Please fill this in.').waitFor();
    await dialog.getByLabel('Reason').fill('support request 4711');
    await dialog.getByRole('button', { name: 'Enter tenant' }).click();
    await page.getByText(`You are acting in ${name}.`).waitFor();
    await countOf(own);
    await loaded(page);

    await page.getByRole('button', { name: 'Back to all tenants' }).click();
    await countOf(sql('SELECT count(*) FROM shop.product'));
    assert.equal(await page.getByText('You are acting in').count(), 0);
  }));

test('the tenant is the session\'s: what another tab chose is what this one shows', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    const own = sql(`SELECT count(*) FROM shop.product p JOIN opsadmin.tenant t ON t.id = p.tenant_id WHERE t.slug = '${env.otherSlug}'`);
    await show(page, address('internal', '/resources/product'));
    const other = await page.context().newPage();
    await show(other, address('internal', '/jobs'));
    await other.getByRole('button', { name: 'Tenant: All tenants' }).click();
    const dialog = other.getByRole('dialog');
    await dialog.getByRole('radio', { name: env.otherSlug }).check();
    await dialog.getByLabel('Reason').fill('support request 4713');
    await dialog.getByRole('button', { name: 'Enter tenant' }).click();
    // What is done here from now on is done in that tenant.
    await page.getByText('You are acting in').waitFor();
    await page.locator('.page-aside').getByText(`${Number(own).toLocaleString('en')} rows`, { exact: true }).waitFor();
    await other.getByRole('button', { name: 'Account:' }).click();
    await other.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password', { exact: true }).waitFor();
  }));

test('a suspended tenant is shut, says so, and lets one sign out; staff are told', async () => {
  sql(`UPDATE opsadmin.tenant SET suspended_at = now() WHERE slug = '${env.slug}'`);
  try {
    await inWindow({ site: 'partner', as: await session('partner'), refusals: [403] }, async (page) => {
      await page.goto(address('partner', '/'));
      await page.getByText('This tenant is suspended.').waitFor();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Password', { exact: true }).waitFor();
    });
    await inWindow({ as: await session('internal') }, async (page) => {
      await show(page, address('internal', '/jobs'));
      await page.getByRole('button', { name: 'Tenant: All tenants' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('radio', { name: env.slug }).check();
      await dialog.getByLabel('Reason').fill('support request 4712');
      await dialog.getByRole('button', { name: 'Enter tenant' }).click();
      await page.getByText('It is suspended: its own staff are shut out.').waitFor();
    });
  } finally {
    sql(`UPDATE opsadmin.tenant SET suspended_at = NULL WHERE slug = '${env.slug}'`);
  }
});

test("moments are told and entered by the tenant's clock, wherever the browser is", async () => {
  const zone = sql(`SELECT time_zone FROM opsadmin.tenant WHERE slug = '${env.slug}'`);
  await inWindow({ site: 'partner', as: await session('partner'), timezoneId: 'America/New_York' }, async (page) => {
    await show(page, address('partner', '/resources/order?sort=created_at'));
    await page.locator('.sidebar').getByText(`Times in ${zone}`).waitFor();
    const [key, told] = sql(`SELECT o.id, to_char(o.created_at AT TIME ZONE '${zone}', 'FMDD FMMon YYYY, HH24:MI') FROM orders."order" o JOIN opsadmin.tenant t ON t.id = o.tenant_id
      WHERE t.slug = '${env.slug}' ORDER BY o.created_at, o.id LIMIT 1`).split('|');
    const row = page.locator('tbody tr').first();
    assert.ok((await row.innerText()).startsWith(key));
    assert.equal(await row.locator('time').innerText(), told.replace('Sep ', 'Sept '));

    await page.getByRole('button', { name: 'Add filter' }).click();
    await page.getByLabel('Column').selectOption('created_at');
    await page.getByLabel('Value').fill('2026-01-02T03:04');
    await page.getByRole('button', { name: 'Apply' }).click();
    const moment = new Date(`${sql(`SELECT to_char('2026-01-02 03:04'::timestamp AT TIME ZONE '${zone}' AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')`)}Z`).toISOString();
    await arrived(page, address('partner', `/resources/order?${new URLSearchParams([['f', `created_at.gte.${moment}`], ['sort', 'created_at']])}`));
    await page.getByRole('button', { name: 'Remove filter Ordered ≥ 2 Jan 2026, 03:04' }).waitFor();
  });
});
