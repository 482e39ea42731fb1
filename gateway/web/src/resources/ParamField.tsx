// The input of one parameter, by its type, with its bounds and its error.
import { useId } from 'preact/hooks';
import type { ActionParam } from '../api/types';
import { label, msg } from '../i18n/i18n';
import { isNumber } from './params';

interface Props {
  param: ActionParam;
  text: string;
  error: string | null;
  onText: (text: string) => void;
}

const inputTypes: Partial<Record<ActionParam['type'], string>> = { date: 'date', timestamptz: 'datetime-local' };

export function ParamField({ param, text, error, onText }: Props) {
  const m = msg.value;
  const id = useId();
  const name = label(param.label, param.name);
  if (param.type === 'boolean') {
    return (
      <label class="check-field">
        <input type="checkbox" checked={text === 'true'} onChange={(e) => onText(String(e.currentTarget.checked))} />
        <span>{name}</span>
      </label>
    );
  }
  const common = {
    id,
    name: param.name,
    value: text,
    required: param.required ?? false,
    'aria-invalid': error !== null,
    'aria-describedby': `${id}-hint ${id}-error`,
    onInput: (event: { currentTarget: { value: string } }) => onText(event.currentTarget.value),
  };
  return (
    <div class="field">
      <label for={id}>{name}{!param.required && <span class="muted"> ({m.optional})</span>}</label>
      {param.type === 'jsonb'
        ? <textarea class="mono" rows={4} {...common} />
        : (
          <input
            type={inputTypes[param.type] ?? 'text'}
            autoComplete="off"
            {...(isNumber(param) ? { inputMode: 'decimal' as const } : {})}
            {...common}
          />
        )}
      <span id={`${id}-hint`} class="field-hint">{boundsText(param)}</span>
      <span id={`${id}-error`} class="field-error" role="alert">{error ?? ''}</span>
    </div>
  );
}

function boundsText({ min, max }: ActionParam): string {
  const m = msg.value;
  const low = min === null || min === undefined ? null : String(min);
  const high = max === null || max === undefined ? null : String(max);
  if (low !== null && high !== null) return m.between(low, high);
  if (low !== null) return m.atLeast(low);
  return high === null ? '' : m.atMost(high);
}
