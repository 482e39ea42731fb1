// Tables and columns of the log by the names that the lists have for them, where the table is a resource; as the log has them otherwise.
import type { AuditEntry, Resource } from '../api/types';
import { label } from '../i18n/i18n';
import { session } from '../session';

export function resourceOf(target: AuditEntry['target']): Resource | undefined {
  const current = session.value;
  return current.state === 'in' ? current.resources.find((resource) => resource.target === target) : undefined;
}

export function fieldName(target: AuditEntry['target'], field: string): string {
  return label(resourceOf(target)?.columns.find(({ name }) => name === field)?.label, field);
}
