// The way of a bulk change through the page, on both sites: find and select rows, run an action, watch the job
// until a worker of pg_cron has done it, and find each change in the audit log; nobody sees another's rows.
// topic: page jobs
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { address, env, heading, holdProduct, inWindow, loaded, session, show, sql, until } from './lib.mjs';

// pg_cron starts the workers at the next full minute, at the latest.
const patience = 90;

const tenantId = sql(`SELECT id FROM opsadmin.tenant WHERE slug = '${env.slug}'`);
const pricesOf = (condition) =>
  new Map(sql(`SELECT id, price FROM shop.product WHERE ${condition}`).split('\n').map((line) => line.split('|')));

// Two decimals, the half rounded up, as the action's round(price * 0.9, 2) does it.
function tenPercentOff(price) {
  const cents = (BigInt(price.replace('.', '')) * 90n + 50n) / 100n;
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
}

async function countShown(page) {
  const text = page.locator('.page-aside').getByText(/^[\d,]+ rows?$/);
  return Number((await text.innerText()).replace(/\D/g, ''));
}

async function selectRow(page, id) {
  await page.getByRole('checkbox', { name: `Select row ${id}`, exact: true }).click();
}

// Runs the discount on what is selected and returns the number of the job, whose screen is open then.
async function startDiscount(page) {
  await page.getByRole('region', { name: 'Actions for the selection' }).getByRole('button', { name: 'Discount' }).click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel(/Percent/).inputValue(), '10');
  await dialog.getByRole('button', { name: 'Start' }).click();
  await page.waitForURL(/\/jobs\/\d+$/);
  const id = page.url().split('/').pop();
  await heading(page, `Discount · Job ${id}`);
  return id;
}

const state = (page, name) => page.locator('h1 ~ .page-aside').getByText(name, { exact: true });

// The job's screen must tell the end by itself.
async function watchUntilDone(page, total) {
  await state(page, 'Done').waitFor({ timeout: patience * 1000 });
  const progress = page.getByRole('region', { name: 'Progress' });
  await progress.getByText(`${total} of ${total}`).waitFor();
  const figures = await progress.locator('.figure').allInnerTexts();
  assert.deepEqual(figures.slice(0, 3).map((text) => text.split(/\s+/)), [['Changed', `${total}`], ['Skipped', '0'], ['Failed', '0']]);
}

// Opens the audit entries of the job on the screen, page by page: id → [before, after].
async function auditedPrices(page) {
  await page.getByRole('link', { name: 'Audit entries of this job' }).click();
  await heading(page, 'Audit');
  const changes = new Map();
  for (;;) {
    await loaded(page);
    for (const row of await page.locator('tbody tr:has(.op.update)').all()) {
      const id = await row.locator('.key').innerText();
      assert.ok(!changes.has(id), `two entries for ${id}`);
      changes.set(id, [await row.locator('del').innerText(), await row.locator('ins').innerText()]);
    }
    const next = page.getByRole('button', { name: 'Next' });
    if ((await next.count()) === 0 || (await next.isDisabled())) return changes;
    const first = await page.locator('tbody .expander').first().elementHandle();
    await next.click();
    await first.waitForElementState('hidden');
  }
}

const expected = (prices) => new Map([...prices].map(([id, price]) => [id, [price, tenPercentOff(price)]]));
const sorted = (map) => [...map].sort(([a], [b]) => Number(a) - Number(b));

// What other tests have left to do would change the prices under this one.
before(() => {
  const unfinished = "SELECT count(*) FROM opsadmin.bulk_job WHERE state IN ('PENDING', 'PLANNING', 'RUNNING')";
  return until('other jobs to end', () => sql(unfinished) === '0', patience);
});

let staffJob;
let countOfStaff;

test('staff give ten products a discount and find ten entries', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', '/'));
    await page.getByRole('link', { name: 'Products', exact: true }).click();
    await heading(page, 'Products');
    await loaded(page);
    countOfStaff = await countShown(page);
    assert.equal(countOfStaff, Number(sql('SELECT count(*) FROM shop.product')));

    const keys = (await page.locator('tbody tr td:nth-child(2)').allInnerTexts()).slice(0, 10);
    const prices = pricesOf(`id IN (${keys})`);
    for (const key of keys) await selectRow(page, key);
    await page.getByText('10 selected').waitFor();
    const letGo = await holdProduct(keys[4]);
    try {
      staffJob = await startDiscount(page);
      await state(page, 'Running').waitFor({ timeout: patience * 1000 });
    } finally {
      letGo();
    }
    await watchUntilDone(page, 10);
    assert.deepEqual(sorted(await auditedPrices(page)), sorted(expected(prices)));
    assert.deepEqual(sorted(pricesOf(`id IN (${keys})`)), sorted(prices).map(([id, price]) => [id, tenPercentOff(price)]));

    // One entry opened: who, from where, and the field before and after.
    const [[id, [was, is]]] = expected(prices);
    await page.getByRole('button', { name: `Details of shop.product ${id}`, exact: true }).click();
    const detail = page.locator('.detail-row:not([hidden])');
    assert.equal((await detail.getByRole('row', { name: /^Price/ }).innerText()).replace(/\s+/g, ' '), `Price ${was} ${is}`);
    const facts = await detail.locator('.facts').innerText();
    for (const fact of ['POST /api/v1/admin/actions/discount/run', '127.0.0.1', 'discount']) assert.ok(facts.includes(fact), facts);
  }));

test('a partner gives a discount to all that match a search but one, among the own rows alone', async () =>
  inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
    // A word in more names than fit on a page, and in few enough to need no confirmation.
    const word = sql(`SELECT word FROM shop.product, regexp_split_to_table(name, ' ') AS word WHERE tenant_id = ${tenantId}
      GROUP BY word HAVING count(*) > 50 ORDER BY count(*), word LIMIT 1`);
    const prices = pricesOf(`tenant_id = ${tenantId} AND name ILIKE '%${word}%'`);

    await show(page, address('partner', '/resources/product'));
    const all = await countShown(page);
    assert.equal(all, Number(sql(`SELECT count(*) FROM shop.product WHERE tenant_id = ${tenantId}`)));
    assert.ok(all < countOfStaff);

    await page.getByLabel('Search Products').fill(word);
    await until('the matching rows to be counted', async () => (await countShown(page)) === prices.size);
    await loaded(page);
    await page.getByRole('checkbox', { name: 'Select all rows on this page' }).click();
    await page.getByRole('button', { name: `Select all ${prices.size} matching` }).click();
    const excluded = await page.locator('tbody tr td:nth-child(2)').first().innerText();
    await selectRow(page, excluded);
    await page.getByText('1 excluded').waitFor();
    await startDiscount(page);
    await watchUntilDone(page, prices.size - 1);
    const spared = prices.get(excluded);
    prices.delete(excluded);
    assert.deepEqual(sorted(await auditedPrices(page)), sorted(expected(prices)));
    assert.equal(sql(`SELECT price FROM shop.product WHERE id = ${excluded}`), spared);
  }));

test("a partner cannot reach another tenant's product, job or site", async () =>
  inWindow({ site: 'partner', as: await session('partner'), refusals: [404] }, async (page) => {
    const foreign = sql(`SELECT max(p.id) FROM shop.product p JOIN opsadmin.tenant t ON t.id = p.tenant_id
      WHERE t.slug = '${env.otherSlug}'`);
    await show(page, address('partner', `/resources/product?q=${foreign}`));
    await page.getByText('Nothing matches.').waitFor();
    await page.goto(address('partner', `/jobs/${staffJob}`));
    await page.getByText('This job does not exist or is not open to you.').waitFor();
    await page.goto(address('partner', '/resources/tenant'));
    await heading(page, 'There is nothing at this address');

    // The own cookie, taken along to the other tenant's address.
    const [{ name, value }] = await page.context().cookies();
    const elsewhere = address('partner', '/resources/product', env.otherSlug);
    await page.context().addCookies([{ name, value, url: new URL('/', elsewhere).href }]);
    await page.goto(elsewhere);
    await page.getByText('This tenant does not exist or is not open to you.').waitFor();
  }));

test('what all matching rows have in common is told before the start, and by the job; so is that nothing narrows them down', async () =>
  inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
    const openDialog = async (query) => {
      await show(page, address('partner', `/resources/product${query}`));
      await page.getByRole('checkbox', { name: 'Select all rows on this page' }).click();
      await page.getByRole('button', { name: /^Select all [\d,]+ matching$/ }).click();
      await page.getByRole('region', { name: 'Actions for the selection' }).getByRole('button', { name: 'Discount' }).click();
      return page.getByRole('dialog');
    };
    const everything = await openDialog('');
    await everything.getByText('No search and no filter: these are all Products there are.').waitFor();
    await everything.getByRole('button', { name: 'Cancel' }).click();

    const dialog = await openDialog('?f=price.gte.1000&f=is_public.eq.true&size=25');
    assert.deepEqual(await dialog.getByRole('list', { name: 'Filter' }).getByRole('listitem').allInnerTexts(), ['Price ≥ 1,000', 'Public = Yes']);
    const confirmation = dialog.getByLabel('Type discount to confirm');
    if (await confirmation.count()) await confirmation.fill('discount');
    await dialog.getByRole('button', { name: 'Start' }).click();
    await page.waitForURL(/\/jobs\/\d+$/);
    await page.getByText('all matching: price >= 1000 and is_public = true', { exact: true }).waitFor();
    await state(page, 'Done').waitFor({ timeout: patience * 1000 });
  }));
