// Short messages at the edge of the screen, read out politely. They hold nothing that is not also elsewhere.
import { signal } from '@preact/signals';
import { msg } from '../i18n/i18n';
import { Icon } from './Icon';

interface Toast {
  id: number;
  text: string;
}

const toasts = signal<Toast[]>([]);
let last = 0;

export function showToast(text: string): void {
  const id = ++last;
  toasts.value = [...toasts.value.filter((toast) => toast.text !== text), { id, text }];
  setTimeout(() => drop(id), 8000);
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div class="toast" key={toast.id}>
          <Icon name="check" />
          <span>{toast.text}</span>
          <button type="button" class="icon-button" aria-label={msg.value.dismiss} onClick={() => drop(toast.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
