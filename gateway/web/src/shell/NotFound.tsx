// An address that leads nowhere, or to a resource that is not shared with this person.
import { Link } from 'wouter-preact';
import { msg } from '../i18n/i18n';
import { Page } from '../ui/Page';
import { Empty } from '../ui/states';

export function NotFound() {
  const m = msg.value;
  return (
    <Page title={m.notFoundTitle}>
      <Empty title={m.notFoundText}>
        <Link href="/" class="button">{m.toDashboard}</Link>
      </Empty>
    </Page>
  );
}
