// Audit entries as a table; each opens to its fields before and after and to where it came from.
import { type ComponentChildren, Fragment } from 'preact';
import { useId, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { AuditEntry } from '../api/types';
import { formatFull, formatStamp, label, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';
import { address } from '../ui/url';
import { type AuditFilter, keyField, writeAuditFilter } from './audit-filter';
import { changesOf, type FieldChange, keyText, valueText } from './diff';
import { fieldName, resourceOf } from './names';
import { historyOfEntry } from './row-path';

// So many changed fields are shown in the row itself.
const IN_ROW = 2;

interface Props {
  entries: readonly AuditEntry[];
  /** What can be done with an entry, besides its links. */
  actions?: (entry: AuditEntry) => ComponentChildren;
}

export function AuditTable({ entries, actions }: Props) {
  const m = msg.value;
  return (
    <div class="table-frame" role="region" aria-label={m.audit} tabIndex={0}>
      <table class="table">
        <caption class="visually-hidden">{m.audit}</caption>
        <thead>
          <tr>
            <th scope="col">{m.when}</th>
            <th scope="col">{m.who}</th>
            <th scope="col">{m.operation}</th>
            <th scope="col">{m.target}</th>
            <th scope="col">{m.changes}</th>
            <th scope="col">{m.jobFilter}</th>
          </tr>
        </thead>
        <tbody>{entries.map((entry) => <EntryRows key={entry.id} entry={entry} actions={actions?.(entry)} />)}</tbody>
      </table>
    </div>
  );
}

function EntryRows({ entry, actions }: { entry: AuditEntry; actions: ComponentChildren }) {
  const m = msg.value;
  const [open, setOpen] = useState(false);
  const id = useId();
  const changes = changesOf(entry);
  const key = keyText(entry.target_pk);
  return (
    <Fragment>
      <tr class={open ? 'open' : ''}>
        <td>
          <button
            type="button"
            class="expander"
            aria-expanded={open}
            aria-controls={id}
            aria-label={m.showChange(entry.target ?? entry.action ?? '', key)}
            onClick={() => setOpen(!open)}
          >
            <Icon name="chevronRight" />
          </button>
          <time dateTime={entry.created_at} title={formatFull(entry.created_at)}>{formatStamp(entry.created_at)}</time>
        </td>
        <td><Who entry={entry} /></td>
        <td><OpChip op={entry.op} /></td>
        <td><Target entry={entry} /></td>
        <td><ChangeSummary entry={entry} changes={changes} /></td>
        <td>{entry.job_id !== null && <Link href={`/jobs/${entry.job_id}`}>#{entry.job_id}</Link>}</td>
      </tr>
      <tr id={id} class="detail-row" hidden={!open}>
        <td colSpan={6}>{open && <EntryDetail entry={entry} changes={changes} actions={actions} />}</td>
      </tr>
    </Fragment>
  );
}

/** The record, which leads to its history where its table is a resource; a statement's or an event's table alone. */
export function Target({ entry }: { entry: AuditEntry }) {
  const resource = resourceOf(entry.target);
  const history = historyOfEntry(entry, resource ? [resource] : []);
  const text = (
    <>
      {resource ? <span title={resource.target}>{label(resource.label, resource.name)}</span> : <span class="mono">{entry.target}</span>}
      {' '}
      <span class="key">{keyText(entry.target_pk)}</span>
    </>
  );
  return history === null ? text : <Link href={history} class="row-link">{text}</Link>;
}

/** Who made the change; a partner is not told who of the staff worked in all tenants at once. */
export function Who({ entry }: { entry: Pick<AuditEntry, 'actor_name' | 'db_user'> }) {
  if (entry.actor_name !== null) return <>{entry.actor_name}</>;
  if (entry.db_user !== null) return <span class="mono">{entry.db_user}</span>;
  return <span class="muted">{msg.value.notShown}</span>;
}

const opIcons = { INSERT: 'plus', UPDATE: 'pencil', DELETE: 'close', TRUNCATE: 'close', EVENT: 'check' } as const;

export function OpChip({ op }: { op: AuditEntry['op'] }) {
  return (
    <span class={`op ${op.toLowerCase()}`}>
      <Icon name={opIcons[op]} />
      {msg.value.operationNames[op]}
    </span>
  );
}

export function ChangeSummary({ entry, changes }: { entry: AuditEntry; changes: readonly FieldChange[] }) {
  if (entry.op !== 'UPDATE') return null;
  return (
    <span class="change-summary">
      {changes.slice(0, IN_ROW).map(({ field, before, after }) => (
        <span key={field} class="change">
          <span class="muted">{fieldName(entry.target, field)}</span> <del>{valueText(before)}</del>
          <span aria-hidden="true"> → </span>
          <ins>{valueText(after)}</ins>
        </span>
      ))}
      {changes.length > IN_ROW && <span class="muted">{msg.value.moreFields(String(changes.length - IN_ROW))}</span>}
    </span>
  );
}

interface DetailProps {
  entry: AuditEntry;
  changes: readonly FieldChange[];
  actions: ComponentChildren;
}

function EntryDetail({ entry, changes, actions }: DetailProps) {
  const m = msg.value;
  const resource = resourceOf(entry.target);
  const history = historyOfEntry(entry, resource ? [resource] : []);
  const facts: [string, ComponentChildren][] = [
    [m.when, formatFull(entry.created_at)],
    [m.tenant, entry.tenant?.name ?? null],
    [m.target, entry.target && <Narrow filter={{ target: entry.target }} text={entry.target} />],
    [m.actionName, entry.action && <Narrow filter={{ action: entry.action }} text={entry.action} />],
    [m.request, [entry.method, entry.path].filter(Boolean).join(' ') || null],
    [m.requestNumber, entry.request_id && <Narrow filter={{ request: entry.request_id }} text={entry.request_id} />],
    [m.address, entry.ip],
    [m.databaseUser, entry.db_user],
    [m.meta, entry.meta === null ? null : JSON.stringify(entry.meta)],
    [m.entryNumber, <Narrow filter={{ id: entry.id }} text={entry.id} />],
  ];
  return (
    <div class="entry-detail">
      {changes.length > 0 && (
        <table class="table inner">
          <thead>
            <tr>
              <th scope="col">{m.field}</th>
              <th scope="col">{m.before}</th>
              <th scope="col">{m.after}</th>
            </tr>
          </thead>
          <tbody>
            {changes.map(({ field, before, after }) => (
              <tr key={field}>
                <th scope="row" title={field}>{fieldName(entry.target, field)}</th>
                <td class="before">{valueText(before)}</td>
                <td class="after">{valueText(after)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div class="entry-side">
        <dl class="facts">
          {facts.map(([name, value]) => value && (
            <div class="fact" key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <p class="entry-links">
          {actions}
          {!actions && history !== null && <Link href={history} class="button small"><Icon name="audit" />{m.historyOfRecord}</Link>}
          {!actions && history === null && entry.target !== null && entry.target_pk !== null && (
            <Narrow filter={{ target: entry.target, key: keyField(entry.target_pk) }} text={m.historyOfRecord} />
          )}
          {entry.job_id !== null && <Link href={`/jobs/${entry.job_id}`} class="button small">{m.job(entry.job_id)}</Link>}
        </p>
      </div>
    </div>
  );
}

/** A link to the entries that have this in common. */
function Narrow({ filter, text }: { filter: AuditFilter; text: string }) {
  return <Link href={address('/audit', writeAuditFilter(filter))}>{text}</Link>;
}
