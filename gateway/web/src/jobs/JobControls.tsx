// The operator's buttons of a job: pause, resume and cancel, or retry, as its state allows. Whether the actor may use them
// is the caller's concern, and the server's.
import { useState } from 'preact/hooks';
import { Problem, request } from '../api/request';
import type { Job } from '../api/types';
import { msg, problemText } from '../i18n/i18n';
import { call } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/Icon';
import { showToast } from '../ui/toast';
import { dropFromAddress } from '../ui/url';
import { toggleOf } from './job';

/** `onDone` is called when the state is likely to be another one, also after a refusal. */
export function JobControls({ job, onDone }: { job: Job; onDone: () => void }) {
  const m = msg.value;
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const toggle = toggleOf(job.state);

  const send = async (control: 'pause' | 'resume' | 'cancel' | 'retry') => {
    if (busy) return;
    setBusy(true);
    try {
      await request('POST', `/jobs/${job.id}/${control}`);
      if (control === 'retry') {
        // The list of errors begins anew.
        dropFromAddress('cursor');
        showToast(m.jobRetried(job.id));
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showToast(problemText(error));
    } finally {
      setBusy(false);
      setAsking(false);
      onDone();
    }
  };

  if (toggle === null) {
    return !job.can_retry ? null : (
      <>
        <button type="button" class="button" aria-disabled={busy} onClick={() => void send('retry')}>
          <Icon name="refresh" />
          {m.retry}
        </button>
        <CopySql calls={[call('retry_job', { job_id: job.id })]} name={m.retryAsSql} />
      </>
    );
  }
  // A button that is disabled while it works would lose the focus.
  return (
    <>
      <button type="button" class="button" aria-disabled={busy} onClick={() => void send(toggle)}>
        <Icon name={toggle === 'pause' ? 'pause' : 'play'} />
        {toggle === 'pause' ? m.pauseJob : m.resumeJob}
      </button>
      <button type="button" class="button" aria-haspopup="dialog" onClick={() => setAsking(true)}>
        <Icon name="close" />
        {m.cancelJob}
      </button>
      {asking && (
        <Dialog title={m.cancelJobTitle(job.id)} onClose={() => setAsking(false)}>
          <div class="dialog-body"><p>{m.cancelJobText}</p></div>
          <div class="dialog-foot">
            <span class="grow" />
            <button type="button" class="button" onClick={() => setAsking(false)}>{m.keepJob}</button>
            <button type="button" class="button primary" aria-disabled={busy} onClick={() => void send('cancel')}>{m.cancelJob}</button>
          </div>
        </Dialog>
      )}
    </>
  );
}
