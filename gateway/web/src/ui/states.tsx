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

export function ProblemView({ problem, onRetry, children }: { problem: Problem; onRetry: () => void; children?: ComponentChildren }) {
  const m = msg.value;
  const denied = problem.status === 403;
  const title = problem.code === 'OFFLINE' ? m.offlineTitle : denied ? m.deniedTitle : m.failedTitle;
  return (
    <div class="state" role="alert">
      <span class="state-icon"><Icon name={denied ? 'eyeOff' : 'warning'} /></span>
      <p class="state-title">{title}</p>
      <ProblemText problem={problem} />
      {!denied && <button type="button" class="button" onClick={onRetry}>{m.retry}</button>}
      {children}
    </div>
  );
}

/** The sentence of a problem, what the server adds to it, and the request id to quote. */
export function ProblemText({ problem }: { problem: Problem }) {
  const text = problemText(problem);
  return (
    <div class="problem-text">
      <p>{text}</p>
      {problem.detail && problem.detail !== text && <p class="muted" lang="en">{problem.detail}</p>}
      {problem.hint && <p class="muted" lang="en">{problem.hint}</p>}
      {problem.instance && (
        <p class="muted small">{problem.code} · {msg.value.requestId(problem.instance)}</p>
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
