// The names that PostgreSQL gives types, as the few kinds that the page tells apart. Pure.
import type { ColumnType, Resource } from './types';

const kinds: Readonly<Record<string, ColumnType>> = {
  bigint: 'bigint',
  integer: 'integer',
  smallint: 'integer',
  numeric: 'numeric',
  real: 'numeric',
  'double precision': 'numeric',
  text: 'text',
  'character varying': 'text',
  boolean: 'boolean',
  timestamptz: 'timestamptz',
  'timestamp with time zone': 'timestamptz',
  date: 'date',
  json: 'jsonb',
  jsonb: 'jsonb',
  uuid: 'uuid',
};

export function columnType(name: string): ColumnType {
  return kinds[name] ?? 'other';
}

export function withColumnTypes(resource: Resource): Resource {
  return {
    ...resource,
    columns: resource.columns.map((column) => ({ ...column, type: columnType(column.type) })),
    actions: resource.actions.map((action) => ({
      ...action,
      params: action.params.map((param) => ({ ...param, type: columnType(param.type) })),
    })),
  };
}
