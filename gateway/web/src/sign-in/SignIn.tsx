// The sign-in screen of a site. Afterwards it leads back to the address that asked for it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { Problem } from '../api/request';
import { formatInteger, msg, problemText } from '../i18n/i18n';
import { session, signIn } from '../session';
import { Entrance } from './Entrance';
import { safeNext } from './next';
import { useQueryParams } from '../ui/url';
import { PasswordField } from './PasswordField';

export function SignIn() {
  const m = msg.value;
  const [, navigate] = useLocation();
  const next = safeNext(useQueryParams().get('next'));
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [incomplete, setIncomplete] = useState(false);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const current = session.value;

  useEffect(() => {
    if (current.state === 'in') navigate(next, { replace: true });
    else if (current.state === 'failed') setProblem(current.problem);
  }, [current]);

  const submit = async (event: Event) => {
    event.preventDefault();
    setIncomplete(email === '' || password === '');
    setProblem(null);
    if (email === '' || password === '') return toField(email === '' ? 'email' : 'current-password');
    setBusy(true);
    try {
      await signIn(email, password);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      setPassword('');
      toField('current-password');
    } finally {
      setBusy(false);
    }
  };

  // Where the next try begins: the button that was pressed was disabled meanwhile and has lost the focus.
  const toField = (name: string) => form.current?.querySelector<HTMLInputElement>(`[name=${name}]`)?.focus();

  return (
    <Entrance title={m.signIn}>
      {current.state === 'out' && current.expired && !problem && <p class="notice">{m.sessionExpired}</p>}
      <form ref={form} class="form" noValidate onSubmit={(event) => void submit(event)}>
        {problem && (
          <div class="notice bad" role="alert">
            <p>
              {problemText(problem)}
              {problem.retryAfter !== undefined && ` ${m.retryIn(formatInteger(problem.retryAfter))}`}
            </p>
          </div>
        )}
        {incomplete && <p class="notice bad" role="alert">{m.fillIn}</p>}
        <label class="field">
          <span>{m.email}</span>
          <input
            type="email"
            name="email"
            autoComplete="username"
            autoCapitalize="none"
            spellcheck={false}
            autoFocus
            required
            value={email}
            aria-invalid={incomplete && email === ''}
            onInput={(e) => setEmail(e.currentTarget.value.trim())}
          />
        </label>
        <PasswordField
          label={m.password}
          autoComplete="current-password"
          value={password}
          invalid={incomplete && password === ''}
          onInput={setPassword}
        />
        <button type="submit" class="button primary large" disabled={busy}>{busy ? m.signingIn : m.signIn}</button>
      </form>
    </Entrance>
  );
}
