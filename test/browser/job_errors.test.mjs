// Rows that a job could not change, on the job's screen: their list, and trying them again once they are mended. A
// constraint of the shop that is not enforced for its own rows keeps some of them as they are.
// topic: page jobs
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { address, assertFitForAll, inWindow, loaded, narrow, session, show, sql, tabTo, until, wide } from './lib.mjs';

const products = sql('SELECT id FROM shop.product ORDER BY id LIMIT 40').split('\n');
const bad = products.slice(5, 35);

before(() => {
  sql(`SELECT opsadmin.define_action('restock', 'shop.product', 'stock = stock', label => '{"en":"Restock","ko":"입고"}', on_error => 'skip');
       SELECT opsadmin.define_action('recount', 'shop.product', 'stock = stock', label => '{"en":"Recount","ko":"실사"}')`);
});
after(() => sql("SELECT opsadmin.drop_action('restock'), opsadmin.drop_action('recount')"));

const breakRows = () => sql(`ALTER TABLE shop.product ADD CONSTRAINT product_frozen CHECK (id NOT IN (${bad})) NOT VALID`);
const mendRows = () => sql('ALTER TABLE shop.product DROP CONSTRAINT IF EXISTS product_frozen');

// A job that has met its bad rows, and has ended.
async function endedJob(staff, action) {
  breakRows();
  const started = await staff.send('POST', `/actions/${action}/run`, { params: {}, selection: { ids: products } });
  assert.equal(started.status, 202, started.text);
  const { job_id: id } = JSON.parse(started.text);
  await ended(id);
  return id;
}

// Not to wait for the next minute of pg_cron; its workers may take part.
async function ended(id) {
  sql('CALL opsadmin.run_jobs()');
  await until('the job to end', () => /DONE|FAILED/.test(sql(`SELECT state FROM opsadmin.bulk_job WHERE id = ${id}`)));
}

const state = (page, name) => page.locator('h1 ~ .page-aside').getByText(name, { exact: true });
const button = (page, name) => page.locator('.page-actions').getByRole('button', { name });
const figures = async (page) => Object.fromEntries((await page.locator('.figure').allInnerTexts()).map((text) => text.split(/\n+/)));

test('rows that were skipped are listed page by page; mended and tried again, the job is done', async () => {
  const staff = await session('internal');
  const id = await endedJob(staff, 'restock');
  await inWindow({ as: staff, permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await show(page, address('internal', `/jobs/${id}`));
    await state(page, 'Done').waitFor();
    assert.equal((await figures(page)).Failed, '30');
    const list = page.locator('.panel').filter({ has: page.getByRole('heading', { name: 'Failed rows' }) });
    await list.getByText('These rows were left as they are').waitFor();
    const keys = list.locator('tbody th');
    assert.deepEqual(await keys.allInnerTexts(), bad.slice(0, 25));
    assert.match(await list.getByRole('link', { name: bad[0], exact: true }).getAttribute('href'), new RegExp(`/resources/product/${bad[0]}/history$`));
    await list.getByText('violates check constraint "product_frozen"').first().waitFor();
    await list.getByText('23514').first().waitFor();

    await list.getByRole('button', { name: 'Next' }).press('Enter');
    await keys.getByText(bad[25], { exact: true }).waitFor();
    assert.deepEqual(await keys.allInnerTexts(), bad.slice(25));
    await button(page, 'Copy as SQL').click();
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    await until('the SQL', async () => (await copied()).includes('list_job_errors'));
    assert.match(await copied(), new RegExp(`get_job\\(job_id => ${id}\\);\\nSELECT opsadmin.list_job_errors\\(job_id => ${id}, cursor => '[^']+', page_size => 25\\);`));
    await button(page, 'Retry as SQL').click();
    await until('the other SQL', async () => (await copied()).includes(`SELECT opsadmin.retry_job(job_id => ${id});`));

    mendRows();
    await tabTo(page, button(page, 'Retry').first());
    await page.keyboard.press('Enter');
    await page.getByText(`Job ${id} tries again what failed`).waitFor();
    await ended(id);
    await state(page, 'Done').waitFor();
    await until('no row to have failed', async () => (await figures(page)).Failed === '0');
    assert.equal((await figures(page)).Changed, '40');
    assert.equal(await list.count(), 0);
    assert.equal(new URL(page.url()).search, '');
    assert.deepEqual(await page.locator('.page-actions').getByRole('button').allInnerTexts(), ['Copy as SQL']);
  });
});

test('a job that a row has stopped names it, and goes on when it is tried again', async () => {
  const staff = await session('internal');
  const id = await endedJob(staff, 'recount');
  await inWindow({ as: staff }, async (page) => {
    await show(page, address('internal', `/jobs/${id}`));
    await state(page, 'Failed').waitFor();
    await page.getByText('The job stopped at this row').waitFor();
    assert.deepEqual(await page.locator('.job-errors tbody th').allInnerTexts(), bad.slice(0, 1));
    mendRows();
    await button(page, 'Retry').first().click();
    await state(page, /^(Running|Done)$/).waitFor();
    await ended(id);
    await state(page, 'Done').waitFor();
    assert.deepEqual([(await figures(page)).Changed, (await figures(page)).Failed], ['40', '0']);
  });
});

test('the list fits everybody, and so does a job that waits', async () => {
  const staff = await session('internal');
  const id = await endedJob(staff, 'restock');
  mendRows();
  // In one transaction, before a worker can take it.
  const waiting = sql(`SELECT opsadmin.bulk_update('shop.product', 'stock = stock', 'false');
                       UPDATE opsadmin.job SET state = 'PAUSED' WHERE id = (SELECT max(id) FROM opsadmin.job) RETURNING id`).split('\n').pop();
  for (const [colorScheme, viewport, locale] of [['light', wide, 'en-US'], ['light', narrow, 'ko-KR'], ['dark', wide, 'ko-KR'], ['dark', narrow, 'en-US']]) {
    await inWindow({ as: staff, colorScheme, viewport, locale }, async (page) => {
      const where = `${colorScheme}, ${viewport.width} px, ${locale}`;
      await show(page, address('internal', `/jobs/${id}`));
      await page.locator('.job-errors').waitFor();
      await assertFitForAll(page, `errors, ${where}`);
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/errors-${colorScheme}-${viewport.width}.png`, fullPage: true });
      // What the server says of a job that moves, which cannot be kept still.
      const moving = async (route) => {
        const { 'if-none-match': _, ...headers } = route.request().headers();
        const response = await route.fetch({ headers });
        const body = await response.json();
        for (const job of body.rows ?? [body]) {
          if (job.id === waiting) Object.assign(job, { state: 'PLANNING', wait_reason: 'replica "standby" is 45.2 s behind' });
        }
        await route.fulfill({ response, json: body });
      };
      await page.route(/\/api\/v1\/admin\/jobs(\?|\/\d+$)/, moving);
      for (const path of ['/jobs', `/jobs/${waiting}`]) {
        await page.goto(address('internal', path));
        await loaded(page);
        await page.getByText('replica "standby" is 45.2 s behind').waitFor();
        await assertFitForAll(page, `${path}, ${where}`);
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/waiting${path === '/jobs' ? '-list' : ''}-${colorScheme}-${viewport.width}.png`, fullPage: true });
      }
      await page.unrouteAll({ behavior: 'ignoreErrors' });
    });
  }
  sql(`SELECT opsadmin.cancel_job(${waiting})`);
});
