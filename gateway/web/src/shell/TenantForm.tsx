// The choice of a tenant: staff give a reason and act in it, partners pick one of their own companies.
import { useState } from 'preact/hooks';
import type { TenantName } from '../api/types';
import { Problem } from '../api/request';
import { formatInteger, msg } from '../i18n/i18n';
import { chooseTenant } from '../session';
import { ProblemNotice } from '../ui/states';

interface Props {
  tenants: readonly TenantName[];
  current: string | null;
  withReason: boolean;
  onDone: () => void;
}

// More than this is not scrolled through but searched.
const SHOWN = 50;

export function TenantForm({ tenants, current, withReason, onDone }: Props) {
  const m = msg.value;
  const [search, setSearch] = useState('');
  const [chosen, setChosen] = useState(current);
  const [reason, setReason] = useState('');
  const [failure, setFailure] = useState<Problem | null>(null);
  const [incomplete, setIncomplete] = useState(false);
  const [busy, setBusy] = useState(false);

  const wanted = search.trim().toLowerCase();
  const matches = tenants.filter((t) => `${t.name} ${t.slug}`.toLowerCase().includes(wanted));

  const submit = async (event: Event) => {
    event.preventDefault();
    const missing = chosen === null || (withReason && reason.trim() === '');
    setIncomplete(missing);
    if (missing) return;
    setBusy(true);
    setFailure(null);
    try {
      await chooseTenant(chosen, withReason ? reason.trim() : null);
      onDone();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFailure(error);
      setBusy(false);
    }
  };

  return (
    <form class="form" noValidate onSubmit={(event) => void submit(event)}>
      {failure && <ProblemNotice problem={failure} />}
      {tenants.length > 8 && (
        <label class="field">
          <span>{m.searchTenants}</span>
          <input type="search" value={search} onInput={(e) => setSearch(e.currentTarget.value)} />
        </label>
      )}
      <fieldset class="options">
        <legend class="visually-hidden">{m.tenant}</legend>
        {matches.slice(0, SHOWN).map((tenant) => (
          <label key={tenant.slug} class="option">
            <input
              type="radio"
              name="tenant"
              checked={tenant.slug === chosen}
              onChange={() => setChosen(tenant.slug)}
            />
            <span>{tenant.name}</span>
            <span class="muted small">{tenant.slug}</span>
          </label>
        ))}
        {matches.length === 0 && <p class="muted">{m.noTenantMatches}</p>}
        {matches.length > SHOWN && <p class="muted small">{m.moreTenants(formatInteger(matches.length - SHOWN))}</p>}
      </fieldset>
      {withReason && (
        <label class="field">
          <span>{m.reason}</span>
          <input
            type="text"
            required
            placeholder={m.reasonHint}
            value={reason}
            aria-invalid={incomplete && reason.trim() === ''}
            onInput={(e) => setReason(e.currentTarget.value)}
          />
        </label>
      )}
      {incomplete && <p class="field-error" role="alert">{chosen === null ? m.chooseTenant : m.fillIn}</p>}
      <div class="form-actions">
        <button type="submit" class="button primary" disabled={busy}>{m.enterTenant}</button>
      </div>
    </form>
  );
}
