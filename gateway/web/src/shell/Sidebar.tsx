// Navigation, tenant and account. Links that the database would refuse are left out.
import { useId } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import type { Me, Resource } from '../api/types';
import { label, msg, problemText, timeZoneName } from '../i18n/i18n';
import { Problem } from '../api/request';
import { can, signOut } from '../session';
import { Icon, type IconName } from '../ui/Icon';
import { Preferences } from '../ui/Preferences';
import { showToast } from '../ui/toast';
import { Brand } from './Brand';
import { TenantSwitch } from './TenantSwitch';

export function Sidebar({ me, resources }: { me: Me; resources: Resource[] }) {
  const m = msg.value;
  return (
    <>
      <div class="sidebar-head"><Brand /></div>
      <TenantSwitch me={me} />
      <p class="zone muted small">{m.timesIn(timeZoneName())}</p>
      <nav class="nav" aria-label={m.navigation}>
        <NavLink href="/" icon="dashboard" text={m.dashboard} />
        {resources.length > 0 && <p class="nav-group">{m.data}</p>}
        {resources.map((resource) => (
          <NavLink
            key={resource.name}
            href={`/resources/${encodeURIComponent(resource.name)}`}
            icon="box"
            text={label(resource.label, resource.name)}
          />
        ))}
        <p class="nav-group">{m.operations}</p>
        <NavLink href="/jobs" icon="jobs" text={m.jobs} />
        {can(me, 'audit:read') && <NavLink href="/audit" icon="audit" text={m.audit} />}
        {me.site === 'internal' && can(me, 'health:read') && <NavLink href="/findings" icon="shield" text={m.findings} />}
      </nav>
      <Account me={me} />
    </>
  );
}

function NavLink({ href, icon, text }: { href: string; icon: IconName; text: string }) {
  const [path] = useLocation();
  const here = href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`);
  return (
    <Link href={href} class="nav-link" {...(here ? { 'aria-current': 'page' as const } : {})}>
      <Icon name={icon} />
      <span class="ellipsis">{text}</span>
    </Link>
  );
}

function Account({ me }: { me: Me }) {
  const m = msg.value;
  const id = useId();
  const leave = async () => {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showToast(problemText(error));
    }
  };
  return (
    <div class="account">
      <button type="button" class="account-button" {...{ popovertarget: id }}>
        <span class="avatar" aria-hidden="true">{[...me.actor.display_name][0] ?? '?'}</span>
        <span class="account-name">
          <span class="visually-hidden">{m.account}</span>
          <span class="ellipsis">{me.actor.display_name}</span>
          <span class="ellipsis muted small">{me.actor.email}</span>
        </span>
        <Icon name="upDown" />
      </button>
      <div id={id} class="account-menu" popover="auto">
        <p class="ellipsis">{me.actor.email}</p>
        <Preferences />
        <button type="button" class="button" onClick={() => void leave()}>{m.signOut}</button>
      </div>
    </div>
  );
}
