// The frame of every screen for somebody signed in: sidebar, or top bar and drawer where it is narrow.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import type { Me, Resource } from '../api/types';
import { msg } from '../i18n/i18n';
import { tenantTurn } from '../session';
import { Icon } from '../ui/Icon';
import { HttpBanner } from './HttpBanner';
import { Sidebar } from './Sidebar';
import { ActingBanner } from './TenantSwitch';
import { Brand } from './Brand';

export function Shell({ me, resources, children }: { me: Me; resources: Resource[]; children: ComponentChildren }) {
  const m = msg.value;
  const [path] = useLocation();
  const drawer = useRef<HTMLDialogElement>(null);

  useEffect(() => {
    drawer.current?.close();
    scrollTo(0, 0);
  }, [path, tenantTurn.value]);

  return (
    <div class="shell">
      <a class="skip-link" href="#content" onClick={(event) => {
        event.preventDefault();
        document.getElementById('content')?.focus();
      }}>
        {m.skipToContent}
      </a>
      <header class="sidebar"><Sidebar me={me} resources={resources} /></header>
      <header class="topbar">
        <button type="button" class="icon-button" aria-label={m.openMenu} onClick={() => drawer.current?.showModal()}>
          <Icon name="menu" />
        </button>
        <Brand />
      </header>
      <dialog ref={drawer} class="drawer" aria-label={m.navigation} onClick={(event) => {
        if (event.target === drawer.current) drawer.current?.close();
      }}>
        <div class="drawer-body">
          <button type="button" class="icon-button drawer-close" aria-label={m.close} onClick={() => drawer.current?.close()}>
            <Icon name="close" />
          </button>
          <Sidebar me={me} resources={resources} />
        </div>
      </dialog>
      <div class="body">
        <HttpBanner />
        <ActingBanner me={me} />
        <main id="content" class="content" tabIndex={-1}>{children}</main>
      </div>
    </div>
  );
}
