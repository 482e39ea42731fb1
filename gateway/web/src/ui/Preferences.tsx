// The choice of language and theme; used on the sign-in page and in the account menu.
import { signal } from '@preact/signals';
import { useId } from 'preact/hooks';
import { chooseLanguage, language, msg } from '../i18n/i18n';
import { applyTheme, storeTheme, storedTheme, themes, type Theme } from '../theme';

const theme = signal<Theme>(storedTheme());

function chooseTheme(next: Theme): void {
  theme.value = next;
  applyTheme(next);
  storeTheme(next);
}

export function Preferences() {
  const m = msg.value;
  const names: Record<Theme, string> = { system: m.themeSystem, light: m.themeLight, dark: m.themeDark };
  return (
    <div class="preferences">
      <Segments
        label={m.languageLabel}
        options={[{ value: 'en', text: 'English', lang: 'en' }, { value: 'ko', text: '한국어', lang: 'ko' }]}
        value={language.value}
        onChoose={chooseLanguage}
      />
      <Segments
        label={m.theme}
        options={themes.map((value) => ({ value, text: names[value] }))}
        value={theme.value}
        onChoose={chooseTheme}
      />
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  options: readonly { value: T; text: string; lang?: string }[];
  value: T;
  onChoose: (value: T) => void;
}

/** A small radio group drawn as one control. */
export function Segments<T extends string>({ label, options, value, onChoose }: SegmentsProps<T>) {
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="visually-hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value} {...(option.lang ? { lang: option.lang } : {})}>
          <input type="radio" name={name} checked={option.value === value} onChange={() => onChoose(option.value)} />
          <span>{option.text}</span>
        </label>
      ))}
    </fieldset>
  );
}
