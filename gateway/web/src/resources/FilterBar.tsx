// Search and filters of a list. It only reports what was typed; the list keeps its state in the URL.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Column, ColumnType, Resource } from '../api/types';
import { formatDateTime, formatDecimal, label, msg, timeZone } from '../i18n/i18n';
import { fromField } from '../i18n/zone';
import { Icon } from '../ui/Icon';
import { type Condition, fits, type Op, opsOf, plain } from './list-state';

interface Props {
  resource: Resource;
  search: string;
  conditions: readonly Condition[];
  onSearch: (search: string) => void;
  onConditions: (conditions: Condition[]) => void;
}

const DEBOUNCE = 300;

export function FilterBar({ resource, search, conditions, onSearch, onConditions }: Props) {
  const m = msg.value;
  const [open, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const columns = resource.columns.filter((column) => column.filter);
  const close = () => {
    setOpen(false);
    toggle.current?.focus();
  };
  return (
    <div class="filter-bar">
      <div class="toolbar">
        {resource.columns.some((column) => column.search) && (
          <SearchBox name={label(resource.label, resource.name)} value={search} onChange={onSearch} />
        )}
        {columns.length > 0 && (
          <button ref={toggle} type="button" class="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            <Icon name="filter" />
            {m.addFilter}
          </button>
        )}
        {conditions.map((condition, index) => {
          const text = conditionText(condition, columns);
          return (
            <button
              key={`${index} ${text}`}
              type="button"
              class="chip"
              aria-label={m.removeFilter(text)}
              onClick={() => onConditions(conditions.filter((_, i) => i !== index))}
            >
              {text}
              <Icon name="close" />
            </button>
          );
        })}
        {conditions.length > 1 && (
          <button type="button" class="button quiet" onClick={() => onConditions([])}>{m.clearFilters}</button>
        )}
      </div>
      {open && (
        <FilterForm
          columns={columns}
          onApply={(condition) => {
            onConditions([...conditions, condition]);
            close();
          }}
          onClose={close}
        />
      )}
    </div>
  );
}

function SearchBox({ name, value, onChange }: { name: string; value: string; onChange: (value: string) => void }) {
  const m = msg.value;
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    // The URL changed by another way than typing here, such as Back.
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return undefined;
    const timer = setTimeout(() => {
      sent.current = text;
      onChange(text);
    }, DEBOUNCE);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="search-box">
      <span class="visually-hidden">{m.searchIn(name)}</span>
      <Icon name="search" />
      <input type="search" maxLength={200} placeholder={m.search} value={text} onInput={(e) => setText(e.currentTarget.value)} />
    </label>
  );
}

interface FormProps {
  columns: readonly Column[];
  onApply: (condition: Condition) => void;
  onClose: () => void;
}

function FilterForm({ columns, onApply, onClose }: FormProps) {
  const m = msg.value;
  const first = useRef<HTMLSelectElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const errorId = useId();
  const [columnName, setColumnName] = useState(columns[0]?.name ?? '');
  const column = columns.find((c) => c.name === columnName) ?? columns[0];
  const [chosenOp, setOp] = useState<Op | null>(null);
  const [value, setValue] = useState('');
  const [wrong, setWrong] = useState(false);
  useEffect(() => first.current?.focus(), []);
  if (!column) return null;

  const ops = opsOf(column.type);
  const op = chosenOp !== null && ops.includes(chosenOp) ? chosenOp : ops[0] ?? '=';
  const boolean = column.type === 'boolean';
  const entered = boolean && value === '' ? 'true' : plain(value, column.type);

  const submit = (event: Event) => {
    event.preventDefault();
    const ok = op === 'is_null' || fits(entered, column.type);
    setWrong(!ok);
    if (!ok) return input.current?.focus();
    // A date and time becomes a moment, so that the link means the same to everybody.
    const stored = column.type === 'timestamptz' && op !== 'is_null' ? fromField(entered, timeZone.value) : entered;
    onApply({ column: column.name, op, value: op === 'is_null' ? '' : stored });
  };

  return (
    <form
      class="filter-form"
      noValidate
      onSubmit={submit}
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
    >
      <label class="field">
        <span>{m.column}</span>
        <select ref={first} value={column.name} onChange={(e) => {
          setColumnName(e.currentTarget.value);
          setValue('');
          setWrong(false);
        }}>
          {columns.map((c) => <option key={c.name} value={c.name}>{label(c.label, c.name)}</option>)}
        </select>
      </label>
      <label class="field">
        <span>{m.comparison}</span>
        <select value={op} onChange={(e) => setOp(e.currentTarget.value as Op)}>
          {ops.map((o) => <option key={o} value={o}>{m.ops[o]}</option>)}
        </select>
      </label>
      {op !== 'is_null' && (
        <label class="field">
          <span>{m.value}</span>
          {boolean ? (
            <select value={entered} onChange={(e) => setValue(e.currentTarget.value)}>
              <option value="true">{m.yes}</option>
              <option value="false">{m.no}</option>
            </select>
          ) : (
            <input
              ref={input}
              type={column.type === 'date' ? 'date' : column.type === 'timestamptz' ? 'datetime-local' : 'text'}
              {...(['integer', 'bigint', 'numeric'].includes(column.type) ? { inputMode: 'decimal' as const } : {})}
              value={value}
              aria-invalid={wrong}
              aria-describedby={errorId}
              onInput={(e) => setValue(e.currentTarget.value)}
            />
          )}
        </label>
      )}
      <div class="form-actions">
        <button type="submit" class="button primary">{m.applyFilter}</button>
        <button type="button" class="button" onClick={onClose}>{m.cancel}</button>
      </div>
      <p id={errorId} class="field-error" role="status">{wrong ? flawOfValue(column.type, entered) : ''}</p>
    </form>
  );
}

/** What to enter instead. */
function flawOfValue(type: ColumnType, entered: string): string {
  const m = msg.value;
  switch (type) {
    case 'timestamptz': return m.dateAndTime;
    case 'date': return m.dateNeeded;
    case 'integer':
    case 'bigint': return m.notAnInteger;
    case 'numeric': return m.notANumber;
    default: return entered === '' ? m.fillIn : m.filterInvalid;
  }
}

export function conditionText({ column, op, value }: Condition, columns: readonly Column[]): string {
  const m = msg.value;
  const found = columns.find((c) => c.name === column);
  const name = label(found?.label, column);
  if (op === 'is_null') return `${name} ${m.ops.is_null}`;
  let shown = value;
  if (found?.type === 'boolean') shown = value === 'true' ? m.yes : m.no;
  else if (found?.type === 'timestamptz') shown = formatDateTime(value);
  else if (found?.type === 'integer' || found?.type === 'numeric') shown = formatDecimal(value);
  return `${name} ${m.ops[op]} ${shown}`;
}
