// Accepting an invitation: the single-use token is in the fragment, which browsers never send; it leaves the
// address bar at once.
import { useEffect, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { Problem, request } from '../api/request';
import { msg } from '../i18n/i18n';
import { Entrance } from '../sign-in/Entrance';
import { PasswordField } from '../sign-in/PasswordField';
import { ProblemNotice } from '../ui/states';

export function Invitation() {
  const m = msg.value;
  const [token] = useState(() => location.hash.slice(1));
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [failure, setFailure] = useState<string | Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);

  useEffect(() => {
    if (location.hash !== '') history.replaceState(history.state, '', location.pathname);
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (password === '') return setFailure(m.fillIn);
    if (password !== again) return setFailure(m.passwordsDiffer);
    setBusy(true);
    setFailure(null);
    try {
      await request('POST', '/invitation', { body: { token, password } });
      setDone(true);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Entrance title={m.invitationTitle} lead={m.invitationLead}>
      {done ? (
        <>
          <p class="notice good" role="status">{m.passwordSaved}</p>
          <Link href="/sign-in" class="button primary large">{m.signIn}</Link>
        </>
      ) : token === '' ? (
        <p class="notice bad" role="alert">{m.invitationIncomplete}</p>
      ) : (
        <form class="form" noValidate onSubmit={(event) => void submit(event)}>
          {failure instanceof Problem && <ProblemNotice problem={failure} />}
          {typeof failure === 'string' && <p class="notice bad" role="alert">{failure}</p>}
          <PasswordField
            label={m.newPassword}
            autoComplete="new-password"
            value={password}
            invalid={failure !== null}
            onInput={setPassword}
          />
          <PasswordField
            label={m.repeatPassword}
            autoComplete="new-password"
            value={again}
            invalid={failure === m.passwordsDiffer}
            onInput={setAgain}
          />
          <button type="submit" class="button primary large" disabled={busy}>{m.savePassword}</button>
        </form>
      )}
    </Entrance>
  );
}
