// The choice of days: so many up to today, or any range by two dates.
import { useState } from 'preact/hooks';
import { msg } from '../i18n/i18n';
import { Segments } from '../ui/Preferences';
import { presets, type Range } from './kpi';

interface Props {
  range: Range;
  /** The days that are shown now: where a range of one's own begins. */
  first: string;
  last: string;
  onChoose: (range: Range) => void;
}

export function RangePicker({ range, first, last, onChoose }: Props) {
  const m = msg.value;
  const custom = 'from' in range;
  const [open, setOpen] = useState(false);
  const choose = (next: Range) => {
    setOpen(false);
    onChoose(next);
  };
  return (
    <div class="range-picker">
      <Segments
        label={m.range}
        options={[...presets.map((days) => ({ value: String(days), text: m.days(days) })), { value: 'custom', text: m.customRange }]}
        value={custom || open ? 'custom' : String(range.days)}
        onChoose={(value) => (value === 'custom' ? setOpen(true) : choose({ days: Number(value) }))}
      />
      {(custom || open) && <Dates key={`${first} ${last}`} first={first} last={last} onChoose={choose} />}
    </div>
  );
}

function Dates({ first, last, onChoose }: Pick<Props, 'first' | 'last' | 'onChoose'>) {
  const m = msg.value;
  const [from, setFrom] = useState(first);
  const [to, setTo] = useState(last);
  return (
    <form
      class="range-dates"
      onSubmit={(event) => {
        event.preventDefault();
        onChoose({ from, to });
      }}
    >
      <label><span>{m.firstDay}</span><input type="date" required value={from} max={to} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
      <label><span>{m.lastDay}</span><input type="date" required value={to} min={from} onInput={(e) => setTo(e.currentTarget.value)} /></label>
      <button type="submit" class="button">{m.applyFilter}</button>
    </form>
  );
}
