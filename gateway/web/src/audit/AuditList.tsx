// The audit log, newest first, filtered by job, target and actor; the URL holds the filters.
import { useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { AuditPage } from '../api/types';
import { useQuery } from '../api/use-query';
import { msg } from '../i18n/i18n';
import { call, jsonLiteral, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { Pager } from '../ui/Pager';
import { Empty, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { AuditTable } from './AuditTable';

const PAGE_SIZE = 50;

/** Names in the URL, and in the filter that the API takes. */
const filterNames = { job: 'job_id', target: 'target', actor: 'actor' } as const;
type FilterName = keyof typeof filterNames;

export function AuditList() {
  const m = msg.value;
  const [, navigate] = useLocation();
  const query = useQueryParams();
  const cursor = query.get('cursor') ?? '';
  const given = (Object.keys(filterNames) as FilterName[]).filter((name) => query.get(name));
  const filter = given.length === 0
    ? null
    : Object.fromEntries(given.map((name) => [filterNames[name], query.get(name)]));
  const page = useQuery<AuditPage>(withQuery('/audit', {
    filter: filter === null ? null : JSON.stringify(filter), cursor, page_size: PAGE_SIZE,
  }));
  const sql = [call('list_audit', {
    filter: filter === null ? undefined : jsonLiteral(filter),
    cursor: cursor === '' ? undefined : literal(cursor),
    page_size: String(PAGE_SIZE),
  })];
  const go = (filters: Record<FilterName, string>) => {
    const next = new URLSearchParams();
    for (const [name, value] of Object.entries(filters)) if (value.trim() !== '') next.set(name, value.trim());
    navigate(address('/audit', next));
  };

  return (
    <Page title={m.audit} aside={<span class="muted">{m.newest}</span>} actions={<CopySql calls={sql} />}>
      <AuditFilters key={query.toString()} query={query} onApply={go} />
      {page.problem ? (
        <ProblemView
          problem={page.problem}
          onRetry={page.problem.code === 'OA424' ? () => navigate('/audit', { replace: true }) : page.reload}
        />
      ) : page.data === undefined ? (
        <Skeleton lines={12} />
      ) : page.data.rows.length === 0 ? (
        <Empty title={filter === null ? m.noAudit : m.noAuditMatch}>
          {filter !== null && (
            <button type="button" class="button" onClick={() => navigate('/audit')}>{m.clearFilters}</button>
          )}
        </Empty>
      ) : (
        <AuditTable entries={page.data.rows} />
      )}
      <footer class="list-foot"><Pager next={page.data?.next ?? null} busy={page.loading} /></footer>
    </Page>
  );
}

interface FiltersProps {
  query: URLSearchParams;
  onApply: (filters: Record<FilterName, string>) => void;
}

function AuditFilters({ query, onApply }: FiltersProps) {
  const m = msg.value;
  const [filters, setFilters] = useState<Record<FilterName, string>>({
    job: query.get('job') ?? '', target: query.get('target') ?? '', actor: query.get('actor') ?? '',
  });
  const labels: Record<FilterName, string> = { job: m.jobFilter, target: m.target, actor: m.actor };
  const filled = Object.values(filters).some((value) => value !== '');
  return (
    <form
      class="toolbar audit-filters"
      role="search"
      aria-label={m.filter}
      onSubmit={(event) => {
        event.preventDefault();
        onApply(filters);
      }}
    >
      {(Object.keys(filterNames) as FilterName[]).map((name) => (
        <label key={name} class="inline-field">
          <span>{labels[name]}</span>
          <input
            type="text"
            autoCapitalize="none"
            spellcheck={false}
            {...(name === 'job' ? { inputMode: 'numeric' as const } : {})}
            {...(name === 'target' ? { placeholder: 'shop.product' } : {})}
            value={filters[name]}
            onInput={(e) => setFilters({ ...filters, [name]: e.currentTarget.value })}
          />
        </label>
      ))}
      <button type="submit" class="button"><Icon name="filter" />{m.filter}</button>
      {filled && (
        <button type="button" class="button quiet" onClick={() => onApply({ job: '', target: '', actor: '' })}>
          {m.clearFilters}
        </button>
      )}
    </form>
  );
}
