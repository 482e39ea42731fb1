// Who is signed in, and what the registry shows to that person. It mirrors GET /me and GET /resources;
// permissions are used only to leave out what the database would refuse anyway.
import { signal } from '@preact/signals';
import { withColumnTypes } from './api/column-type';
import { permits } from './api/permits';
import { onSessionEnd, Problem, request } from './api/request';
import type { Me, Resource } from './api/types';
import { chooseTimeZone } from './i18n/i18n';
import { base } from './site';
import { dropFromAddress } from './ui/url';

export type Session =
  | { state: 'unknown' }
  | { state: 'failed'; problem: Problem }
  | { state: 'out'; expired: boolean }
  | { state: 'in'; me: Me; resources: Resource[] };

export const session = signal<Session>({ state: 'unknown' });

/** Counts the changes of tenant: what was read before belongs to another tenant. */
export const tenantTurn = signal(0);

// The session and its tenant belong to all tabs of the site: one that went on showing what another tab has left would
// do things as somebody, or in a tenant, that it does not show.
const tabs = new BroadcastChannel(`opsadmin${base}`);
tabs.onmessage = () => {
  if (session.value.state !== 'in') return;
  dropFromAddress('cursor');
  session.value = { state: 'unknown' };
};

export async function loadSession(): Promise<void> {
  try {
    const me = (await request<Me>('GET', '/me')).body;
    const resources = needsTenant(me)
      ? []
      : (await request<{ resources: Resource[] }>('GET', '/resources')).body.resources.map(withColumnTypes);
    chooseTimeZone(me.tenant?.time_zone);
    session.value = { state: 'in', me, resources };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    session.value = error.status === 401 ? { state: 'out', expired: false } : { state: 'failed', problem: error };
  }
}

export async function signIn(email: string, password: string): Promise<void> {
  await request('POST', '/session', { body: { email, password } });
  tabs.postMessage(null);
  await loadSession();
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/session');
  tabs.postMessage(null);
  session.value = { state: 'out', expired: false };
}

export async function chooseTenant(tenant: string | null, reason: string | null): Promise<void> {
  await request('PUT', '/session/tenant', { body: { tenant, reason } });
  tabs.postMessage(null);
  await loadSession();
  // A cursor belongs to the rows of the tenant before.
  dropFromAddress('cursor');
  tenantTurn.value += 1;
}

// Whoever was signed in comes back to the same address after signing in again.
onSessionEnd(() => {
  if (session.value.state === 'in') session.value = { state: 'out', expired: true };
});

/** On the partner site nothing can be read before a tenant is chosen. */
export function needsTenant(me: Me): boolean {
  return me.site === 'partner' && me.tenant === null;
}

export function can(me: Me, permission: string): boolean {
  return permits(me.permissions, permission);
}
