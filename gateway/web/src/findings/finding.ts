// What can be said of findings without drawing them: filters in the URL, groups, and whether a remedy is SQL. Pure.
import type { Finding } from '../api/types';

export type Check = Finding['check'];
export type Level = Finding['level'];

export const checks: readonly Check[] = ['health', 'isolation'];
export const levels: readonly Level[] = ['error', 'warning'];

export interface Filter {
  level: Level | 'all';
  check: Check | 'all';
}

/** The filter that the address holds; what it does not know is no filter. */
export function parseFilter(query: URLSearchParams): Filter {
  return {
    level: levels.find((level) => level === query.get('level')) ?? 'all',
    check: checks.find((check) => check === query.get('check')) ?? 'all',
  };
}

export function writeFilter(filter: Filter): URLSearchParams {
  return new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== 'all'));
}

export interface Group {
  check: Check;
  findings: Finding[];
}

/**
 * The findings that pass the filter, in the order given, a group for each check. A check without findings has an
 * empty group: that it found nothing is worth telling. Not so when findings of another level are left out.
 */
export function groupsOf(findings: readonly Finding[], filter: Filter): Group[] {
  return checks
    .filter((check) => filter.check === 'all' || filter.check === check)
    .map((check) => ({
      check,
      findings: findings.filter((f) => f.check === check && (filter.level === 'all' || f.level === filter.level)),
    }))
    .filter((group) => filter.level === 'all' || group.findings.length > 0);
}

export function countOf(findings: readonly Finding[], level: Level): number {
  return findings.filter((finding) => finding.level === level).length;
}

const statement = /^(ALTER|ANALYZE|BEGIN|CALL|COMMENT|CREATE|DELETE|DO|DROP|GRANT|INSERT|REVOKE|SELECT|SET|UPDATE|WITH)[\s;]/;

/** Whether a remedy is a statement for psql; others are words, or lines for a file of the server. */
export function isSql(remedy: string): boolean {
  return statement.test(remedy.replace(/^(\s|--.*\n)+/, ''));
}
