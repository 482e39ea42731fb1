// How serious a finding is, told by word, shape and colour.
import { msg } from '../i18n/i18n';
import type { Level } from './finding';

const shapes: Record<Level, string> = {
  error: 'M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  warning: 'M8 2.5l6 10.8H2zM8 6.6v3M8 11.4v.1',
};

export function LevelChip({ level }: { level: Level }) {
  return (
    <span class={`level ${level}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" class="icon" aria-hidden="true" focusable="false">
        <path d={shapes[level]} />
      </svg>
      {msg.value.levels[level]}
    </span>
  );
}
