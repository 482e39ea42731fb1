// A quiet line when the connection is not encrypted; it can be dismissed until the next load.
import { signal } from '@preact/signals';
import { msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';

const shown = signal(location.protocol === 'http:');

export function HttpBanner() {
  if (!shown.value) return null;
  const dismiss = () => {
    shown.value = false;
  };
  return (
    <aside class="banner quiet" aria-label={msg.value.connection}>
      <Icon name="lockOpen" />
      <span>{msg.value.plainHttp}</span>
      <button type="button" class="icon-button" aria-label={msg.value.dismiss} onClick={dismiss}>
        <Icon name="close" />
      </button>
    </aside>
  );
}
