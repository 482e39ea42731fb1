// What a job says of its selection, in the reader's language. SQL that a DBA gave is shown as it is.
import { formatInteger, msg } from '../i18n/i18n';

export function selectionText(summary: string): string {
  const m = msg.value;
  const keys = /^(\d+) selected$/.exec(summary);
  if (keys?.[1]) return m.selectedKeys(formatInteger(Number(keys[1])));
  const list = /^all( matching)?( .+?)?(, ".*")?(?:, except (\d+))?$/s.exec(summary);
  if (list === null) return summary;
  const [, matching, filter, search, except] = list;
  return (matching ? m.matchingRows : m.everyRow) + (filter ? `:${filter}` : '') + (search ?? '') + (except ? m.exceptKeys(formatInteger(Number(except))) : '');
}
