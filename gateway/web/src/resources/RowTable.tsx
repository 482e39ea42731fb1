// The rows of one page as a table, with sorting headers and check boxes where the resource has actions.
import { useRef } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { Resource, Row } from '../api/types';
import { historyPath } from '../audit/row-path';
import { label, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';
import { Cell, isAmount, isReference } from './Cell';
import { isSelected, keysBetween, type Selection, withKeys } from './selection';

interface Props {
  resource: Resource;
  rows: readonly Row[];
  sort: string;
  busy: boolean;
  /** Each row leads to its history. */
  audited: boolean;
  selection: Selection;
  onSort: (column: string) => void;
  onSelection: (selection: Selection) => void;
}

export function RowTable({ resource, rows, sort, busy, audited, selection, onSort, onSelection }: Props) {
  const m = msg.value;
  const anchor = useRef<string | null>(null);
  const columns = resource.columns.filter((column) => column.list);
  const linked = audited ? (columns.find((column) => column.name === resource.key) ?? columns[0]) : undefined;
  const selectable = resource.actions.length > 0;
  const page = rows.map((row) => String(row[resource.key]));
  const name = label(resource.label, resource.name);
  const chosen = page.filter((key) => isSelected(selection, key)).length;

  const toggle = (key: string, event: MouseEvent & { currentTarget: HTMLInputElement }) => {
    const keys = event.shiftKey && anchor.current !== null ? keysBetween(page, anchor.current, key) : [key];
    anchor.current = key;
    onSelection(withKeys(selection, keys, event.currentTarget.checked));
  };

  return (
    <div class="table-frame" role="region" aria-label={name} tabIndex={0}>
      <table class={busy ? 'table busy' : 'table'} aria-busy={busy}>
        <caption class="visually-hidden">{name}</caption>
        <thead>
          <tr>
            {selectable && (
              <th class="check-cell" scope="col">
                <input
                  type="checkbox"
                  aria-label={m.selectPage}
                  checked={chosen === page.length}
                  ref={(box) => {
                    if (box) box.indeterminate = chosen > 0 && chosen < page.length;
                  }}
                  onClick={(event) => onSelection(withKeys(selection, page, event.currentTarget.checked))}
                />
              </th>
            )}
            {columns.map((column) => {
              const direction = sort === column.name ? 'ascending' : sort === `-${column.name}` ? 'descending' : 'none';
              const text = label(column.label, column.name);
              return (
                <th
                  key={column.name}
                  scope="col"
                  class={isAmount(column, resource) ? 'number' : ''}
                  {...(column.sort ? { 'aria-sort': direction as 'ascending' | 'descending' | 'none' } : {})}
                >
                  {column.sort ? (
                    <button type="button" class="sort-button" title={m.sortBy(text)} onClick={() => onSort(column.name)}>
                      {text}
                      <Icon name={direction === 'none' ? 'upDown' : direction === 'ascending' ? 'up' : 'down'} />
                    </button>
                  ) : text}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => {
            const key = page[index] ?? '';
            const selected = isSelected(selection, key);
            return (
              <tr key={key} class={selected ? 'selected' : ''}>
                {selectable && (
                  <td class="check-cell">
                    <input
                      type="checkbox"
                      aria-label={m.selectRow(key)}
                      checked={selected}
                      onClick={(event) => toggle(key, event)}
                    />
                  </td>
                )}
                {columns.map((column) => (
                  <td
                    key={column.name}
                    class={isAmount(column, resource) ? 'number' : ''}
                  >
                    {column === linked ? (
                      <Link href={historyPath(resource.name, key)} class="row-link" title={m.openRecord}>
                        <Cell value={row[column.name]} type={column.type} reference={isReference(column, resource)} />
                      </Link>
                    ) : <Cell value={row[column.name]} type={column.type} reference={isReference(column, resource)} />}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
