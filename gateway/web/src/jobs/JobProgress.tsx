// The progress of a job as a bar and as words.
import type { Job } from '../api/types';
import { formatInteger, formatPercent, msg } from '../i18n/i18n';
import { shareDone } from './job';

export function JobProgress({ job, large }: { job: Job; large?: boolean }) {
  const m = msg.value;
  const share = shareDone(job);
  const percent = share === null ? '' : formatPercent(Math.floor(share * 100) / 100);
  const counted = job.total === null
    ? formatInteger(job.processed)
    : m.progressOf(formatInteger(job.processed), formatInteger(job.total));
  return (
    <div class={`job-progress ${job.state.toLowerCase()}${large ? ' large' : ''}`}>
      <progress
        aria-label={`${m.progress}, ${m.job(job.id)}`}
        max={1}
        {...(share === null ? {} : { value: share })}
      >
        {percent}
      </progress>
      <span class="number">{percent}</span>
      <span class="muted number">{counted}</span>
    </div>
  );
}
