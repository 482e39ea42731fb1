// Reads one GET path for a component and, where asked to, reads it again and again:
// not while the page is hidden, and without a body where nothing has changed.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Answer, Problem, request } from './request';

export interface Query<T> {
  /** The last answer; while another path is being read it is the answer of the path before. */
  data: T | undefined;
  problem: Problem | undefined;
  loading: boolean;
  reload: () => void;
}

interface Settled<T> {
  path: string | null;
  data: T | undefined;
  problem: Problem | undefined;
}

/**
 * `every` answers how many milliseconds after an answer to ask again, or null to stop.
 * A null path reads nothing.
 */
export function useQuery<T>(path: string | null, every?: (data: T) => number | null): Query<T> {
  const [settled, setSettled] = useState<Settled<T>>({ path: null, data: undefined, problem: undefined });
  const [turn, setTurn] = useState(0);
  const [loading, setLoading] = useState(false);
  const pace = useRef(every);
  pace.current = every;

  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: Answer<T> | undefined;
    let failures = 0;
    let due = false;

    const ask = async () => {
      due = false;
      try {
        const answer = await request<T>('GET', path, { signal: abort.signal, etag: last?.etag });
        failures = 0;
        if (!answer.unchanged) last = answer;
        setSettled({ path, data: last?.body, problem: undefined });
      } catch (error) {
        if (abort.signal.aborted || !(error instanceof Problem)) return;
        failures += 1;
        setSettled({ path, data: last?.body, problem: error });
      }
      setLoading(false);
      const wait = last === undefined ? null : (pace.current?.(last.body) ?? null);
      // After failures the pace slows down to a sixteenth, so that a server in trouble is left alone.
      if (wait !== null) timer = setTimeout(next, wait * 2 ** Math.min(failures, 4));
    };
    const next = () => {
      if (document.hidden) due = true;
      else void ask();
    };
    const resume = () => {
      if (!document.hidden && due) void ask();
    };

    setLoading(true);
    void ask();
    document.addEventListener('visibilitychange', resume);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', resume);
    };
  }, [path, turn]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { data: settled.data, problem: settled.problem, loading: loading || (path !== null && settled.path !== path), reload };
}
