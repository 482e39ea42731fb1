// The name of the product and of the site.
import { msg } from '../i18n/i18n';
import { site } from '../site';

export function Brand() {
  const m = msg.value;
  return (
    <span class="brand">
      <span class="brand-mark" aria-hidden="true" />
      {m.product}
      <span class="site-chip">{site === 'partner' ? m.sitePartner : m.siteInternal}</span>
    </span>
  );
}
