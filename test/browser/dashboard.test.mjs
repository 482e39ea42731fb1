// The dashboards of both sites: what they show is what SQL finds in the shop's own tables, by any range and period, in cards,
// chart, table and ranking; the address, the keyboard, the minute's refresh, and what is shown when there is nothing to show.
// topic: page kpi
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { address, arrived, assertFitForAll, env, heading, inWindow, loaded, narrow, session, show, sql, until, wide } from './lib.mjs';

const kpis = ['signups', 'dau', 'orders', 'revenue', 'churned'];
const names = { signups: 'Signups', dau: 'Active users', orders: 'Orders', revenue: 'Revenue', churned: 'Churned' };
// Who looks, at whose figures: [site, query, the tenants as SQL, whose today].
const views = [
  ['internal', '', 'true', "'UTC'"],
  ['internal', `tenant=${env.otherSlug}`, `slug = '${env.otherSlug}'`, `(SELECT time_zone FROM opsadmin.tenant WHERE slug = '${env.otherSlug}')`],
  ['partner', '', `slug = '${env.slug}'`, `(SELECT time_zone FROM opsadmin.tenant WHERE slug = '${env.slug}')`],
];
const jobs = {};

before(async () => {
  // Figures of each tenant's own day, without opsadmin's arithmetic: from the base tables and the customers' time zones.
  const daily = (kpi, table, column, value, filter = 'true') =>
    `SELECT '${kpi}' AS kpi, c.slug, (s.${column} AT TIME ZONE c.time_zone)::date AS day, (${value})::numeric AS value
     FROM ${table} s JOIN accounts.customer c ON c.id = s.tenant_id WHERE s.${column} IS NOT NULL AND ${filter} GROUP BY c.slug, 3`;
  sql(`CREATE VIEW public.regress_daily AS ${[
    daily('signups', 'accounts.user_account', 'created_at', 'count(*)'),
    daily('dau', 'accounts.login_event', 'at', 'count(DISTINCT s.user_id)'),
    daily('orders', 'orders."order"', 'created_at', 'count(*)'),
    daily('revenue', 'orders."order"', 'created_at', 'sum(s.amount)', "s.status = 'PAID'"),
    daily('churned', 'accounts.user_account', 'closed_at', 'count(*)'),
  ].join(' UNION ALL ')}`);
  // One job of the partner's tenant, and one of all of them by staff.
  for (const [site, percent] of [['partner', 1], ['internal', 2]]) {
    const started = await (await session(site)).send('POST', '/actions/discount/run', { params: { percent }, selection: { filter: { column: 'price', op: '>=', value: 1 } } });
    jobs[site] = JSON.parse(started.text).job_id;
  }
  sql('CALL opsadmin.run_jobs()');
  const done = () => sql(`SELECT count(*) FROM opsadmin.bulk_job WHERE state = 'DONE' AND changed >= 100 AND id IN (${jobs.partner}, ${jobs.internal})`) === '2';
  await until('the jobs to end', done);
  sql('CALL opsadmin.run_kpis()');
});
after(() => sql('DROP VIEW public.regress_daily'));

// One value of the tenants' days, as opsadmin combines them: sums over tenants, and over days but for users, whose days are averaged.
const combined = (kpi, who, from, to) =>
  `(SELECT ${kpi === 'dau' ? `coalesce(sum(d.value), 0) / (${to} - (${from}) + 1)` : 'coalesce(sum(d.value), 0)'}
    FROM public.regress_daily d WHERE d.kpi = '${kpi}' AND ${who} AND d.day BETWEEN ${from} AND ${to})`;
const amount = (value) => `trunc(coalesce(${value}, 0), 2)`;
const brief = (value) => `(SELECT CASE WHEN abs(v) < 1000 THEN trunc(v, 2) ELSE round(v) END FROM (SELECT coalesce(${value}, 0) AS v) AS x)`;
const numbers = (...values) => JSON.parse(sql(`SELECT json_build_array(${values.join(', ')})`));
const today = (zone) => `(now() AT TIME ZONE ${zone})::date`;
const dayBefore = (zone, days) => sql(`SELECT ${today(zone)} - ${days}`);

const number = (text) => Number(text.replaceAll(',', ''));
const card = (page, kpi) => page.locator('.kpi-card').nth(kpis.indexOf(kpi));
const slider = (page) => page.getByRole('slider');
const at = (site, ...query) => address(site, query.filter(Boolean).length === 0 ? '/' : `/?${query.filter(Boolean).join('&')}`);
const spoken = (page) => slider(page).getAttribute('aria-valuetext');

describe('the numbers are those of the base tables', () => {
  for (const [site, query, who, zone] of views) {
    test(`cards: ${site} ${query}`, async () =>
      inWindow({ site, as: await session(site) }, async (page) => {
        await show(page, at(site, query));
        assert.deepEqual(await page.locator('.kpi-name').allInnerTexts(), kpis.map((kpi) => names[kpi]));
        for (const kpi of kpis) {
          const [now, then, whole] = numbers(
            brief(combined(kpi, who, today(zone), today(zone))),
            brief(combined(kpi, who, `${today(zone)} - 7`, `${today(zone)} - 7`)),
            brief(combined(kpi, who, `${today(zone)} - 13`, today(zone))),
          );
          assert.equal(number(await card(page, kpi).locator('.kpi-value').innerText()), now, `${kpi} today`);
          const beside = await card(page, kpi).locator('.muted.small').first().innerText();
          const [, part] = /^(?:([\d,]+)% of |vs )[\d,.]+$/.exec(beside) ?? assert.fail(beside);
          assert.ok(beside.endsWith(` ${then.toLocaleString('en-GB')}`), `${kpi}: ${beside}`);
          assert.equal(part === undefined, then === 0, `${kpi}: ${beside}`);
          if (part) assert.ok(Math.abs(number(part) - (100 * now) / then) <= 1, `${kpi}: ${beside} for ${now}`);
          const range = await card(page, kpi).locator('.kpi-range').innerText();
          assert.equal(number(/^(?:Average of )?14 days\s+([\d,.]+)/.exec(range)?.[1] ?? range), whole, `${kpi} in 14 days`);
        }
      }));

    for (const [by, days, truncated] of [['day', 30, 'd.day'], ['week', 90, `date_trunc('week', d.day)::date`], ['month', 90, `date_trunc('month', d.day)::date`]]) {
      test(`table: ${site} ${query} by ${by}`, async () =>
        inWindow({ site, as: await session(site) }, async (page) => {
          await show(page, at(site, query, `days=${days}`, `by=${by}`, 'view=table'));
          const rows = await page.locator('.kpi-table tbody tr').evaluateAll((all) => all.map((row) => [...row.querySelectorAll('td.number')].map((cell) => cell.textContent)));
          // By period: the sum over tenants of each day, and of those the sum, or the average.
          const expected = JSON.parse(sql(
            `WITH days AS (SELECT ${truncated.replaceAll('d.day', 's::date')} AS period, s::date AS day FROM generate_series(${today(zone)} - ${days - 1}, ${today(zone)}, '1 day') AS s),
                  values AS (SELECT d.kpi, d.day, sum(d.value) AS value FROM public.regress_daily d WHERE ${who} GROUP BY 1, 2)
             SELECT json_agg(line ORDER BY period DESC) FROM (SELECT period, json_build_array(${kpis.map((kpi) =>
               amount(`sum(v.value) FILTER (WHERE v.kpi = '${kpi}')${kpi === 'dau' ? ' / count(DISTINCT day)' : ''}`)).join(', ')}) AS line
               FROM days LEFT JOIN values v USING (day) GROUP BY period) AS lines`));
          assert.deepEqual(rows.map((row) => row.map(number)), expected);
          assert.equal(new Set(rows.map((row) => row[3].split('.')[1]?.length)).size, 1, 'the decimals of the revenue stand below each other');
        }));
    }

    test(`chart: ${site} ${query}, by the keyboard from one end to the other`, async () =>
      inWindow({ site, as: await session(site) }, async (page) => {
        await show(page, at(site, query, 'days=7', 'kpi=revenue'));
        await slider(page).focus();
        await page.keyboard.press('Home');
        for (let days = 6; days >= 0; --days) {
          const day = `${today(zone)} - ${days}`;
          const [value, text] = numbers(amount(combined('revenue', who, day, day)), `to_char(${day}, 'FMDD FMMon YYYY')`);
          await until(`the cursor on ${text}`, async () => (await spoken(page)).includes(text.replace('Sep ', 'Sept ')));
          assert.equal(number(/: ([\d,.]+?)(?:, [^\d]|$)/.exec(await spoken(page))?.[1] ?? ''), value, await spoken(page));
          assert.equal(number(await page.locator('.chart-readout strong').innerText()), value);
          assert.equal((await spoken(page)).includes('provisional'), days === 0 || sql(
            `SELECT bool_and(final) FROM opsadmin.daily_kpi k JOIN opsadmin.tenant t ON t.id = tenant_id WHERE kpi = 'revenue' AND day = ${day} AND ${who}`) === 'f', text);
          await page.keyboard.press('ArrowRight');
        }
        const last = await spoken(page);
        await page.keyboard.press('ArrowRight');
        assert.equal(await spoken(page), last);
        await page.keyboard.press('ArrowLeft');
        await until('the day before', async () => (await spoken(page)) !== last);
        await page.keyboard.press('End');
        await until('the last day', async () => (await spoken(page)) === last);
      }));
  }

  test('chart: two KPIs beside each other', async () =>
    inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
      const [, , who, zone] = views[2];
      await show(page, at('partner', 'kpi=orders'));
      await page.getByLabel('Compare with').selectOption('Revenue');
      await arrived(page, at('partner', 'kpi=orders', 'with=revenue'));
      const [orders, revenue] = numbers(...['orders', 'revenue'].map((kpi) => amount(combined(kpi, who, `${today(zone)} - 1`, `${today(zone)} - 1`))));
      await slider(page).focus();
      await page.keyboard.press('ArrowLeft');
      const wanted = [orders, revenue].map((value) => value.toLocaleString('en-GB'));
      await until('both values', async () => (await spoken(page)).includes(`: Orders ${wanted[0]}, Revenue ${wanted[1]}`));
      assert.deepEqual(await page.locator('.chart-readout strong').allInnerTexts(), wanted);
      await card(page, 'revenue').click();
      await until('Revenue alone', async () => (await page.locator('.chart-readout strong').count()) === 1);
    }));

  test('ranking: the tenants by a KPI, which lead to their figures', async () =>
    inWindow({ as: await session('internal') }, async (page) => {
      await show(page, at('internal', 'kpi=orders', 'days=30'));
      await page.getByRole('heading', { name: 'Tenants by Orders' }).waitFor();
      const rows = page.locator('.ranking tbody tr');
      const shown = await rows.evaluateAll((all) => all.map((row) => [row.querySelector('th').textContent, ...[...row.querySelectorAll('td')].map((cell) => cell.textContent)]));
      const first = `${today("'UTC'")} - 29`;
      const expected = JSON.parse(sql(
        `SELECT json_agg(json_build_array(name, value, previous, CASE WHEN previous > 0 THEN round(100 * (value - previous) / previous) END) ORDER BY value DESC, slug)
         FROM (SELECT c.name, c.slug, coalesce(sum(d.value) FILTER (WHERE d.day BETWEEN ${first} AND ${today("'UTC'")}), 0) AS value,
                      coalesce(sum(d.value) FILTER (WHERE d.day BETWEEN ${first} - 30 AND ${first} - 1), 0) AS previous
               FROM accounts.customer c LEFT JOIN public.regress_daily d ON d.slug = c.slug AND d.kpi = 'orders' GROUP BY c.id ORDER BY 3 DESC, 2 LIMIT 20) AS ranked`));
      assert.deepEqual(
        shown.map(([name, rank, value, , , previous]) => [name, number(rank), number(value), number(previous)]),
        expected.map(([name, value, previous], i) => [name, i + 1, value, previous]),
      );
      for (const [i, [, , , change]] of expected.entries())
        assert.match(shown[i][4], change === null ? /^—$/ : change === 0 ? /no change/ : new RegExp(`${change > 0 ? 'up' : 'down'} ${Math.abs(change)}%`));
      const other = sql(`SELECT name FROM opsadmin.tenant WHERE slug = '${env.otherSlug}'`);
      await page.getByRole('link', { name: other, exact: true }).click();
      await arrived(page, at('internal', 'kpi=orders', 'days=30', `tenant=${env.otherSlug}`));
      const [, , who, zone] = views[1];
      const [whole] = numbers(brief(combined('orders', who, `${today(zone)} - 29`, today(zone))));
      await until('the figures of that tenant', async () =>
        (await card(page, 'orders').locator('.kpi-range').innerText()).split(/\s+/)[2] === whole.toLocaleString('en-GB'));
      await page.getByRole('link', { name: `Remove filter Tenant: ${other}` }).click();
      await arrived(page, at('internal', 'kpi=orders', 'days=30'));
    }));

  test('partners see no ranking and no other tenant, whatever the address says', async () =>
    inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
      const orders = () => card(page, 'orders').locator('.kpi-range').innerText();
      await show(page, at('partner'));
      const own = await orders();
      await show(page, at('partner', `tenant=${env.otherSlug}`));
      assert.equal(await orders(), own);
      assert.equal(await page.locator('.ranking').count(), 0);
    }));

  test('"Copy as SQL" gives psql what is shown', async () =>
    inWindow({ as: await session('internal'), permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
      await show(page, at('internal', `tenant=${env.otherSlug}`, 'by=week', 'kpi=orders', 'view=table', 'days=90'));
      await page.getByRole('button', { name: 'Copy as SQL' }).click();
      await page.getByText('SQL copied').waitFor();
      const { status, stdout, stderr } = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], { input: await page.evaluate(() => navigator.clipboard.readText()), encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const [summary, ranking] = stdout.trim().split('\n').map((line) => JSON.parse(line));
      const column = await page.locator('.kpi-table tbody tr').evaluateAll((rows) => rows.map((row) => row.querySelectorAll('td')[2].textContent));
      assert.deepEqual(column.map(number), summary.kpis[2].sparkline.map(Number).reverse());
      assert.deepEqual(await page.locator('.ranking tbody th').allInnerTexts(), ranking.rows.map((row) => row.name));
    }));
});

describe('jobs that changed many rows', () => {
  const changed = (site) => Number(sql(`SELECT changed FROM opsadmin.bulk_job WHERE id = ${jobs[site]}`)).toLocaleString('en-GB');

  test('staff see them on the chart, below it and in the table', async () =>
    inWindow({ as: await session('internal') }, async (page) => {
      await show(page, at('internal'));
      const list = page.locator('.big-jobs li');
      const text = `${changed('internal')} rows · All tenants`;
      await page.locator('.big-jobs summary').waitFor();
      if (!(await list.first().isVisible())) await page.locator('.big-jobs summary').click();
      await list.filter({ hasText: text }).first().waitFor();
      await page.locator(`.chart-mark[title*="Job Discount changed ${changed('internal')} rows"]`).first().waitFor();
      await slider(page).focus();
      assert.match(await spoken(page), new RegExp(`Job Discount changed ${changed('internal')} rows`));
      await page.getByRole('radio', { name: 'Table' }).check();
      await page.locator('.kpi-table').getByRole('link', { name: `Job Discount changed ${changed('internal')} rows` }).first().click();
      await page.waitForURL(/\/admin\/jobs\/\d+$/);
    }));

  test('partners see their own alone', async () =>
    inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
      await show(page, at('partner', 'view=table'));
      const hrefs = await page.locator('.kpi-table a').evaluateAll((links) => links.map((link) => link.getAttribute('href').split('/').pop()));
      const wanted = sql(
        `SELECT string_agg(b.id::text, ' ' ORDER BY b.id) FROM opsadmin.bulk_job b JOIN opsadmin.job j USING (id) JOIN opsadmin.tenant t ON t.id = j.tenant_id
         WHERE t.slug = '${env.slug}' AND b.changed >= 100 AND b.finished_at IS NOT NULL`);
      assert.deepEqual(hrefs.sort((a, b) => a - b), wanted.split(' '));
      assert.ok(hrefs.includes(String(jobs.partner)) && !hrefs.includes(String(jobs.internal)));
    }));
});

test('the range, the KPI, the period and the view are in the address; reload and back keep them', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    await show(page, at('internal'));
    await page.getByRole('radio', { name: '30 days' }).check();
    await arrived(page, at('internal', 'days=30'));
    await card(page, 'revenue').click();
    await arrived(page, at('internal', 'days=30', 'kpi=revenue'));
    await page.getByRole('radio', { name: 'Week' }).check();
    await arrived(page, at('internal', 'days=30', 'kpi=revenue', 'by=week'));
    await page.getByRole('radio', { name: 'Table' }).check();
    await arrived(page, at('internal', 'days=30', 'kpi=revenue', 'by=week', 'view=table'));
    await page.getByRole('radio', { name: 'Custom' }).check();
    await page.getByLabel('First day').fill(dayBefore("'UTC'", 20));
    await page.getByLabel('Last day').fill(dayBefore("'UTC'", 10));
    await page.getByRole('button', { name: 'Apply' }).click();
    const custom = at('internal', 'kpi=revenue', 'by=week', 'view=table', `from=${dayBefore("'UTC'", 20)}`, `to=${dayBefore("'UTC'", 10)}`);
    await arrived(page, custom);
    await page.reload();
    await loaded(page);
    assert.ok(await page.getByRole('radio', { name: 'Custom' }).isChecked());
    assert.equal(await page.getByLabel('First day').inputValue(), dayBefore("'UTC'", 20));
    assert.match(await card(page, 'orders').locator('.kpi-range').innerText(), /^11 days/);
    assert.equal(await card(page, 'revenue').getAttribute('aria-pressed'), 'true');
    for (const url of [at('internal', 'days=30', 'kpi=revenue', 'by=week', 'view=table'), at('internal', 'days=30', 'kpi=revenue', 'by=week'), at('internal', 'days=30', 'kpi=revenue')]) {
      await page.goBack();
      await arrived(page, url);
    }
    await loaded(page);
    assert.ok(await page.getByRole('radio', { name: '30 days' }).isChecked());
    assert.ok(await page.getByRole('radio', { name: 'Day', exact: true }).isChecked());
    await slider(page).waitFor();
    await page.goForward();
    await arrived(page, at('internal', 'days=30', 'kpi=revenue', 'by=week'));
  }));

test('new rows appear within a minute, without a reload, and the focus stays', async () =>
  inWindow({ site: 'partner', as: await session('partner') }, async (page) => {
    await page.clock.install();
    await show(page, at('partner', 'kpi=signups'));
    const value = () => card(page, 'signups').locator('.kpi-value').innerText().then(number);
    const before = await value();
    await page.evaluate(() => { globalThis.notReloaded = true; });
    await slider(page).focus();
    await page.keyboard.press('ArrowLeft');
    const there = await spoken(page);
    sql(`INSERT INTO accounts.user_account (tenant_id, email, display_name)
         SELECT id, 'regress-' || n || '@example.com', 'Regress' FROM opsadmin.tenant, generate_series(1, 3) AS n WHERE slug = '${env.slug}'`);
    try {
      sql(`SELECT opsadmin.refresh_kpi('signups')`);
      await page.clock.fastForward('01:01');
      await until('the new rows', async () => (await value()) === before + 3);
      assert.ok(await page.evaluate(() => globalThis.notReloaded));
      await slider(page).and(page.locator(':focus')).waitFor();
      assert.equal(await spoken(page), there);
      await page.keyboard.press('End');
      await until('the cursor on today', async () => (await spoken(page)).includes(`: ${before + 3},`));
    } finally {
      sql(`DELETE FROM accounts.user_account WHERE email LIKE 'regress-%'`);
      sql(`SELECT opsadmin.refresh_kpi('signups')`);
    }
  }));

test('what is provisional is told in words, and only then', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    const note = page.getByText('Provisional: the day is not over');
    await show(page, at('internal'));
    await note.waitFor();
    await show(page, at('internal', 'view=table'));
    assert.match(await page.locator('.kpi-table tbody tr').first().innerText(), /provisional/);
    assert.doesNotMatch(await page.locator('.kpi-table tbody tr').last().innerText(), /provisional/);
    await show(page, at('internal', `from=${dayBefore("'UTC'", 20)}`, `to=${dayBefore("'UTC'", 10)}`));
    assert.equal(await note.count(), 0);
  }));

test('a month that the range has in part is told apart, and whole ones are not', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    const [from, to] = ["'-2 months +1 day'", "'-1 day'"].map((step) => sql(`SELECT (date_trunc('month', ${today("'UTC'")}) + interval ${step})::date`));
    const range = [`from=${from}`, `to=${to}`, 'by=month'];
    await show(page, at('internal', ...range));
    await page.getByText('In part: the range does not have all days').waitFor();
    await slider(page).focus();
    await page.keyboard.press('Home');
    await until('the first month', async () => (await spoken(page)).endsWith(', in part'));
    await show(page, at('internal', ...range, 'view=table'));
    assert.deepEqual(await page.locator('.kpi-table tbody th').evaluateAll((all) => all.map((cell) => cell.textContent.endsWith('in part'))), [false, true]);
    await show(page, at('internal', ...range.slice(1), `from=${from.slice(0, 8)}01`));
    assert.equal(await page.getByText('In part:').count(), 0);
  }));

test('the chart is drawn anew for another theme, and fits a narrower window', async () =>
  inWindow({ as: await session('internal'), colorScheme: 'light' }, async (page) => {
    await show(page, at('internal'));
    const canvas = page.locator('.chart-plot canvas');
    const picture = () => canvas.evaluate((element) => element.toDataURL());
    const light = await picture();
    await page.emulateMedia({ colorScheme: 'dark' });
    await until('the dark chart', async () => (await picture()) !== light);
    await page.getByRole('button', { name: /^Account:/ }).click();
    await page.getByRole('radio', { name: 'Light' }).check();
    await until('the light chart', async () => (await picture()) === light);
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 320, height: 640 });
    await until('the narrow chart', async () => (await canvas.boundingBox()).width < 320);
    await page.locator('.chart-mark').first().waitFor();
  }));

describe('when there is nothing to show', () => {
  const answer = (status, code) => (route) => route.fulfill({ status, contentType: 'application/problem+json', json: { code, title: 'no', status } });
  const changed = (change) => async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), ...change } });
  };

  test('loading, and then an empty list of KPIs', async () =>
    inWindow({ as: await session('internal') }, async (page) => {
      let go;
      const held = new Promise((resolve) => { go = resolve; });
      await page.route('**/admin/kpi?**', async (route) => {
        await held;
        await changed({ kpis: [] })(route);
      });
      await page.goto(at('internal'));
      await page.locator('.skeleton').first().waitFor();
      go();
      await page.getByText('No KPI is defined yet.').waitFor();
    }));

  test('an error can be tried again, and a denial not', async () =>
    inWindow({ as: await session('internal'), refusals: [403, 503] }, async (page) => {
      await page.route('**/admin/kpi?**', answer(503, 'OA110'));
      await page.goto(at('internal'));
      await page.getByText('This could not be loaded').waitFor();
      await page.unroute('**/admin/kpi?**');
      await page.getByRole('button', { name: 'Retry' }).click();
      await card(page, 'orders').waitFor();
      await page.route('**/admin/kpi?**', answer(403, 'OA403'));
      await show(page, at('internal'));
      await page.getByText('You may not see this').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 0);
    }));

  test('without a connection the last figures stay, and it is said', async () =>
    inWindow({ as: await session('internal'), refusals: [503] }, async (page) => {
      await page.clock.install();
      await show(page, at('internal'));
      const before = await card(page, 'orders').innerText();
      await page.route('**/admin/kpi?**', answer(503, 'OA105'));
      await page.clock.fastForward('01:01');
      await page.getByText('Could not be refreshed.').first().waitFor();
      assert.equal(await card(page, 'orders').innerText(), before);
      await page.unroute('**/admin/kpi?**');
      await page.clock.fastForward('02:05');
      await page.getByText('Could not be refreshed.').first().waitFor({ state: 'detached' });
    }));

  test('figures that are no longer refreshed are called so', async () =>
    inWindow({ as: await session('internal') }, async (page) => {
      await page.route('**/admin/kpi?**', changed({ stale: true, as_of: '2026-01-02T03:04:05Z' }));
      await show(page, at('internal'));
      await page.getByRole('status').getByText(/^These figures are as of 2 Jan 2026.*They should be refreshed each minute/).waitFor();
      await page.locator('.notice').getByRole('link', { name: 'Findings' }).waitFor();
    }));

  test('a range that does not fit and a tenant that does not exist can be mended on the spot', async () =>
    inWindow({ as: await session('internal'), refusals: [404, 422] }, async (page) => {
      await show(page, at('internal', 'from=2010-01-01', 'to=2026-01-01'));
      await page.getByRole('alert').getByText('Ask for 1 to 367 days').waitFor();
      await page.getByRole('radio', { name: '7 days' }).check();
      await card(page, 'orders').waitFor();
      await show(page, at('internal', 'tenant=nowhere'));
      await page.getByRole('alert').waitFor();
      await page.getByRole('link', { name: 'Remove filter Tenant: nowhere' }).click();
      await card(page, 'orders').waitFor();
    }));

  test('those without the permission have a dashboard without figures', async () =>
    inWindow({ as: await session('internal') }, async (page) => {
      await page.route('**/admin/me', changed({ permissions: ['product:read'] }));
      await show(page, at('internal'));
      await heading(page, 'Dashboard');
      await page.getByRole('heading', { name: 'Running jobs' }).waitFor();
      assert.equal(await page.locator('.kpi-card').count(), 0);
    }));

  test('without the chart its values are in the table', async () =>
    inWindow({ as: await session('internal'), refusals: [404] }, async (page) => {
      await page.route('**/assets/plot-*.js', (route) => route.fulfill({ status: 404 }));
      await show(page, at('internal'));
      await page.getByRole('alert').getByText('The chart could not be loaded.').waitFor();
      await page.getByRole('radio', { name: 'Table' }).check();
      await page.locator('.kpi-table').waitFor();
    }));
});

test('the chart is loaded where it is shown, and not before', async () =>
  inWindow({ as: await session('internal') }, async (page) => {
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    await show(page, address('internal', '/jobs'));
    assert.ok(asked.some((url) => url.includes('/assets/main-')) && !asked.some((url) => url.includes('/assets/plot-')));
    await page.getByRole('link', { name: 'Dashboard' }).click();
    await slider(page).waitFor();
    await loaded(page);
    assert.ok(asked.some((url) => url.includes('/assets/plot-')));
  }));

describe('the dashboards for everybody', () => {
  for (const [site, colorScheme, viewport, locale] of [
    ['internal', 'light', wide, 'en-US'], ['internal', 'dark', narrow, 'ko-KR'], ['internal', 'dark', wide, 'en-US'], ['internal', 'light', { width: 320, height: 640 }, 'en-US'],
    ['partner', 'dark', wide, 'ko-KR'], ['partner', 'light', narrow, 'ko-KR'], ['partner', 'dark', { width: 320, height: 640 }, 'en-US'],
  ]) {
    test(`${site}, ${colorScheme}, ${viewport.width} px, ${locale}`, async () =>
      inWindow({ site, as: await session(site), colorScheme, viewport, locale }, async (page) => {
        const tenant = site === 'internal' ? `tenant=${env.otherSlug}` : '';
        for (const query of [[], ['days=90', 'kpi=revenue', 'with=dau', tenant], [`from=${dayBefore("'UTC'", 80)}`, `to=${dayBefore("'UTC'", 1)}`, 'by=month'], ['view=table', 'days=30']]) {
          await show(page, at(site, ...query));
          await assertFitForAll(page, query.join(' '));
        }
      }));
  }
});
