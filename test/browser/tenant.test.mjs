// Staff who act in one tenant: only with a reason, and with the rows of this tenant alone until they leave it.
// topic: page isolation
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, env, inWindow, loaded, session, show, sql } from './lib.mjs';

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
