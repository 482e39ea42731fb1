// Moments as the wall clock of a time zone shows them, for fields of type datetime-local. Pure. Without a zone it is the browser's.

/** The wall clock at a moment, in milliseconds as if it were that of UTC. */
function wallClock(moment: number, zone: string | undefined): number {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
  }).formatToParts(moment);
  const part = (type: string) => Number(parts.find((p) => p.type === type)?.value);
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) + (((moment % 1000) + 1000) % 1000);
}

/** A moment as the field has it; empty for what is no moment. */
export function toField(iso: string | undefined, zone: string | undefined): string {
  const moment = Date.parse(iso ?? '');
  if (Number.isNaN(moment)) return '';
  // As browsers write it, without seconds that are zero: another text would be set while somebody types.
  return new Date(wallClock(moment, zone)).toISOString().slice(0, 19).replace(/:00$/, '');
}

/** The moment that a field names; empty for what is none. Where clocks are turned back it is one of the two, and where they skip an hour one beside it. */
export function fromField(text: string, zone: string | undefined): string {
  const wall = Date.parse(`${text}Z`);
  if (Number.isNaN(wall)) return '';
  const near = wall - (wallClock(wall, zone) - wall);
  return new Date(wall - (wallClock(near, zone) - near)).toISOString();
}

/** Whether this browser knows a zone by its name. */
export function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
