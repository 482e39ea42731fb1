// The state of a job, told by word, shape and colour.
import type { JobState } from '../api/types';
import { msg } from '../i18n/i18n';

const shapes: Record<JobState, string> = {
  PENDING: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3',
  PLANNING: 'M3.5 5h9M3.5 8h6M3.5 11h3',
  RUNNING: 'M8 3a5 5 0 0 1 0 10M8 3v10M8 3a5 5 0 0 0 0 10',
  PAUSED: 'M6 4v8M10 4v8',
  DONE: 'M3.5 8.5l3 3 6-7',
  FAILED: 'M8 2.8l5.8 10.2H2.2zM8 6.8v2.8M8 11.2v.1',
  CANCELLED: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3M4.5 11.5l7-7',
};

export function JobStateChip({ state }: { state: JobState }) {
  return (
    <span class={`job-state ${state.toLowerCase()}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" class="icon" aria-hidden="true" focusable="false">
        <path d={shapes[state]} />
        {state === 'RUNNING' && <path class="fill" d="M8 3a5 5 0 0 1 0 10z" />}
      </svg>
      {msg.value.states[state]}
    </span>
  );
}
