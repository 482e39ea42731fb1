// Where the history of a record is. Pure.
import type { AuditEntry, Resource } from '../api/types';

export function historyPath(resource: string, key: string): string {
  return `/resources/${encodeURIComponent(resource)}/${encodeURIComponent(key)}/history`;
}

/** The history of the record that an entry is about; null when its table is no resource, or the entry is of no one row. */
export function historyOfEntry(entry: Pick<AuditEntry, 'target' | 'target_pk'>, resources: readonly Resource[]): string | null {
  const resource = resources.find(({ target }) => target === entry.target);
  const key = resource && entry.target_pk?.[resource.key];
  return resource === undefined || key === undefined || key === null ? null : historyPath(resource.name, String(key));
}
