// The icons: strokes on a 16-pixel grid in the current colour. They are decoration; words tell the meaning.
const paths = {
  dashboard: 'M2.5 2.5h4.5v5H2.5zM9 2.5h4.5v3H9zM9 7.5h4.5v6H9zM2.5 9.5h4.5v4H2.5z',
  box: 'M8 1.8l5.5 3v6.4L8 14.2l-5.5-3V4.8zM2.7 4.9L8 7.8l5.3-2.9M8 7.8v6.2',
  jobs: 'M2.5 4h2M2.5 8h2M2.5 12h2M7 4h6.5M7 8h6.5M7 12h6.5',
  audit: 'M8 4.5V8l2.5 1.5M2.2 8a5.8 5.8 0 1 0 1.7-4.1L2.2 5.5M2.2 2.5v3h3',
  shield: 'M8 1.8l5 1.9v3.8c0 3.2-2 5.4-5 6.7-3-1.3-5-3.5-5-6.7V3.7zM5.7 7.9l1.7 1.7 3-3.3',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  close: 'M4 4l8 8M12 4l-8 8',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3 3',
  filter: 'M2.5 4h11M4.5 8h7M6.5 12h3',
  pencil: 'M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2zM9.4 4.4l2.2 2.2',
  plus: 'M8 3v10M3 8h10',
  chevronRight: 'M6 4l4 4-4 4',
  chevronLeft: 'M10 4L6 8l4 4',
  upDown: 'M5 6l3-3 3 3M5 10l3 3 3-3',
  up: 'M8 13V3M4 7l4-4 4 4',
  down: 'M8 3v10M4 9l4 4 4-4',
  same: 'M3 8h10',
  check: 'M3 8.5l3.2 3.2L13 4.8',
  eye: 'M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8zM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  eyeOff: 'M2.5 2.5l11 11M6.2 4a6 6 0 0 1 1.8-.2C12 3.8 14.2 8 14.2 8a10 10 0 0 1-1.9 2.4M4.2 5.3A10 10 0 0 0 1.8 8S4 12.2 8 12.2c1 0 1.9-.3 2.7-.7',
  tenant: 'M2.5 13.5v-10h6v10M8.5 6.5h5v7M1.5 13.5h13M5 6h1M5 8.5h1M5 11h1M11 9h.5M11 11.2h.5',
  warning: 'M8 2.2l6.3 11.3H1.7zM8 6.5v3.2M8 11.6v.2',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.6-3.9l1.6 1.5M13.5 2.5v3.1h-3.1',
  lockOpen: 'M3.5 7.5h9v6h-9zM5.5 7.5V5a2.5 2.5 0 0 1 4.8-1',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3l8 5-8 5z',
  sql: 'M5 5L2 8l3 3M11 5l3 3-3 3M9 3.5l-2 9',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
