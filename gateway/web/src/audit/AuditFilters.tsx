// The form of the audit log's filter: what is asked for most at once, the rest behind a button.
import { useId, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { label, msg, timeZone } from '../i18n/i18n';
import { fromField, toField } from '../i18n/zone';
import { session } from '../session';
import { site } from '../site';
import { Icon } from '../ui/Icon';
import { type AuditFilter, type FilterName, ops } from './audit-filter';

const rare: readonly FilterName[] = ['key', 'action', 'job', 'request', 'id', 'tenant'];

interface Props {
  filter: AuditFilter;
  onApply: (filter: AuditFilter) => void;
}

export function AuditFilters({ filter, onApply }: Props) {
  const m = msg.value;
  const [draft, setDraft] = useState<AuditFilter>(filter);
  const [all, setAll] = useState(() => rare.some((name) => filter[name] !== undefined));
  const set = (name: FilterName, value: string) => setDraft({ ...draft, [name]: value });
  const labels: Record<FilterName, string> = {
    from: m.from, to: m.to, actor: m.actor, target: m.target, key: m.key, op: m.operation, action: m.actionName,
    job: m.jobFilter, request: m.requestNumber, id: m.entryNumber, tenant: m.tenant,
  };
  const known = knownValues();
  const id = useId();
  const text = (name: FilterName, placeholder?: string) => (
    <Field label={labels[name]}>
      <input
        type="text"
        {...(name in known ? { list: `${id}-${name}` } : {})}
        autoCapitalize="none"
        spellcheck={false}
        {...(name === 'job' || name === 'id' ? { inputMode: 'numeric' as const } : {})}
        {...(placeholder ? { placeholder } : {})}
        value={draft[name] ?? ''}
        onInput={(e) => set(name, e.currentTarget.value)}
      />
    </Field>
  );
  const moment = (name: 'from' | 'to') => (
    <Field label={labels[name]}>
      <input type="datetime-local" step={1} value={toField(draft[name], timeZone.value)} onInput={(e) => set(name, fromField(e.currentTarget.value, timeZone.value))} />
    </Field>
  );
  return (
    <form
      class="toolbar audit-filters"
      role="search"
      aria-label={m.filter}
      onSubmit={(event) => {
        event.preventDefault();
        onApply(draft);
      }}
    >
      {Object.entries(known).map(([name, values]) => (
        <datalist key={name} id={`${id}-${name}`}>
          {values.map(({ value, text: shown }) => <option key={value} value={value}>{shown}</option>)}
        </datalist>
      ))}
      {text('actor', m.actorHint)}
      {text('target', 'shop.product')}
      <Field label={labels.op}>
        <select value={draft.op ?? ''} onChange={(e) => set('op', e.currentTarget.value)}>
          <option value="">{m.anyOperation}</option>
          {ops.map((op) => <option key={op} value={op}>{m.operationNames[op]}</option>)}
        </select>
      </Field>
      {moment('from')}
      {moment('to')}
      {all && (
        <>
          {text('key')}
          {text('action')}
          {text('job')}
          {text('request')}
          {text('id')}
          {site === 'internal' && text('tenant', 'acme')}
        </>
      )}
      <div class="filter-buttons">
        <button type="submit" class="button"><Icon name="filter" />{m.filter}</button>
        <button type="button" class="button quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? m.fewerFilters : m.moreFilters}
        </button>
        {Object.values(filter).some(Boolean) && (
          <button type="button" class="button quiet" onClick={() => onApply({})}>{m.clearFilters}</button>
        )}
      </div>
    </form>
  );
}

/** What the page knows of the values of a filter; others can be typed. */
function knownValues(): Partial<Record<FilterName, { value: string; text: string }[]>> {
  const current = session.value;
  if (current.state !== 'in') return {};
  return {
    target: current.resources.map((resource) => ({ value: resource.target, text: label(resource.label, resource.name) })),
    tenant: current.me.tenants.map(({ slug, name }) => ({ value: slug, text: name })),
  };
}

function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return <label class="inline-field"><span>{label}</span>{children}</label>;
}
