// A button that copies a text. Without a clipboard (plain http on another host) it shows the text instead.
import { useState } from 'preact/hooks';
import { Dialog } from './Dialog';
import { Icon, type IconName } from './Icon';
import { showToast } from './toast';

interface Props {
  text: string;
  icon: IconName;
  name: string;
  /** The accessible name, where several buttons would have the same; it begins with `name`. */
  label?: string;
  /** What the toast says. */
  copied: string;
  /** Title and instruction of the dialog that shows the text. */
  title: string;
  help: string;
}

export function CopyText({ text, icon, name, label, copied, title, help }: Props) {
  const [shown, setShown] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      showToast(copied);
    } catch {
      setShown(true);
    }
  };
  return (
    <>
      <button type="button" class="button quiet" {...(label ? { 'aria-label': label } : {})} onClick={() => void copy()}>
        <Icon name={icon} />
        {name}
      </button>
      {shown && (
        <Dialog title={title} onClose={() => setShown(false)} wide>
          <div class="dialog-body">
            <label class="field">
              <span>{help}</span>
              <textarea class="mono" rows={8} readOnly value={text} onFocus={(e) => e.currentTarget.select()} />
            </label>
          </div>
        </Dialog>
      )}
    </>
  );
}
