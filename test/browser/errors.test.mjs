// What an address asks for in vain: each error says what it is in a sentence, keeps what is meant for callers by SQL behind a
// button, offers no retry that cannot help, and leads on.
// topic: page
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, arrived, heading, inWindow, loaded, session, show } from './lib.mjs';

const retries = (page) => page.getByRole('button', { name: 'Retry' }).count();

for (const [what, query, told] of [
  ['a value that does not fit', 'f=price.gte.abc', 'The filter does not fit.'],
  ['a column that there is not', 'f=nope.eq.1&q=tea', 'This column cannot be used here.'],
  ['an order that there is not', 'sort=-nope', 'This column cannot be used here.'],
]) {
  test(`a list with ${what} can be cleared`, async () =>
    inWindow({ as: await session('internal'), refusals: [422] }, async (page) => {
      await show(page, address('internal', `/resources/product?${query}`));
      await page.getByRole('alert').getByText(told).waitFor();
      assert.equal(await retries(page), 0);
      await page.getByRole('button', { name: 'Clear filters' }).click();
      await arrived(page, address('internal', '/resources/product'));
      await page.locator('tbody tr').first().waitFor();
    }));
}

test('a filter of the audit log that fits nothing can be cleared', async () =>
  inWindow({ as: await session('internal'), refusals: [404] }, async (page) => {
    await show(page, address('internal', '/audit?tenant=nowhere'));
    const alert = page.getByRole('alert');
    await alert.getByText('Not found').waitFor();
    await alert.getByText('This tenant does not exist or is not open to you.').waitFor();
    assert.equal(await retries(page), 0);
    await alert.getByRole('button', { name: 'Clear filters' }).click();
    await arrived(page, address('internal', '/audit'));
  }));

test('a page of a list that is no longer valid leads to the first one', async () =>
  inWindow({ as: await session('internal'), refusals: [400] }, async (page) => {
    await show(page, address('internal', '/resources/product?sort=name&cursor=AAAA'));
    await page.getByRole('alert').getByText('This page of the list is no longer valid.').waitFor();
    await page.getByRole('alert').getByRole('button', { name: 'First page' }).click();
    await arrived(page, address('internal', '/resources/product?sort=name'));
  }));

test('a job that there is not leads to those that there are; what concerns SQL is shown when asked for', async () =>
  inWindow({ site: 'partner', as: await session('partner'), refusals: [404] }, async (page) => {
    await show(page, address('partner', '/jobs/999999999'));
    await page.getByRole('alert').getByText('This job does not exist or is not open to you.').waitFor();
    assert.equal(await retries(page), 0);
    const hint = page.getByText('opsadmin.list_jobs()');
    assert.equal(await hint.isVisible(), false);
    await page.getByText('Details', { exact: true }).click();
    await hint.waitFor();
    await page.getByRole('link', { name: 'All jobs' }).click();
    await heading(page, 'Jobs');
  }));

test('what a proxy says for a gateway that is away is told in the language of the page', async () =>
  inWindow({ as: await session('internal'), locale: 'ko-KR', refusals: [502] }, async (page) => {
    await page.route('**/api/v1/admin/jobs?**', (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad Gateway</h1>' }));
    await show(page, address('internal', '/jobs'));
    await page.getByRole('alert').getByText('서버가 정상적으로 응답하지 않습니다.').waitFor();
    assert.equal(await page.getByText('Bad Gateway').count(), 0);
    await page.unroute('**/api/v1/admin/jobs?**');
    await page.getByRole('button', { name: '다시 시도' }).click();
    await loaded(page);
    await page.getByRole('alert').waitFor({ state: 'detached' });
  }));
