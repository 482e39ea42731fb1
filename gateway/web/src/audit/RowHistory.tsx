// A record as it is, or as it was at a moment beside as it is, and its history. The moment and the page are in the URL.
import { useRef, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { withQuery } from '../api/request';
import type { AuditEntry, AuditPage, Column, Resource, RowAsOf } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatFull, formatStamp, label, msg, timeZone } from '../i18n/i18n';
import { fromField, toField } from '../i18n/zone';
import { Cell, isReference } from '../resources/Cell';
import { call, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { Pager } from '../ui/Pager';
import { Empty, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { AuditTable } from './AuditTable';
import { fieldsOf } from './diff';

const PAGE_SIZE = 50;

export function RowHistory({ resource, rowKey }: { resource: Resource; rowKey: string }) {
  const m = msg.value;
  const [path, navigate] = useLocation();
  const query = useQueryParams();
  const cursor = query.get('cursor') ?? '';
  const at = query.get('at') ?? '';
  // Without a moment of the past the record is shown as of when the screen was opened: the answer has it as it is.
  const opened = useState(() => new Date().toISOString())[0];
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
    call('row_as_of', { ...key, at: literal(at || opened) }),
  ];
  return (
    <Page
      title={m.historyTitle(label(resource.label, resource.name), rowKey)}
      aside={<Link href={`/resources/${encodeURIComponent(resource.name)}`}>{label(resource.label, resource.name)}</Link>}
      actions={<CopySql calls={sql} />}
    >
      <section class="panel as-of">
        <header class="panel-head">
          <h2 ref={asOf} tabIndex={-1}>{at === '' ? m.record : m.asOfTitle}</h2>
          <MomentForm key={at} at={at} onChoose={(next) => put({ at: next })} />
        </header>
        <AsOf path={withQuery(`${root}/as-of`, { at: at || opened })} resource={resource} presentOnly={at === ''} />
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
      <label class="compare" title={m.asOfLead}>
        <span>{m.asOfMoment}</span>
        <input
          class="moment"
          type="datetime-local"
          step={1}
          required
          value={toField(draft, timeZone.value)}
          onInput={(e) => setDraft(fromField(e.currentTarget.value, timeZone.value))}
        />
      </label>
      <button type="submit" class="button">{m.show}</button>
      {at !== '' && <button type="button" class="button quiet" onClick={() => onChoose('')}>{m.close}</button>}
    </form>
  );
}

interface AsOfProps {
  path: string;
  resource: Resource;
  /** The record as it is alone. */
  presentOnly: boolean;
}

function AsOf({ path, resource, presentOnly }: AsOfProps) {
  const m = msg.value;
  const { data, problem, loading, reload } = useQuery<RowAsOf>(path);
  if (problem) return <ProblemView problem={problem} onRetry={reload} />;
  if (data === undefined || loading) return <Skeleton lines={4} />;
  const { present, unknown } = data;
  const { row, reason } = presentOnly ? { row: null, reason: null } : data;
  const fields = fieldsOf(row, present, resource.columns.map(({ name }) => name));
  const changed = fields.filter((field) => field.differs).length;
  return (
    <>
      {reason !== null && <div class="notice"><Icon name="warning" /><p>{m.asOfReasons[reason]}</p></div>}
      {row === null && reason === null && !presentOnly && <p class="notice good"><Icon name="check" />{m.rowWasAbsent}</p>}
      {present === null && <p class="muted">{presentOnly ? m.rowIsMissing : m.rowIsAbsent}</p>}
      {!presentOnly && <p class="visually-hidden" role="status">{formatFull(data.at)}: {m.fieldsDiffer(String(changed), changed === 1)}</p>}
      {fields.length > 0 && (
        <div class="table-frame" role="region" aria-label={presentOnly ? m.record : m.asOfTitle} tabIndex={0}>
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
                const column = resource.columns.find(({ name }) => name === field);
                return (
                  <tr key={field} class={shown ? 'differs' : ''}>
                    <th scope="row" title={field}>{label(column?.label, field)}{shown && <span class="visually-hidden"> ({m.changed})</span>}</th>
                    {row !== null && <td class={shown ? 'before' : ''}>{fieldValue(was, column, resource)}</td>}
                    {present !== null && <td class={shown ? 'after' : ''}>{fieldValue(is, column, resource)}</td>}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {unknown.length > 0 && <p class="muted small">{m.unknownColumns(unknown.map((name) => label(resource.columns.find((c) => c.name === name)?.label, name)).join(', '))}</p>}
    </>
  );
}

/** As the list shows it, but all of it; nothing of a field that the row did not have. */
function fieldValue(value: unknown, column: Column | undefined, resource: Resource) {
  if (value === undefined) return null;
  return <Cell full value={value} type={column?.type ?? 'other'} reference={column !== undefined && isReference(column, resource)} />;
}
