// A partner with several memberships and no choice yet: nothing can be shown before the choice.
import type { Me } from '../api/types';
import { msg } from '../i18n/i18n';
import { Entrance } from '../sign-in/Entrance';
import { TenantForm } from './TenantForm';

export function ChooseTenant({ me }: { me: Me }) {
  return (
    <Entrance title={msg.value.chooseTenant} lead={msg.value.chooseTenantLead}>
      <TenantForm tenants={me.tenants} current={null} withReason={false} onDone={() => undefined} />
    </Entrance>
  );
}
