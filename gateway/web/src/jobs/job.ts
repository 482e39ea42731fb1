// What can be said of a job without drawing it. Pure.
import type { Job, JobState } from '../api/types';

/** These states change by themselves; the others wait for somebody or are final. */
export function isActive(state: JobState): boolean {
  return state === 'PENDING' || state === 'PLANNING' || state === 'RUNNING';
}

/** What can be done with a job besides cancelling it; null when neither can. */
export function toggleOf(state: JobState): 'pause' | 'resume' | null {
  if (state === 'PAUSED') return 'resume';
  return isActive(state) ? 'pause' : null;
}

/** The primary key of a row: its value, or each column with its value when there are several. */
export function keyText(key: Readonly<Record<string, string>>): string {
  const columns = Object.entries(key);
  return columns.map(([column, value]) => (columns.length === 1 ? value : `${column} = ${value}`)).join(', ');
}

/** The share that is done, from 0 to 1; null while the total is not known. */
export function shareDone(job: Pick<Job, 'state' | 'total' | 'processed'>): number | null {
  if (job.state === 'DONE') return 1;
  if (job.total === null) return null;
  return job.total === 0 ? 0 : Math.min(1, job.processed / job.total);
}

/** Milliseconds until the job is expected to end, or how long it took. */
export function timeLeft(job: Pick<Job, 'state' | 'eta'>, now: number): number | null {
  return isActive(job.state) && job.eta !== null ? Math.max(0, Date.parse(job.eta) - now) : null;
}

export function timeTaken(job: Pick<Job, 'started_at' | 'finished_at'>): number | null {
  return job.started_at !== null && job.finished_at !== null
    ? Date.parse(job.finished_at) - Date.parse(job.started_at)
    : null;
}
