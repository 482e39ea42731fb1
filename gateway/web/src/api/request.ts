// One request to the gateway: JSON in and out, the CSRF token, and every failure as a Problem.
// It knows no screen and keeps nothing but the CSRF token.
import { apiBase } from '../site';

export interface FieldError {
  pointer: string;
  detail: string;
}

/** What went wrong: an RFC 9457 answer, or `OFFLINE` when there was no answer at all. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly detail: string | undefined,
    readonly hint: string | undefined,
    readonly instance: string | undefined,
    readonly errors: readonly FieldError[],
    readonly retryAfter: number | undefined,
  ) {
    super(title);
  }
}

export interface Answer<T> {
  body: T;
  etag: string | undefined;
  unchanged: boolean;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

interface Options {
  body?: unknown;
  etag?: string | undefined;
  signal?: AbortSignal;
}

let csrfToken: string | undefined;
let sessionEnded = () => {};

/** Names the one who wants to know that the server does not know the session any more. */
export function onSessionEnd(handler: () => void): void {
  sessionEnded = handler;
}

/** Sends one request. */
export async function request<T>(method: Method, path: string, options: Options = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: 'application/json, application/problem+json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (options.etag !== undefined) headers['If-None-Match'] = options.etag;
  if (method !== 'GET' && csrfToken !== undefined) headers['X-CSRF-Token'] = csrfToken;

  let response: Response;
  let text: string;
  try {
    response = await fetch(apiBase + path, {
      method,
      headers,
      // The ETag is kept by the caller: the browser's own cache must not turn a 304 into a 200.
      cache: 'no-store',
      credentials: 'same-origin',
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem('OFFLINE', 0, 'offline', undefined, undefined, undefined, [], undefined);
  }

  csrfToken = response.headers.get('X-CSRF-Token') ?? csrfToken;
  if (response.status === 304) {
    return { body: undefined as T, etag: options.etag, unchanged: true };
  }
  if (!response.ok) {
    const problem = problemOf(response, parse(text));
    if (response.status === 401 && path !== '/session') sessionEnded();
    throw problem;
  }
  return {
    body: (text === '' ? undefined : parse(text)) as T,
    etag: response.headers.get('ETag') ?? undefined,
    unchanged: false,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemOf(response: Response, body: unknown): Problem {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : undefined);
  const retry = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new Problem(
    text('code') ?? `HTTP${response.status}`,
    response.status,
    text('title') ?? response.statusText,
    text('detail'),
    text('hint'),
    text('instance'),
    Array.isArray(fields.errors) ? (fields.errors as FieldError[]) : [],
    Number.isFinite(retry) ? retry : undefined,
  );
}

/** Joins a path and its query parameters; empty ones are left out. */
export function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}
