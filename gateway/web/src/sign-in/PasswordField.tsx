// A password input that can be shown, and says when Caps Lock is on.
import { useId, useState } from 'preact/hooks';
import { msg } from '../i18n/i18n';
import { Icon } from '../ui/Icon';

interface Props {
  label: string;
  autoComplete: 'current-password' | 'new-password';
  value: string;
  invalid: boolean;
  onInput: (value: string) => void;
}

export function PasswordField({ label, autoComplete, value, invalid, onInput }: Props) {
  const m = msg.value;
  const id = useId();
  const [shown, setShown] = useState(false);
  const [caps, setCaps] = useState(false);
  // Autofill sends key events without the modifier state.
  const look = (event: KeyboardEvent) => setCaps(event.getModifierState?.('CapsLock') ?? false);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="with-button">
        <input
          id={id}
          type={shown ? 'text' : 'password'}
          name={autoComplete}
          autoComplete={autoComplete}
          autoCapitalize="none"
          spellcheck={false}
          required
          value={value}
          aria-invalid={invalid}
          aria-describedby={`${id}-caps`}
          onInput={(e) => onInput(e.currentTarget.value)}
          onKeyDown={look}
          onKeyUp={look}
          onBlur={() => setCaps(false)}
        />
        <button
          type="button"
          class="icon-button"
          aria-label={shown ? m.hidePassword : m.showPassword}
          onClick={() => setShown(!shown)}
        >
          <Icon name={shown ? 'eyeOff' : 'eye'} />
        </button>
      </div>
      <span id={`${id}-caps`} class="field-hint" role="status">{caps ? m.capsLock : ''}</span>
    </div>
  );
}
