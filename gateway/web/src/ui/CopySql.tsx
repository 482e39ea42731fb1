// Copies the screen as SQL for psql: a transaction as the actor, in the tenant of the session.
import { msg } from '../i18n/i18n';
import { session } from '../session';
import { transaction } from '../sql/sql';
import { CopyText } from './CopyText';

/** `name` is for what does not show the screen but changes something. */
export function CopySql({ calls, name }: { calls: readonly string[]; name?: string }) {
  const m = msg.value;
  const current = session.value;
  if (current.state !== 'in') return null;
  const { me } = current;
  return (
    <CopyText
      text={transaction(me.actor.email, me.tenant?.slug ?? null, calls)}
      icon="sql"
      name={name ?? m.copySql}
      copied={m.sqlCopied}
      title={m.sqlTitle}
      help={m.sqlHelp}
    />
  );
}
