// The operator's buttons of a job. A transaction of the shop holds a row of it, so that no worker of pg_cron can
// end it meanwhile.
// topic: page jobs
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { address, holdProduct, inWindow, session, show, sql } from './lib.mjs';

const product = sql('SELECT min(id) FROM shop.product');
let letGo;
before(async () => {
  letGo = await holdProduct(product);
});
after(() => letGo());

async function startJob(staff) {
  const started = await staff.send('POST', '/actions/discount/run', { params: { percent: 1 }, selection: { ids: [product] } });
  assert.equal(started.status, 202, started.text);
  return JSON.parse(started.text).job_id;
}

const state = (page, name) => page.locator('h1 ~ .page-aside').getByText(name);
const button = (page, name) => page.locator('.page-actions').getByRole('button', { name });

test('a job is paused, resumed, resumed from elsewhere, and cancelled', async () => {
  const staff = await session('internal');
  const id = await startJob(staff);
  await inWindow({ as: staff }, async (page) => {
    await show(page, address('internal', `/jobs/${id}`));
    await state(page, /Pending|Running/).waitFor();
    await button(page, 'Pause').press('Enter');
    await state(page, 'Paused').waitFor();
    await page.keyboard.press('Enter');
    await state(page, /Pending|Running/).waitFor();
    await button(page, 'Pause').click();
    await state(page, 'Paused').waitFor();
    sql(`SELECT opsadmin.resume_job(${id})`);
    await state(page, /Pending|Running/).waitFor();

    const dialog = page.getByRole('dialog', { name: `Cancel job ${id}?` });
    await button(page, 'Cancel job').click();
    await dialog.getByText('The rows that it has changed stay changed.').waitFor();
    await dialog.getByRole('button', { name: 'Keep job' }).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.match(sql(`SELECT state FROM opsadmin.bulk_job WHERE id = ${id}`), /PENDING|RUNNING/);
    await button(page, 'Cancel job').click();
    await dialog.getByRole('button', { name: 'Cancel job' }).click();
    await state(page, 'Cancelled').waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0);
    assert.deepEqual(await page.locator('.page-actions').getByRole('button').allInnerTexts(), ['Copy as SQL']);
  });
});

test('what cannot be done any more is said, and the page shows why', async () => {
  const staff = await session('internal');
  const id = await startJob(staff);
  sql(`SELECT opsadmin.pause_job(${id})`);
  await inWindow({ as: staff, refusals: [409] }, async (page) => {
    await show(page, address('internal', `/jobs/${id}`));
    await button(page, 'Resume').waitFor();
    sql(`SELECT opsadmin.cancel_job(${id})`);
    await button(page, 'Resume').click();
    await page.getByText('The job is in another state by now.').waitFor();
    await state(page, 'Cancelled').waitFor();
  });
});

test('who may not run the action finds no buttons', async () => {
  const staff = await session('internal');
  const id = await startJob(staff);
  await inWindow({ as: staff }, async (page) => {
    await page.route('**/api/v1/admin/me', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), permissions: ['*:read', 'publish:run'] } });
    });
    await show(page, address('internal', `/jobs/${id}`));
    await state(page, /Pending|Running/).waitFor();
    assert.deepEqual(await page.locator('.page-actions').getByRole('button').allInnerTexts(), ['Copy as SQL']);
  });
  sql(`SELECT opsadmin.cancel_job(${id})`);
});
