// An action on the selected rows: its parameters, how many rows it concerns, and the start.
// Above CONFIRM_ABOVE rows, or when their number is not known, the action's name must be typed.
import { useRef, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { Problem, request } from '../api/request';
import type { Action, ActionParam, Resource } from '../api/types';
import { formatInteger, label, msg, timeZone } from '../i18n/i18n';
import { call, jsonLiteral, literal } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/Icon';
import { ProblemNotice } from '../ui/states';
import { showToast } from '../ui/toast';
import { conditionText } from './FilterBar';
import type { Condition, Filter } from './list-state';
import { ParamField } from './ParamField';
import { type Flaw, flawOf, initialText, paramsBody } from './params';
import { type Selection, selectionBody } from './selection';

const CONFIRM_ABOVE = 1000;

interface Props {
  resource: Resource;
  action: Action;
  selection: Selection;
  size: number | null;
  sizeText: string;
  conditions: readonly Condition[];
  filter: Filter | null;
  search: string;
  onClose: () => void;
  onStarted: () => void;
}

export function ActionDialog({ resource, action, selection, size, sizeText, conditions, filter, search, onClose, onStarted }: Props) {
  const m = msg.value;
  const [, navigate] = useLocation();
  const form = useRef<HTMLFormElement>(null);
  const [texts, setTexts] = useState<Record<string, string>>(
    () => Object.fromEntries(action.params.map((param) => [param.name, initialText(param, timeZone.value)])),
  );
  const [typedName, setTypedName] = useState('');
  const [checked, setChecked] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);

  const name = label(action.label, action.name);
  const rowsText = size === null ? sizeText : formatInteger(size);
  const mustConfirm = size === null || size > CONFIRM_ABOVE;
  const confirmed = !mustConfirm || typedName.trim().toLowerCase() === action.name.toLowerCase();
  const flaws = new Map(action.params.map((param) => [param.name, flawOf(param, texts[param.name] ?? '')]));
  const body = selectionBody(selection, filter, search);
  const fieldErrors = new Map((problem?.errors ?? []).map((error) => [error.pointer, error.detail]));

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setChecked(true);
    setProblem(null);
    if (!confirmed || [...flaws.values()].some((flaw) => flaw !== null)) return focusFirstFlaw();
    setBusy(true);
    try {
      const started = await request<{ job_id: string }>('POST', `/actions/${encodeURIComponent(action.name)}/run`, {
        body: { params: paramsBody(action.params, texts, timeZone.value), selection: body },
      });
      const id = started.body.job_id;
      onStarted();
      showToast(m.jobStarted(id));
      navigate(`/jobs/${id}`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      setBusy(false);
      focusFirstFlaw();
    }
  };

  // After the messages have been drawn.
  const focusFirstFlaw = () => setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());

  const sql = [call('run_action', {
    action: literal(action.name),
    params: jsonLiteral(safeParams(action.params, texts)),
    selection: jsonLiteral(body),
  })];

  return (
    <Dialog title={m.actionOn(name, m.countRows(rowsText, size === 1))} onClose={onClose}>
      <form ref={form} noValidate onSubmit={(event) => void submit(event)}>
        <div class="dialog-body form">
          {problem && !action.params.some((param) => fieldErrors.has(`/params/${param.name}`)) && (
            <ProblemNotice problem={problem} />
          )}
          <p>
            {size === null ? m.concernsMatching : m.concerns(m.countRows(rowsText, size === 1), label(resource.label, resource.name))}
            {selection.kind === 'matching' && selection.except.size > 0
              && ` ${m.excludedNote(formatInteger(selection.except.size))}`}
            {' '}<span class="muted">{m.runsAsJob}</span>
          </p>
          {selection.kind === 'matching' && <Matching resource={resource} conditions={conditions} search={search} />}
          {action.params.map((param) => {
            const flaw = checked ? flaws.get(param.name) ?? null : null;
            return (
              <ParamField
                key={param.name}
                param={param}
                text={texts[param.name] ?? ''}
                error={flaw === null ? fieldErrors.get(`/params/${param.name}`) ?? null : flawText(flaw, param)}
                onText={(text) => {
                  setTexts({ ...texts, [param.name]: text });
                  setProblem(null);
                }}
              />
            );
          })}
          {mustConfirm && (
            <label class="field">
              <span>{m.typeToConfirm(action.name)}</span>
              <input
                type="text"
                autoComplete="off"
                autoCapitalize="none"
                spellcheck={false}
                value={typedName}
                aria-invalid={checked && !confirmed}
                onInput={(e) => setTypedName(e.currentTarget.value)}
              />
              <span class="field-error">{checked && !confirmed ? m.confirmMismatch(action.name) : ''}</span>
            </label>
          )}
        </div>
        <div class="dialog-foot">
          <CopySql calls={sql} />
          <span class="grow" />
          <button type="button" class="button" onClick={onClose}>{m.cancel}</button>
          <button type="submit" class="button primary" disabled={busy}>{busy ? m.starting : m.start}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** Once more what all these rows have in common, or that nothing narrows them down. */
function Matching({ resource, conditions, search }: Pick<Props, 'resource' | 'conditions' | 'search'>) {
  const m = msg.value;
  if (conditions.length === 0 && search === '') {
    return <p class="notice"><Icon name="warning" />{m.notNarrowed(label(resource.label, resource.name))}</p>;
  }
  return (
    <ul class="plain-list chips" aria-label={m.filter}>
      {search !== '' && <li class="chip plain">{m.search}: {search}</li>}
      {conditions.map((condition, i) => <li key={i} class="chip plain">{conditionText(condition, resource.columns)}</li>)}
    </ul>
  );
}

function flawText(flaw: Flaw, param: ActionParam): string {
  const m = msg.value;
  switch (flaw) {
    case 'required': return m.fillIn;
    case 'number': return m.notANumber;
    case 'integer': return m.notAnInteger;
    case 'min': return m.atLeast(String(param.min));
    case 'max': return m.atMost(String(param.max));
    case 'json': return m.notJson;
    case 'value': return m.filterInvalid;
  }
}

/** Unfinished input must not break the SQL text: what does not fit yet is left out. */
function safeParams(params: readonly ActionParam[], texts: Record<string, string>): Record<string, unknown> {
  return paramsBody(params.filter((param) => flawOf(param, texts[param.name] ?? '') === null), texts, timeZone.value);
}
