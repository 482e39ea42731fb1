// The history of a record, and the record as it was at a moment beside as it is. The moment and the page are in the URL.
import { useRef, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { AuditEntry, AuditPage, Resource, RowAsOf } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatFull, formatStamp, label, msg } from '../i18n/i18n';
import { call, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { Pager } from '../ui/Pager';
import { Empty, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { fromField, toField } from './audit-filter';
import { AuditTable } from './AuditTable';
import { fieldsOf, valueText } from './diff';

const PAGE_SIZE = 50;

export function RowHistory({ resource, rowKey }: { resource: Resource; rowKey: string }) {
  const m = msg.value;
  const [path, navigate] = useLocation();
  const query = useQueryParams();
  const cursor = query.get('cursor') ?? '';
  const at = query.get('at') ?? '';
  const asOf = useRef<HTMLHeadingElement>(null);
  const root = `/resources/${encodeURIComponent(resource.name)}/rows/${encodeURIComponent(rowKey)}`;
  const page = useQuery<AuditPage>(withQuery(`${root}/history`, { cursor, page_size: PAGE_SIZE }));

  const put = (change: Record<string, string>) => {
    const params = new URLSearchParams(query);
    for (const [name, value] of Object.entries(change)) {
      if (value === '') params.delete(name);
      else params.set(name, value);
    }
    navigate(address(path, params));
  };
  const showAsOf = (moment: string) => {
    put({ at: moment });
    asOf.current?.focus();
  };
  const key = { target: literal(resource.name), key: `to_jsonb(${literal(rowKey)}::text)` };
  const sql = [
    call('row_history', { ...key, cursor: cursor === '' ? undefined : literal(cursor), page_size: String(PAGE_SIZE) }),
    ...(at === '' ? [] : [call('row_as_of', { ...key, at: literal(at) })]),
  ];
  return (
    <Page
      title={m.historyTitle(label(resource.label, resource.name), rowKey)}
      aside={<Link href={`/resources/${encodeURIComponent(resource.name)}`}>{label(resource.label, resource.name)}</Link>}
      actions={<CopySql calls={sql} />}
    >
      <section class="panel as-of">
        <header class="panel-head">
          <h2 ref={asOf} tabIndex={-1}>{m.asOfTitle}</h2>
          <MomentForm key={at} at={at} onChoose={(next) => put({ at: next })} />
        </header>
        {at === '' ? <p class="muted">{m.asOfLead}</p> : <AsOf path={withQuery(`${root}/as-of`, { at })} />}
      </section>
      <h2 class="section-title">{m.historyChanges}</h2>
      {page.problem ? (
        <ProblemView problem={page.problem} onRetry={page.reload} onFirstPage={() => put({ cursor: '' })} />
      ) : page.data === undefined ? (
        <Skeleton lines={8} />
      ) : page.data.rows.length === 0 ? (
        <Empty title={m.noHistory} />
      ) : (
        <AuditTable
          entries={page.data.rows}
          actions={(entry: AuditEntry) => (
            <button type="button" class="button small" onClick={() => showAsOf(entry.created_at)}>
              <Icon name="audit" />
              {m.asOfThis}
            </button>
          )}
        />
      )}
      <footer class="list-foot"><Pager next={page.data?.next ?? null} prev={page.data?.prev ?? null} busy={page.loading} /></footer>
    </Page>
  );
}

function MomentForm({ at, onChoose }: { at: string; onChoose: (at: string) => void }) {
  const m = msg.value;
  const [draft, setDraft] = useState(at);
  return (
    <form
      class="toolbar"
      onSubmit={(event) => {
        event.preventDefault();
        onChoose(draft);
      }}
    >
      <input
        class="moment"
        type="datetime-local"
        step={1}
        required
        aria-label={m.asOfMoment}
        value={toField(draft)}
        onInput={(e) => setDraft(fromField(e.currentTarget.value))}
      />
      <button type="submit" class="button">{m.show}</button>
      {at !== '' && <button type="button" class="button quiet" onClick={() => onChoose('')}>{m.close}</button>}
    </form>
  );
}

function AsOf({ path }: { path: string }) {
  const m = msg.value;
  const { data, problem, loading, reload } = useQuery<RowAsOf>(path);
  if (problem) return <ProblemView problem={problem} onRetry={reload} />;
  if (data === undefined || loading) return <Skeleton lines={4} />;
  const { row, present, reason, unknown } = data;
  const fields = fieldsOf(row, present);
  const changed = fields.filter((field) => field.differs).length;
  return (
    <>
      {reason !== null && <div class="notice"><Icon name="warning" /><p>{m.asOfReasons[reason]}</p></div>}
      {row === null && reason === null && <p class="notice good"><Icon name="check" />{m.rowWasAbsent}</p>}
      {present === null && <p class="muted">{m.rowIsAbsent}</p>}
      <p class="visually-hidden" role="status">{formatFull(data.at)}: {m.fieldsDiffer(String(changed), changed === 1)}</p>
      {fields.length > 0 && (
        <div class="table-frame" role="region" aria-label={m.asOfTitle} tabIndex={0}>
          <table class="table versus">
            <thead>
              <tr>
                <th scope="col">{m.field}</th>
                {row !== null && <th scope="col"><time dateTime={data.at}>{formatStamp(data.at)}</time></th>}
                {present !== null && <th scope="col">{m.now}</th>}
              </tr>
            </thead>
            <tbody>
              {fields.map(({ field, was, is, differs }) => {
                const shown = differs && row !== null && present !== null;
                return (
                  <tr key={field} class={shown ? 'differs' : ''}>
                    <th scope="row" class="mono">{field}{shown && <span class="visually-hidden"> ({m.changed})</span>}</th>
                    {row !== null && <td class={shown ? 'before' : ''}>{valueText(was)}</td>}
                    {present !== null && <td class={shown ? 'after' : ''}>{valueText(is)}</td>}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {unknown.length > 0 && <p class="muted small">{m.unknownColumns(unknown.join(', '))}</p>}
    </>
  );
}
