// One value of a row, drawn by the type of its column.
import type { Column, ColumnType, Resource } from '../api/types';
import { formatDateTime, formatDecimal, formatFull, formatLongDay, formatStamp, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';

/** Keys and references to keys are names, not amounts: their digits are neither grouped nor aligned. */
export function isReference(column: Column, resource: Resource): boolean {
  return column.name === resource.key || column.name.endsWith('_id');
}

export function isAmount(column: Column, resource: Resource): boolean {
  return ['integer', 'bigint', 'numeric'].includes(column.type) && !isReference(column, resource);
}

interface Props {
  value: unknown;
  type: ColumnType;
  reference: boolean;
  /** Where there is room: nothing is cut off, and moments have their seconds. */
  full?: boolean;
}

export function Cell({ value, type, reference, full }: Props) {
  const m = msg.value;
  if (value === null || value === undefined) {
    return <span class="muted"><span aria-hidden="true">—</span><span class="visually-hidden">{m.empty}</span></span>;
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  if (reference) return <span class="key">{text}</span>;
  switch (type) {
    case 'boolean':
      return value === true
        ? <span class="flag on"><Icon name="check" />{m.yes}</span>
        : <span class="flag">{m.no}</span>;
    case 'integer':
    case 'bigint':
    case 'numeric':
      return <>{formatDecimal(text)}</>;
    case 'timestamptz':
      return <time dateTime={text} title={formatFull(text)}>{(full ? formatStamp : formatDateTime)(text)}</time>;
    case 'date':
      return <time dateTime={text}>{formatLongDay(text)}</time>;
    case 'jsonb':
    case 'uuid':
      return full ? <span class="mono">{text}</span> : <span class="mono ellipsis" title={text}>{text}</span>;
    default:
      return full ? <span class="pre-line">{text}</span> : <span class="ellipsis" title={text}>{text}</span>;
  }
}
