// Which rows are selected: some by key, or all that match search and filter except some. Pure.
import type { Filter } from './list-state';

export type Selection =
  | { kind: 'ids'; ids: ReadonlySet<string> }
  | { kind: 'matching'; except: ReadonlySet<string> };

export const nothing: Selection = { kind: 'ids', ids: new Set() };
export const everything: Selection = { kind: 'matching', except: new Set() };

export function isSelected(selection: Selection, key: string): boolean {
  return selection.kind === 'ids' ? selection.ids.has(key) : !selection.except.has(key);
}

export function isEmpty(selection: Selection): boolean {
  return selection.kind === 'ids' && selection.ids.size === 0;
}

/** Selects or unselects the keys, whichever kind of selection it is. */
export function withKeys(selection: Selection, keys: readonly string[], selected: boolean): Selection {
  const listed = new Set(selection.kind === 'ids' ? selection.ids : selection.except);
  const list = selected === (selection.kind === 'ids');
  for (const key of keys) {
    if (list) listed.add(key);
    else listed.delete(key);
  }
  return selection.kind === 'ids' ? { kind: 'ids', ids: listed } : { kind: 'matching', except: listed };
}

/** The keys from one row to another, both included, in the order of the page. */
export function keysBetween(page: readonly string[], from: string, to: string): readonly string[] {
  const a = page.indexOf(from);
  const b = page.indexOf(to);
  return a < 0 || b < 0 ? [to] : page.slice(Math.min(a, b), Math.max(a, b) + 1);
}

/** How many rows are selected; null when the number of matching rows is not known. */
export function sizeOf(selection: Selection, matching: number | null): number | null {
  if (selection.kind === 'ids') return selection.ids.size;
  return matching === null ? null : Math.max(0, matching - selection.except.size);
}

export function selectionBody(selection: Selection, filter: Filter | null, search: string): object {
  if (selection.kind === 'ids') return { ids: [...selection.ids] };
  return { filter, search: search === '' ? null : search, except: [...selection.except] };
}
