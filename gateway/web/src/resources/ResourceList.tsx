// The list of a resource, built from the registry: search, filters, sort, pages, selection and actions.
// The URL holds all of it except the selection.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { Action, Count, Me, Resource, RowPage } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatInteger, label, msg } from '../i18n/i18n';
import { can } from '../session';
import { call, jsonLiteral, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Page } from '../ui/Page';
import { Pager } from '../ui/Pager';
import { Empty, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { ActionDialog } from './ActionDialog';
import { FilterBar } from './FilterBar';
import { filterOf, type ListState, nextSort, pageSizes, parseListState, writeListState } from './list-state';
import { RowTable } from './RowTable';
import { isEmpty, nothing, type Selection, sizeOf } from './selection';
import { SelectionBar } from './SelectionBar';

export function ResourceList({ resource, me }: { resource: Resource; me: Me }) {
  const m = msg.value;
  const [path, navigate] = useLocation();
  const query = useQueryParams();
  const state = useMemo(() => parseListState(query), [query]);
  const filter = useMemo(() => filterOf(state.conditions, resource.columns), [state, resource]);
  const filterText = filter === null ? '' : JSON.stringify(filter);

  const root = `/resources/${encodeURIComponent(resource.name)}`;
  const rows = useQuery<RowPage>(withQuery(`${root}/rows`, {
    filter: filterText, search: state.search, sort: state.sort, cursor: state.cursor, page_size: state.pageSize,
  }));
  const count = useQuery<Count>(withQuery(`${root}/count`, { filter: filterText, search: state.search }));

  const [selection, setSelection] = useState<Selection>(nothing);
  const [action, setAction] = useState<Action | null>(null);
  // A selection is made of what matches; it ends when that changes.
  useEffect(() => setSelection(nothing), [filterText, state.search]);

  const go = (change: Partial<ListState>, replace = false) =>
    navigate(address(path, writeListState({ ...state, cursor: '', ...change })), { replace });

  const counted = count.loading || count.problem ? undefined : count.data;
  const matching = counted?.kind === 'exact' ? counted.value : null;
  const name = label(resource.label, resource.name);
  const optional = (text: string) => (text === '' ? undefined : literal(text));
  const sql = [call('list_rows', {
    resource: literal(resource.name),
    filter: filter === null ? undefined : jsonLiteral(filter),
    search: optional(state.search),
    sort: optional(state.sort),
    cursor: optional(state.cursor),
    page_size: String(state.pageSize),
  })];

  return (
    <Page title={name} aside={<CountText count={counted} loading={count.loading} />} actions={<CopySql calls={sql} />}>
      <FilterBar
        resource={resource}
        search={state.search}
        conditions={state.conditions}
        onSearch={(search) => go({ search }, true)}
        onConditions={(conditions) => go({ conditions })}
      />
      {rows.problem ? (
        <ProblemView problem={rows.problem} onRetry={rows.reload} onFirstPage={() => go({}, true)}>
          {rows.problem.status === 422 && (
            <button type="button" class="button" onClick={() => go({ search: '', conditions: [], sort: '' })}>{m.clearFilters}</button>
          )}
        </ProblemView>
      ) : rows.data === undefined ? (
        <Skeleton lines={12} />
      ) : rows.data.rows.length === 0 ? (
        <Empty title={filter !== null || state.search !== '' ? m.noMatch : m.noRows}>
          {(filter !== null || state.search !== '') && (
            <button type="button" class="button" onClick={() => go({ search: '', conditions: [] })}>{m.clearFilters}</button>
          )}
        </Empty>
      ) : (
        <RowTable
          resource={resource}
          rows={rows.data.rows}
          sort={state.sort}
          busy={rows.loading}
          audited={can(me, 'audit:read')}
          selection={selection}
          onSort={(column) => go({ sort: nextSort(state.sort, column) })}
          onSelection={setSelection}
        />
      )}
      <footer class="list-foot">
        <label class="page-size">
          <span>{m.perPage}</span>
          <select value={String(state.pageSize)} onChange={(e) => go({ pageSize: Number(e.currentTarget.value) })}>
            {pageSizes.map((size) => <option key={size} value={String(size)}>{size}</option>)}
          </select>
        </label>
        <Pager next={rows.data?.next ?? null} busy={rows.loading} />
      </footer>
      {!isEmpty(selection) && rows.data && (
        <SelectionBar
          resource={resource}
          page={rows.data.rows.map((row) => String(row[resource.key]))}
          more={rows.data.next !== null || state.cursor !== ''}
          selection={selection}
          matching={matching}
          countText={countText(counted)}
          onSelection={setSelection}
          onAction={setAction}
        />
      )}
      {action !== null && (
        <ActionDialog
          resource={resource}
          action={action}
          selection={selection}
          size={sizeOf(selection, matching)}
          sizeText={countText(counted)}
          conditions={state.conditions}
          filter={filter}
          search={state.search}
          onClose={() => setAction(null)}
          onStarted={() => {
            setAction(null);
            setSelection(nothing);
          }}
        />
      )}
    </Page>
  );
}

/** The number of matching rows as far as it is known: 48,210 or 10,000+; empty when it is not. */
function countText(count: Count | undefined): string {
  if (count === undefined || count.value === null || count.kind === 'none') return '';
  const number = formatInteger(count.value);
  if (count.kind === 'capped') return `${number}+`;
  return count.kind === 'estimated' ? `≈ ${number}` : number;
}

function CountText({ count, loading }: { count: Count | undefined; loading: boolean }) {
  if (loading) return <span class="muted">{msg.value.counting}</span>;
  const text = countText(count);
  return text === '' ? null : <span class="muted">{msg.value.countRows(text, count?.value === 1)}</span>;
}
