// The chosen theme: system (no attribute, the style sheet follows the device), light or dark.
import { recall, remember } from './storage';

export type Theme = 'system' | 'light' | 'dark';

export const themes: readonly Theme[] = ['system', 'light', 'dark'];
const KEY = 'opsadmin-theme';

export function storedTheme(): Theme {
  const value = recall(KEY);
  return value === 'light' || value === 'dark' ? value : 'system';
}

export function storeTheme(theme: Theme): void {
  remember(KEY, theme);
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
