// The audit explorer: entries newest first, their number over time, and what is written meanwhile. The URL holds the
// filters, the page, the view and whether it follows.
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { AuditHistogram, AuditPage } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatInteger, msg } from '../i18n/i18n';
import { call, jsonLiteral, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { Pager } from '../ui/Pager';
import { Empty, ProblemNotice, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { apiFilter, type AuditFilter, parseAuditFilter, writeAuditFilter } from './audit-filter';
import { AuditFilters } from './AuditFilters';
import { AuditTable } from './AuditTable';
import { Histogram } from './Histogram';
import { useAtTop } from './use-at-top';

const PAGE_SIZE = 50;
const PACE = 3000;

export function AuditList() {
  const m = msg.value;
  const [, navigate] = useLocation();
  const query = useQueryParams();
  const cursor = query.get('cursor') ?? '';
  const view = query.get('view') === 'table' ? 'table' : 'chart';
  const filters = parseAuditFilter(query);
  const filter = apiFilter(filters);
  const filterText = filter === null ? '' : JSON.stringify(filter);
  const buckets = useState(() => (innerWidth < 640 ? 24 : 60))[0];

  // Only the first page has what is new.
  const canFollow = cursor === '' && filters.to === undefined;
  const follows = canFollow && query.get('follow') === '1';
  const live = useAtTop() && follows;
  const page = useQuery<AuditPage>(
    withQuery('/audit', { filter: filterText, cursor, page_size: PAGE_SIZE }),
    () => (live ? PACE : null),
  );
  const histogram = useQuery<AuditHistogram>(withQuery('/audit/histogram', { filter: filterText, buckets }));
  // Asking ended while it was not live.
  useEffect(() => {
    if (live) page.reload();
  }, [live]);
  const newest = page.loading ? undefined : page.data?.rows[0]?.id;
  useEffect(() => {
    if (live && newest !== undefined) histogram.reload();
  }, [newest]);

  const sql = [call('list_audit', {
    filter: filter === null ? undefined : jsonLiteral(filter),
    cursor: cursor === '' ? undefined : literal(cursor),
    page_size: String(PAGE_SIZE),
  }), call('audit_histogram', { filter: filter === null ? undefined : jsonLiteral(filter), buckets: String(buckets) })];
  const go = (next: AuditFilter) => {
    const params = writeAuditFilter(next);
    if (view === 'table') params.set('view', view);
    if (query.get('follow') === '1') params.set('follow', '1');
    navigate(address('/audit', params));
  };
  const put = (name: string, value: string | null) => {
    const params = new URLSearchParams(query);
    if (value === null) params.delete(name);
    else params.set(name, value);
    navigate(address('/audit', params), { replace: true });
  };

  return (
    <Page
      title={m.audit}
      aside={<LiveState follows={follows} live={live} page={page.data} />}
      actions={(
        <>
          <button type="button" class="button" aria-pressed={follows} disabled={!canFollow} onClick={() => put('follow', follows ? null : '1')}>
            <Icon name={follows ? 'pause' : 'play'} />
            {m.follow}
          </button>
          <CopySql calls={sql} />
        </>
      )}
    >
      <AuditFilters key={filterText} filter={filters} onApply={go} />
      {histogram.data === undefined && !histogram.problem && <div class="panel histogram" aria-hidden="true" />}
      {histogram.data && (histogram.data.total > 0) && !page.problem && (
        <Histogram
          histogram={histogram.data}
          view={view}
          onView={(next) => put('view', next === 'table' ? next : null)}
          onRange={(from, to) => go({ ...filters, from, to })}
        />
      )}
      {page.problem && page.data !== undefined && follows && <ProblemNotice problem={page.problem} title={m.staleNotice} />}
      {page.problem && (page.data === undefined || !follows) ? (
        <ProblemView problem={page.problem} onRetry={page.reload} onFirstPage={() => put('cursor', null)}>
          {filter !== null && [404, 422].includes(page.problem.status) && (
            <button type="button" class="button" onClick={() => go({})}>{m.clearFilters}</button>
          )}
        </ProblemView>
      ) : page.data === undefined ? (
        <Skeleton lines={12} />
      ) : page.data.rows.length === 0 ? (
        <Empty title={filter === null ? m.noAudit : m.noAuditMatch}>
          {filter !== null && <button type="button" class="button" onClick={() => go({})}>{m.clearFilters}</button>}
        </Empty>
      ) : (
        <AuditTable entries={page.data.rows} />
      )}
      <footer class="list-foot"><Pager next={page.data?.next ?? null} prev={page.data?.prev ?? null} busy={page.loading} /></footer>
    </Page>
  );
}

/** Says in a word whether the list follows, and reads out how many entries have come. */
function LiveState({ follows, live, page }: { follows: boolean; live: boolean; page: AuditPage | undefined }) {
  const m = msg.value;
  const [seen, setSeen] = useState<string | null>(null);
  const [came, setCame] = useState(0);
  const newest = page?.rows[0]?.id ?? null;
  useEffect(() => {
    if (newest === null || newest === seen) return;
    const known = page?.rows.findIndex((row) => row.id === seen) ?? -1;
    if (follows && seen !== null) setCame(known < 0 ? (page?.rows.length ?? 0) : known);
    setSeen(newest);
  }, [newest]);
  return (
    <>
      {follows
        ? <span class={live ? 'live on' : 'live'}>{live ? m.following : m.followPaused}</span>
        : <span class="muted">{m.newest}</span>}
      <span class="visually-hidden" role="status">{follows && came > 0 && m.newEntries(formatInteger(came), came === 1)}</span>
    </>
  );
}
