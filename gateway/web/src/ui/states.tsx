// What a screen shows when it has no data to show: loading, empty, or a problem with its remedy.
import type { ComponentChildren } from 'preact';
import type { Problem } from '../api/request';
import { msg, problemText } from '../i18n/i18n';
import { Icon } from './Icon';

export function Skeleton({ lines }: { lines: number }) {
  return (
    <div class="skeleton" role="status">
      <span class="visually-hidden">{msg.value.loading}</span>
      {Array.from({ length: lines }, (_, i) => <div class="skeleton-line" key={i} aria-hidden="true" />)}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state">
      <p class="state-title">{title}</p>
      {children}
    </div>
  );
}

interface ProblemProps {
  problem: Problem;
  onRetry: () => void;
  /** Of a list with pages: the way out where the address holds a page that there is no longer. */
  onFirstPage?: () => void;
  /** What else mends it. */
  children?: ComponentChildren;
}

export function ProblemView({ problem, onRetry, onFirstPage, children }: ProblemProps) {
  const m = msg.value;
  const { status } = problem;
  const title = problem.code === 'OFFLINE' ? m.offlineTitle : status === 403 ? m.deniedTitle : status === 404 ? m.absentTitle : m.failedTitle;
  // What is denied, absent or wrongly asked for stays so.
  const mayPass = status === 0 || status === 409 || status === 429 || status >= 500;
  return (
    <div class="state" role="alert">
      <span class="state-icon"><Icon name={status === 403 ? 'eyeOff' : 'warning'} /></span>
      <p class="state-title">{title}</p>
      <ProblemText problem={problem} />
      {mayPass && <button type="button" class="button" onClick={onRetry}>{m.retry}</button>}
      {onFirstPage && problem.code === 'OA424' && <button type="button" class="button" onClick={onFirstPage}>{m.firstPage}</button>}
      {children}
    </div>
  );
}

/**
 * The sentence of a problem; behind a button what the server adds to it for whoever calls it by SQL, and the request id to
 * quote. Of what was wrong in the request the server knows more than our sentence: that is open.
 */
export function ProblemText({ problem }: { problem: Problem }) {
  const text = problemText(problem);
  const detail = problem.detail !== text && problem.detail;
  return (
    <div class="problem-text">
      <p>{text}</p>
      {(detail || problem.hint || problem.instance) && (
        <details class="small" open={problem.status === 422}>
          <summary>{msg.value.details}</summary>
          {detail && <p lang="en">{detail}</p>}
          {problem.hint && <p lang="en">{problem.hint}</p>}
          {problem.instance && <p>{problem.code} · {msg.value.requestId(problem.instance)}</p>}
        </details>
      )}
    </div>
  );
}

/** An inline problem above content that is still there, such as a form or the last answer. */
export function ProblemNotice({ problem, title }: { problem: Problem; title?: string }) {
  return (
    <div class="notice bad" role="alert">
      <Icon name="warning" />
      <div>
        {title && <p><strong>{title}</strong></p>}
        <ProblemText problem={problem} />
      </div>
    </div>
  );
}
