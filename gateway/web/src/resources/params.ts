// Values of an action's parameters as people type them: checked and turned into JSON. Pure.
// The check here only saves a round trip; the database checks again.
import type { ActionParam } from '../api/types';
import { fromField, toField } from '../i18n/zone';
import { fits, plain, typed } from './list-state';

export type Flaw = 'required' | 'number' | 'integer' | 'min' | 'max' | 'json' | 'value';

export function initialText(param: ActionParam, zone: string | undefined): string {
  const value = param.default;
  if (value === null || value === undefined) return param.type === 'boolean' ? 'false' : '';
  if (param.type === 'timestamptz') return toField(String(value), zone);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function flawOf(param: ActionParam, entered: string): Flaw | null {
  const text = plain(entered, param.type);
  if (text === '') return param.required ? 'required' : null;
  if (param.type === 'jsonb') return isJson(text) ? null : 'json';
  if (!fits(text, param.type)) {
    if (param.type === 'numeric') return 'number';
    return param.type === 'integer' || param.type === 'bigint' ? 'integer' : 'value';
  }
  if (isNumber(param)) {
    if (param.min !== null && param.min !== undefined && Number(text) < Number(param.min)) return 'min';
    if (param.max !== null && param.max !== undefined && Number(text) > Number(param.max)) return 'max';
  }
  return null;
}

export function isNumber(param: ActionParam): boolean {
  return param.type === 'integer' || param.type === 'bigint' || param.type === 'numeric';
}

/** The JSON object of the parameters; an optional one left empty is left out. */
export function paramsBody(params: readonly ActionParam[], texts: Readonly<Record<string, string>>, zone: string | undefined): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const param of params) {
    const text = plain(texts[param.name] ?? '', param.type);
    if (text === '') continue;
    if (param.type === 'jsonb') body[param.name] = JSON.parse(text);
    else if (param.type === 'timestamptz') body[param.name] = fromField(text, zone);
    else body[param.name] = typed(text, param.type);
  }
  return body;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
