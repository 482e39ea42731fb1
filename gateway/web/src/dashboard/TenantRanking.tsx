// The tenants by a KPI, the highest first, for staff who act in none. A row leads to the dashboard of that tenant.
import { Link } from 'wouter-preact';
import type { Query } from '../api/use-query';
import type { Kpi, KpiRanking } from '../api/types';
import { formatColumn, formatInteger, label, msg } from '../i18n/i18n';
import { ProblemNotice, ProblemView, Skeleton } from '../ui/states';
import { Change } from './Change';
import { shareOf } from './kpi';

interface Props {
  kpi: Kpi;
  ranking: Query<KpiRanking>;
  /** The tenant whose figures are shown above. */
  current: string | null;
  hrefOf: (tenant: string) => string;
  /** Where more of them are, if there may be. */
  more: string | null;
}

export function TenantRanking({ kpi, ranking, current, hrefOf, more }: Props) {
  const m = msg.value;
  const title = m.tenantsBy(label(kpi.label, kpi.kpi));
  const rows = ranking.data?.rows;
  const values = rows?.map((row) => row.value) ?? [];
  const shown = formatColumn(values);
  const before = formatColumn(rows?.map((row) => row.previous) ?? []);
  return (
    <section class="panel" aria-labelledby="ranking" aria-busy={ranking.loading}>
      <header class="panel-head">
        <h2 id="ranking">{title}</h2>
        {more !== null && <Link href={more}>{m.showMore}</Link>}
      </header>
      {ranking.problem && (rows === undefined
        ? <ProblemView problem={ranking.problem} onRetry={ranking.reload} />
        : <ProblemNotice problem={ranking.problem} title={m.staleNotice} />)}
      {rows === undefined ? !ranking.problem && <Skeleton lines={5} />
        : rows.length === 0 ? <p class="muted">{m.noTenants}</p>
        : (
          <div class="table-frame" role="region" aria-label={`${m.table}, ${title}`} tabIndex={0}>
            <table class="table ranking">
              <thead>
                <tr>
                  <th scope="col" class="number wide-only">{m.rank}</th>
                  <th scope="col">{m.tenant}</th>
                  <th scope="col" class="number">{label(kpi.label, kpi.kpi)}</th>
                  <th scope="col" class="wide-only bar-cell"><span class="visually-hidden">{m.share}</span></th>
                  <th scope="col" class="number">{m.changeColumn}</th>
                  <th scope="col" class="number">{m.beforeThat}</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row, i) => (
                  <tr key={row.tenant} class={row.tenant === current ? 'open' : undefined}>
                    <td class="number muted wide-only">{formatInteger(i + 1)}</td>
                    <th scope="row">
                      <Link href={hrefOf(row.tenant)} class="row-link" aria-current={row.tenant === current ? 'true' : undefined}>{row.name}</Link>
                    </th>
                    <td class="number">{shown[i]}</td>
                    <td class="wide-only bar-cell"><span class="share-bar" aria-hidden="true" style={{ width: `${100 * shareOf(row.value, values)}%` }} /></td>
                    <td class="number">{row.change === null ? '—' : <Change change={row.change} />}</td>
                    <td class="number muted">{before[i]}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </section>
  );
}
