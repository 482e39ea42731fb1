// What an audit entry changed, field by field. Pure.
import type { AuditEntry } from '../api/types';

export interface FieldChange {
  field: string;
  before: unknown;
  after: unknown;
}

/** The fields whose value differs; for an insert or a delete, all fields of the one side. */
export function changesOf(entry: Pick<AuditEntry, 'before' | 'after'>): FieldChange[] {
  const before = entry.before ?? {};
  const after = entry.after ?? {};
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return fields
    .map((field) => ({ field, before: before[field], after: after[field] }))
    .filter((change) => JSON.stringify(change.before) !== JSON.stringify(change.after));
}

/** A value as text; undefined is a side that has no such field. */
export function valueText(value: unknown): string {
  if (value === undefined) return '';
  if (value === null) return 'NULL';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function keyText(key: AuditEntry['target_pk']): string {
  return Object.values(key ?? {}).map(valueText).join(', ');
}

export interface FieldThenAndNow {
  field: string;
  was: unknown;
  is: unknown;
  differs: boolean;
}

type Fields = Readonly<Record<string, unknown>> | null;

/** The fields of a row as it was and as it is, those that differ first, and in the given order. */
export function fieldsOf(row: Fields, present: Fields, order: readonly string[]): FieldThenAndNow[] {
  const names = new Set([...order, ...Object.keys(row ?? {}), ...Object.keys(present ?? {})]);
  const fields = [...names].filter((name) => name in (row ?? {}) || name in (present ?? {})).map((field) => {
    const was = row?.[field];
    const is = present?.[field];
    return { field, was, is, differs: JSON.stringify(was) !== JSON.stringify(is) };
  });
  return [...fields.filter((f) => f.differs), ...fields.filter((f) => !f.differs)];
}
