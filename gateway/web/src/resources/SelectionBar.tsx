// What is selected, the step to everything that matches, and the actions for it.
import type { Action, Resource } from '../api/types';
import { formatInteger, label, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';
import { everything, isSelected, nothing, type Selection, sizeOf } from './selection';

interface Props {
  resource: Resource;
  page: readonly string[];
  /** Whether there are matching rows on other pages. */
  more: boolean;
  selection: Selection;
  matching: number | null;
  countText: string;
  onSelection: (selection: Selection) => void;
  onAction: (action: Action) => void;
}

export function SelectionBar({ resource, page, more, selection, matching, countText, onSelection, onAction }: Props) {
  const m = msg.value;
  const size = sizeOf(selection, matching);
  const wholePage = selection.kind === 'ids' && more && page.every((key) => isSelected(selection, key));
  return (
    <section class="selection-bar" aria-label={m.selectionActions}>
      <p role="status">
        {selection.kind === 'matching' ? (
          <>
            <strong>{countText === '' ? m.allMatchingSelectedUnknown : m.allMatchingSelected(countText)}</strong>
            {selection.except.size > 0 && <span> · {m.excluded(formatInteger(selection.except.size))}</span>}
          </>
        ) : (
          <strong>{m.selected(formatInteger(size ?? 0))}</strong>
        )}
      </p>
      {wholePage && (
        <button type="button" class="button quiet" onClick={() => onSelection(everything)}>
          {countText === '' ? m.selectAllMatchingUnknown : m.selectAllMatching(countText)}
        </button>
      )}
      <div class="selection-actions">
        {resource.actions.map((action, index) => (
          <button
            key={action.name}
            type="button"
            class={index === 0 ? 'button primary' : 'button'}
            disabled={size === 0}
            onClick={() => onAction(action)}
          >
            <Icon name="play" />
            {label(action.label, action.name)}
          </button>
        ))}
        <button type="button" class="button quiet" onClick={() => onSelection(nothing)}>{m.clearSelection}</button>
      </div>
    </section>
  );
}
