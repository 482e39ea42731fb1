// The state of a list as its URL holds it, and as the API wants it. Pure: no component, no request.
// Filters are written as f=column.operator.value, such as f=price.gte.1000.
import type { Column, ColumnType } from '../api/types';

export type Op = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'prefix' | 'contains' | 'is_null';

export interface Condition {
  column: string;
  op: Op;
  value: string;
}

export interface ListState {
  search: string;
  conditions: Condition[];
  sort: string;
  cursor: string;
  pageSize: number;
}

export const pageSizes = [25, 50, 100] as const;
const DEFAULT_PAGE_SIZE = 50;

const words: Record<Op, string> = {
  '=': 'eq', '!=': 'ne', '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte',
  prefix: 'prefix', contains: 'contains', is_null: 'null',
};
const ops = new Map(Object.entries(words).map(([op, word]) => [word, op as Op]));

const exact: readonly Op[] = ['=', '>=', '<=', '>', '<', '!=', 'is_null'];
const ranged: readonly Op[] = ['>=', '<=', '=', '>', '<', '!=', 'is_null'];

/** The comparisons that make sense for a type; the first is the default. */
export function opsOf(type: ColumnType): readonly Op[] {
  switch (type) {
    case 'text': return ['contains', 'prefix', '=', '!=', 'is_null'];
    case 'boolean': return ['=', 'is_null'];
    case 'uuid':
    case 'other': return ['=', '!=', 'is_null'];
    case 'jsonb': return ['is_null'];
    case 'integer':
    case 'bigint': return exact;
    default: return ranged;
  }
}

export function parseListState(query: URLSearchParams): ListState {
  const size = Number(query.get('size'));
  return {
    search: query.get('q') ?? '',
    conditions: query.getAll('f').flatMap(parseCondition),
    sort: query.get('sort') ?? '',
    cursor: query.get('cursor') ?? '',
    pageSize: (pageSizes as readonly number[]).includes(size) ? size : DEFAULT_PAGE_SIZE,
  };
}

function parseCondition(text: string): Condition[] {
  const [column = '', word = '', ...rest] = text.split('.');
  const op = ops.get(word);
  return column === '' || op === undefined ? [] : [{ column, op, value: rest.join('.') }];
}

export function writeListState(state: ListState): URLSearchParams {
  const query = new URLSearchParams();
  if (state.search !== '') query.set('q', state.search);
  for (const { column, op, value } of state.conditions) query.append('f', `${column}.${words[op]}.${value}`);
  if (state.sort !== '') query.set('sort', state.sort);
  if (state.pageSize !== DEFAULT_PAGE_SIZE) query.set('size', String(state.pageSize));
  if (state.cursor !== '') query.set('cursor', state.cursor);
  return query;
}

export interface Filter {
  and: { column: string; op: Op; value: string | number | boolean }[];
}

/** The filter as the API wants it; null when there is none. */
export function filterOf(conditions: readonly Condition[], columns: readonly Column[]): Filter | null {
  if (conditions.length === 0) return null;
  return {
    and: conditions.map(({ column, op, value }) => ({
      column,
      op,
      value: op === 'is_null' ? true : typed(value, columns.find((c) => c.name === column)?.type ?? 'text'),
    })),
  };
}

/** A JSON number only where no digit is lost on the way; else the text, which the server casts. */
export function typed(value: string, type: ColumnType): string | number | boolean {
  if (type === 'boolean') return value === 'true';
  const numeric = type === 'integer' || type === 'bigint' || type === 'numeric';
  return numeric && String(Number(value)) === value ? Number(value) : value;
}

/** A number as people type or copy it, with its thousands grouped as the lists show them, as the server reads it. */
export function plain(text: string, type: ColumnType): string {
  const value = text.trim();
  const grouped = ['integer', 'bigint', 'numeric'].includes(type) && /^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(value);
  return grouped ? value.replaceAll(',', '') : value;
}

/** Whether a text typed by a person can be a value of the type. */
export function fits(value: string, type: ColumnType): boolean {
  switch (type) {
    case 'integer':
    case 'bigint': return /^-?\d+$/.test(value);
    case 'numeric': return /^-?\d+(\.\d+)?$/.test(value);
    case 'boolean': return value === 'true' || value === 'false';
    case 'date': return /^\d{4}-\d{2}-\d{2}$/.test(value);
    case 'timestamptz': return !Number.isNaN(Date.parse(value));
    case 'uuid': return /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(value);
    // Of other types, such as enums and intervals, the server knows what fits.
    default: return value !== '';
  }
}

/** The next sort of a column header: ascending, descending, none. */
export function nextSort(sort: string, column: string): string {
  if (sort === column) return `-${column}`;
  return sort === `-${column}` ? '' : column;
}
