// Signing in and out as a person does: wrong and right passwords, the way back to where one was, sessions that
// end on the server, invitations, and the wrong site.
// topic: page session
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, arrived, enterCredentials, env, heading, inWindow, loaded, session, sql } from './lib.mjs';

const { email, password } = env.internal;
const wrongCredentials = 'Wrong e-mail address or password.';

const tokenOf = async (page) => (await page.context().cookies()).find((cookie) => cookie.name === 'opsadmin-admin')?.value;
const secretOf = (token) => `opsadmin.secret WHERE hash = sha256('${token}') AND purpose = 'session'`;

test('a wrong password is told, and the right one leads to the address that was asked for', () =>
  inWindow({}, async (page) => {
    const asked = address('internal', '/resources/product?q=%EC%9D%98&sort=-price&size=25');
    await page.goto(asked);
    await heading(page, 'Sign in');
    await enterCredentials(page, email, `${password}?`);
    await page.getByRole('alert').getByText(wrongCredentials).waitFor();
    assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '');
    await page.getByLabel('Password', { exact: true }).and(page.locator(':focus')).waitFor();
    await enterCredentials(page, email, password);
    await arrived(page, asked);
    await heading(page, 'Products');
  }));

test('signing out ends the session on the server too', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await page.goto(address('internal', '/'));
    const token = await tokenOf(page);
    assert.equal(sql(`SELECT count(*) FROM ${secretOf(token)}`), '1');
    await page.getByRole('button', { name: /^Account:/ }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await heading(page, 'Sign in');
    assert.equal(sql(`SELECT count(*) FROM ${secretOf(token)}`), '0');
    assert.equal(await tokenOf(page), undefined);
    await page.goto(address('internal', '/jobs'));
    await heading(page, 'Sign in');
  }));

test('whoever has lost the session signs in and is back', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await page.goto(address('internal', '/jobs'));
    await heading(page, 'Jobs');
    sql(`DELETE FROM ${secretOf(await tokenOf(page))}`);
    await page.getByRole('link', { name: 'Audit' }).click();
    await page.getByText('Your session has ended.').waitFor();
    await enterCredentials(page, email, password);
    await arrived(page, address('internal', '/audit'));
    await heading(page, 'Audit');
  }));

test('an invitation lets a person choose a password, once', () =>
  inWindow({ refusals: [410, 422] }, async (page) => {
    const invited = 'invited@example.com';
    const chosen = 'a long enough password';
    const link = sql(`SELECT opsadmin.create_actor('${invited}', 'Invited')`);
    sql(`SELECT opsadmin.grant_role('${invited}', 'superadmin')`);
    const choose = async (first, second) => {
      await page.getByLabel('New password').fill(first);
      await page.getByLabel('Repeat the password').fill(second);
      await page.getByRole('button', { name: 'Save password' }).click();
    };

    await page.goto(address('internal', `/${link}`));
    await arrived(page, address('internal', '/invitation'));
    await choose(chosen, `${chosen}?`);
    await page.getByText('The two passwords are not the same.').waitFor();
    await choose('short', 'short');
    await page.getByText('The password is too short. Choose a longer one.').waitFor();
    await choose(chosen, chosen);
    await page.getByText('The password is saved.').waitFor();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await enterCredentials(page, invited, chosen);
    await page.getByRole('button', { name: `Account: Invited ${invited}` }).waitFor();

    await page.goto('about:blank');
    await page.goto(address('internal', `/${link}`));
    await choose(chosen, chosen);
    await page.getByText('This invitation has been used already or has expired.').waitFor();
  }));

test("a partner's password opens the partner site alone", () =>
  inWindow({ site: 'partner' }, async (page) => {
    await page.goto(address('internal', '/'));
    await enterCredentials(page, env.partner.email, env.partner.password);
    await page.getByRole('alert').getByText(wrongCredentials).waitFor();
    await page.goto(address('partner', '/resources/product'));
    await enterCredentials(page, env.partner.email, env.partner.password);
    await arrived(page, address('partner', '/resources/product'));
    await heading(page, 'Products');
    await loaded(page);
  }));
