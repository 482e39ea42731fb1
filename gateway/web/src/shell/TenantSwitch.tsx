// Which tenant this session works in, and the way to another one.
import { useState } from 'preact/hooks';
import type { Me } from '../api/types';
import { Problem } from '../api/request';
import { msg, problemText } from '../i18n/i18n';
import { chooseTenant } from '../session';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/Icon';
import { showToast } from '../ui/toast';
import { TenantForm } from './TenantForm';

export function TenantSwitch({ me }: { me: Me }) {
  const m = msg.value;
  const [open, setOpen] = useState(false);
  const internal = me.site === 'internal';
  const name = me.tenant?.name ?? m.allTenants;
  if (!internal && me.tenants.length < 2) {
    return <p class="tenant-name"><Icon name="tenant" /><span class="ellipsis">{name}</span></p>;
  }
  return (
    <>
      <button type="button" class="tenant-button" aria-label={m.tenantSwitch(name)} aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <Icon name="tenant" />
        <span class="ellipsis">{name}</span>
        <Icon name="upDown" />
      </button>
      {open && (
        <Dialog title={internal ? m.actInTenant : m.chooseTenant} onClose={() => setOpen(false)}>
          <div class="dialog-body">
            <p class="muted">{internal ? m.actInTenantLead : m.chooseTenantLead}</p>
            <TenantForm
              tenants={me.tenants}
              current={me.tenant?.slug ?? null}
              withReason={internal}
              onDone={() => setOpen(false)}
            />
          </div>
        </Dialog>
      )}
    </>
  );
}

/** While staff act in a tenant this stays in view, with the way out. */
export function ActingBanner({ me }: { me: Me }) {
  const m = msg.value;
  const [busy, setBusy] = useState(false);
  if (me.site !== 'internal' || me.tenant === null) return null;
  const leave = async () => {
    setBusy(true);
    try {
      await chooseTenant(null, null);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showToast(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <aside class="banner acting" aria-label={m.tenant}>
      <Icon name="tenant" />
      <span><strong>{m.actingIn(me.tenant.name)}</strong> {me.tenant.suspended && m.suspendedNote} {m.actingNote}</span>
      <button type="button" class="button small" disabled={busy} onClick={() => void leave()}>{m.leaveTenant}</button>
    </aside>
  );
}
