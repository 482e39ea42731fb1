// Copies the screen as SQL for psql. Without a clipboard (plain http on another host) it shows the text instead.
import { useState } from 'preact/hooks';
import { msg } from '../i18n/i18n';
import { session } from '../session';
import { transaction } from '../sql/sql';
import { Dialog } from './Dialog';
import { Icon } from './Icon';
import { showToast } from './toast';

export function CopySql({ calls }: { calls: readonly string[] }) {
  const [shown, setShown] = useState<string | null>(null);
  const current = session.value;
  if (current.state !== 'in') return null;
  const { me } = current;
  const copy = async () => {
    const text = transaction(me.actor.email, me.tenant?.slug ?? null, calls);
    try {
      await navigator.clipboard.writeText(text);
      showToast(msg.value.sqlCopied);
    } catch {
      setShown(text);
    }
  };
  return (
    <>
      <button type="button" class="button quiet" onClick={() => void copy()}>
        <Icon name="sql" />
        {msg.value.copySql}
      </button>
      {shown !== null && (
        <Dialog title={msg.value.sqlTitle} onClose={() => setShown(null)} wide>
          <div class="dialog-body">
            <label class="field">
              <span>{msg.value.sqlHelp}</span>
              <textarea class="mono" rows={8} readOnly value={shown} onFocus={(e) => e.currentTarget.select()} />
            </label>
          </div>
        </Dialog>
      )}
    </>
  );
}
