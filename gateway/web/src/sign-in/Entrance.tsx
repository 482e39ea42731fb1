// The frame of the screens before the shell: which site this is, one card, language and theme.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { msg } from '../i18n/i18n';
import { site } from '../site';
import { HttpBanner } from '../shell/HttpBanner';
import { Preferences } from '../ui/Preferences';

export function Entrance({ title, lead, children }: { title: string; lead?: string; children: ComponentChildren }) {
  const m = msg.value;
  const siteName = site === 'partner' ? m.sitePartner : m.siteInternal;
  useEffect(() => {
    document.title = `${title} · ${siteName} · ${m.product}`;
  }, [title, siteName, m]);
  return (
    <div class="entrance">
      <HttpBanner />
      <main class="entrance-main">
        <div class="entrance-card">
          <p class="brand">
            <span class="brand-mark" aria-hidden="true" />
            {m.product}
            <span class="site-chip">{siteName}</span>
          </p>
          <h1>{title}</h1>
          <p class="muted">{lead ?? m.signInLead[site]}</p>
          {children}
        </div>
        <Preferences />
      </main>
    </div>
  );
}
