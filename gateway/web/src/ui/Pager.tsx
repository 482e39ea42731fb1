// Previous and Next over cursors. The cursor of the page shown is in the URL; the way back is in the
// history entry, so the browser's own Back and a reload both keep it. A list that answers cursors to both sides gives
// `prev`, and needs none.
import { useRef } from 'preact/hooks';
import { useHistoryState } from 'wouter-preact/use-browser-location';
import { useLocation } from 'wouter-preact';
import { formatInteger, msg } from '../i18n/i18n';
import { Icon } from './Icon';
import { address, useQueryParams } from './url';

interface Trail {
  back: string[];
}

export function Pager({ next, prev, busy }: { next: string | null; prev?: string | null; busy: boolean }) {
  const [path, navigate] = useLocation();
  const query = useQueryParams();
  const cursor = query.get('cursor') ?? '';
  const back = useHistoryState<Trail | null>()?.back ?? [];
  const nav = useRef<HTMLElement>(null);
  const m = msg.value;

  const go = (to: string, trail: string[]) => {
    const params = new URLSearchParams(query);
    if (to === '') params.delete('cursor');
    else params.set('cursor', to);
    navigate(address(path, params), { state: { back: trail } });
    // Another page is read from its beginning.
    nav.current?.closest('section, main')?.scrollIntoView();
  };
  // A link to a later page carries no way back: then Previous leads to the beginning.
  const lost = cursor !== '' && back.length === 0 && !prev;
  if (cursor === '' && next === null) return null;
  const first = cursor === '';
  const last = next === null || busy;
  // A button that were disabled would lose the focus.
  return (
    <nav ref={nav} class="pager" aria-label={m.pages}>
      <button
        type="button"
        class="button"
        aria-disabled={first}
        onClick={() => !first && go(prev ?? back.at(-1) ?? '', back.slice(0, -1))}
      >
        <Icon name="chevronLeft" />
        {lost ? m.firstPage : m.previous}
      </button>
      {(cursor === '' || back.length > 0) && !prev && <span class="muted">{m.pageNumber(formatInteger(back.length + 1))}</span>}
      <button
        type="button"
        class="button"
        aria-disabled={last}
        onClick={() => !last && go(next, [...back, cursor])}
      >
        {m.next}
        <Icon name="chevronRight" />
      </button>
    </nav>
  );
}
