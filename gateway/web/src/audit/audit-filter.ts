// The filter of the audit log as the URL holds it and as the API wants it. Pure.

/** The names in the URL and in the API's filter, in the order of the form. */
export const filterNames = ['from', 'to', 'actor', 'target', 'key', 'op', 'action', 'job', 'request', 'id', 'tenant'] as const;
export type FilterName = (typeof filterNames)[number];
export type AuditFilter = Partial<Record<FilterName, string>>;

export const ops = ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'EVENT'] as const;

export function parseAuditFilter(query: URLSearchParams): AuditFilter {
  return Object.fromEntries(filterNames.flatMap((name) => {
    const value = query.get(name)?.trim();
    return value ? [[name, value]] : [];
  }));
}

export function writeAuditFilter(filter: AuditFilter): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of filterNames) {
    const value = filter[name]?.trim();
    if (value) query.set(name, value);
  }
  return query;
}

/** The filter as the API wants it; null when there is none. A key is a value, or an object of the key's columns. */
export function apiFilter(filter: AuditFilter): Record<string, unknown> | null {
  const given = filterNames.flatMap((name) => (filter[name] === undefined ? [] : [[name, filter[name]] as const]));
  if (given.length === 0) return null;
  return Object.fromEntries(given.map(([name, value]) => [name, name === 'key' ? keyOf(value) : value]));
}

function keyOf(text: string): unknown {
  if (!text.startsWith('{')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A key as the filter's field holds it: the value of the one column, or all of them as JSON. */
export function keyField(key: Readonly<Record<string, unknown>>): string {
  const values = Object.values(key);
  return values.length === 1 && typeof values[0] === 'string' && !values[0].startsWith('{') ? values[0] : JSON.stringify(key);
}
