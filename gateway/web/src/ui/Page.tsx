// The frame of a screen: its heading takes the focus after a change of route, and names the browser's tab.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { msg } from '../i18n/i18n';
import { site } from '../site';

interface Props {
  title: string;
  aside?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

// The first screen after a load leaves the focus to the browser.
let visited = false;

export function Page({ title, aside, actions, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const m = msg.value;
  useEffect(() => {
    document.title = `${title} · ${site === 'partner' ? m.sitePartner : m.siteInternal} · ${m.product}`;
  }, [title, m]);
  useEffect(() => {
    if (visited) heading.current?.focus();
    visited = true;
  }, []);
  return (
    <>
      <header class="page-head">
        <h1 ref={heading} tabIndex={-1}>{title}</h1>
        {aside && <div class="page-aside">{aside}</div>}
        {actions && <div class="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}
