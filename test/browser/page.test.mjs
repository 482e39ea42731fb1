// The page for everybody: no violation that axe knows of, in both themes and languages, on wide and narrow
// screens and on both sites; the keyboard alone; the language; and what "Copy as SQL" gives to psql.
// topic: page
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, describe, test } from 'node:test';
import { address, arrived, assertFitForAll, env, heading, inWindow, loaded, narrow, session, show, sql, tabTo, until, wide } from './lib.mjs';

const discount = { en: 'Discount', ko: '할인' };

// Opens the dialog of an action on the first row of the list.
async function openDialog(page, name) {
  await page.locator('tbody input[type=checkbox]').first().click();
  await page.locator('.selection-actions').getByRole('button', { name }).click();
  await page.getByRole('dialog').waitFor();
}

describe('every screen', () => {
  const people = {};
  const jobs = {};
  before(async () => {
    for (const site of ['internal', 'partner']) {
      people[site] = await session(site);
      const { rows } = JSON.parse((await people[site].get('/resources/product/rows?page_size=3')).text);
      const started = await people[site].send('POST', '/actions/discount/run', {
        params: { percent: 1 },
        selection: { ids: rows.map((row) => row.id) },
      });
      jobs[site] = JSON.parse(started.text).job_id;
    }
    sql('CALL opsadmin.run_jobs()');
    for (const site of ['internal', 'partner']) {
      const state = async () => JSON.parse((await people[site].get(`/jobs/${jobs[site]}`)).text).state;
      await until('the job to end', async () => (await state()) === 'DONE');
    }
  });

  // Each pair of theme, width and site occurs.
  const variants = [
    { colorScheme: 'light', viewport: wide, site: 'internal', locale: 'en-US' },
    { colorScheme: 'light', viewport: narrow, site: 'partner', locale: 'en-US' },
    { colorScheme: 'dark', viewport: wide, site: 'partner', locale: 'ko-KR' },
    { colorScheme: 'dark', viewport: narrow, site: 'internal', locale: 'ko-KR' },
  ];
  for (const variant of variants) {
    const { site, viewport, colorScheme, locale } = variant;
    const lang = locale.slice(0, 2);
    test(`${colorScheme}, ${viewport.width} px, ${site} site, ${lang}`, async () => {
      await inWindow(variant, async (page) => {
        await show(page, address(site, '/sign-in'));
        assert.equal(await page.locator('html').getAttribute('lang'), lang);
        await assertFitForAll(page, 'sign-in');
      });
      await inWindow({ ...variant, as: people[site] }, async (page) => {
        for (const path of ['/', '/?view=table', '/jobs', `/jobs/${jobs[site]}`, `/audit?job=${jobs[site]}`, '/nowhere']) {
          await show(page, address(site, path));
          if (path.startsWith('/audit')) await page.locator('.expander').first().click();
          await assertFitForAll(page, path);
        }
        await show(page, address(site, '/resources/product?f=price.gte.1'));
        await assertFitForAll(page, 'products');
        await openDialog(page, discount[lang]);
        await assertFitForAll(page, 'dialog');
        await page.keyboard.press('Escape');
        if (viewport === narrow) {
          await page.locator('.topbar button').click();
          await assertFitForAll(page, 'menu');
        }
      });
    });
  }
});

test('the keyboard alone signs in, selects rows and opens a dialog, and Escape leads back', () =>
  inWindow({}, async (page) => {
    await show(page, address('internal', '/'));
    await page.keyboard.type(env.internal.email);
    await tabTo(page, page.getByLabel('Password', { exact: true }));
    await page.keyboard.type(env.internal.password);
    await page.keyboard.press('Enter');
    await heading(page, 'Dashboard');
    await tabTo(page, page.getByRole('link', { name: 'Products', exact: true }));
    await page.keyboard.press('Enter');
    await arrived(page, address('internal', '/resources/product'));
    await heading(page, 'Products');
    await loaded(page);
    await tabTo(page, page.locator('tbody input[type=checkbox]').first());
    await page.keyboard.press('Space');
    await page.getByText('1 selected').waitFor();
    const opener = page.locator('.selection-actions').getByRole('button', { name: 'Discount' });
    await tabTo(page, opener);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(/Percent/).and(page.locator(':focus')).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await opener.and(page.locator(':focus')).waitFor();
  }));

test('the language can be changed, and stays', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', '/resources/product'));
    await page.getByRole('button', { name: /^Account:/ }).click();
    await page.getByRole('radio', { name: '한국어' }).check();
    await heading(page, '상품');
    assert.equal(await page.locator('html').getAttribute('lang'), 'ko');
    await page.reload();
    await heading(page, '상품');
    assert.equal(await page.locator('html').getAttribute('lang'), 'ko');
  }));

test('"Copy as SQL" of a list gives psql the same rows, and no token', async () => {
  const person = await session('partner');
  await inWindow({ site: 'partner', as: person, permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await show(page, address('partner', `/resources/product?q=${encodeURIComponent('칫솔')}&f=price.gte.1000&sort=-price&size=25`));
    await page.getByRole('button', { name: 'Copy as SQL' }).click();
    await page.getByText('SQL copied').waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(text, /^BEGIN;\n[^]*\nCOMMIT;\n$/);
    for (const secret of [person.cookie.split('=')[1], person.csrf]) assert.ok(!text.includes(secret));

    const { status, stdout, stderr } = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], { input: text, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const { rows } = JSON.parse(stdout);
    const shown = await page.locator('tbody tr td:nth-child(2)').allInnerTexts();
    assert.ok(shown.length > 0);
    assert.deepEqual(rows.map((row) => row.id), shown);
  });
});

test('"Copy as SQL" holds nothing that a terminal obeys, whatever link led here', async () =>
  inWindow({ as: await session('internal'), permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await show(page, address('internal', `/resources/product?q=${encodeURIComponent('x\x03\n\\! id\n\x1b')}`));
    await page.getByRole('button', { name: 'Copy as SQL' }).click();
    await page.getByText('SQL copied').waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(text.includes("search => E'x\\u0003\\u000a\\\\! id\\u000a\\u001b'"), text);
    assert.doesNotMatch(text, /[^\P{Cc}\n]/u);
  }));

test('the next page is read from its beginning, and the focus stays where the next one is', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, address('internal', '/resources/product?size=25'));
    const pages = page.getByRole('navigation', { name: 'Pages' });
    const next = pages.getByRole('button', { name: 'Next' });
    await pages.getByText('Page 1', { exact: true }).waitFor();
    await next.focus();
    assert.ok((await page.evaluate(() => scrollY)) > 0);
    await page.keyboard.press('Enter');
    await pages.getByText('Page 2', { exact: true }).waitFor();
    await loaded(page);
    await until('the top of the page', async () => (await page.evaluate(() => scrollY)) === 0);
    await next.and(page.locator(':focus')).waitFor();
    await page.keyboard.press('Enter');
    await pages.getByText('Page 3', { exact: true }).waitFor();
  }));
