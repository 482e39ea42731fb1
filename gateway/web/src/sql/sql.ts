// The text behind "Copy as SQL": the same call that the page made, for psql.
// It never holds a session token; values are quoted as PostgreSQL's quote_literal does.

// A pasted Ctrl-C ends the statement in psql, and the line after it would be a command.
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** Quotes a value as a string literal, safe to paste and whatever standard_conforming_strings says. */
export function literal(value: string | null): string {
  if (value === null) return 'NULL';
  const escaped = value.replaceAll("'", "''").replaceAll('\\', '\\\\')
    .replace(unseen, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return escaped.includes('\\') ? `E'${escaped}'` : `'${escaped}'`;
}

export function jsonLiteral(value: unknown): string {
  return value === null || value === undefined ? 'NULL' : `${literal(JSON.stringify(value))}::jsonb`;
}

/** One call in named notation; `args` are SQL texts already, absent ones are left out. */
export function call(name: string, args: Record<string, string | undefined>): string {
  const given = Object.entries(args).filter((entry) => entry[1] !== undefined);
  const list = given.map(([key, text]) => `${key} => ${text}`);
  return `SELECT opsadmin.${name}(${list.join(', ')});`;
}

/** A whole transaction: bind the context as the actor, make the calls, commit. */
export function transaction(email: string, tenant: string | null, calls: readonly string[]): string {
  const begin = `SELECT opsadmin.begin_as(${literal(email)}, ${literal(tenant)}, 'copied from the page');`;
  return ['BEGIN;', begin, ...calls, 'COMMIT;', ''].join('\n');
}
