// How much more or less a value is than another: a direction and a percentage. Whether more is better is not for the page to
// say, so there is no colour; nothing is shown where there was nothing before.
import { formatPercent, msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';

/** Beyond this there was next to nothing before, and the digits say nothing. */
const MOST = 9.99;

export function Change({ change }: { change: string | null }) {
  const m = msg.value;
  if (change === null) return null;
  const size = Math.abs(Number(change));
  const percent = size < MOST ? formatPercent(size) : `>${formatPercent(MOST)}`;
  const rounded = Math.round(Number(change) * 100);
  return (
    <span class="change-chip">
      <Icon name={rounded === 0 ? 'same' : rounded > 0 ? 'up' : 'down'} />
      <span aria-hidden="true">{percent}</span>
      <span class="visually-hidden">{rounded === 0 ? m.change.same : rounded > 0 ? m.change.up(percent) : m.change.down(percent)}</span>
    </span>
  );
}
