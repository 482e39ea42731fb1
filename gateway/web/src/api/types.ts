// The shapes that the API answers with. 64-bit integers and numerics of rows are strings;
// they must not be turned into numbers except to draw them.
import type { Site } from '../site-of-path';

export type Label = Readonly<Record<'en' | 'ko', string>>;

export interface TenantName {
  slug: string;
  name: string;
}

export interface Me {
  actor: { id: string; email: string; display_name: string };
  site: Site;
  tenant: (TenantName & { id: string; time_zone: string; suspended: boolean }) | null;
  tenants: TenantName[];
  permissions: string[];
  expires_at: string;
}

/** What the page tells apart; `other` is any type that it only shows as text. */
export type ColumnType =
  | 'bigint' | 'integer' | 'numeric' | 'text' | 'boolean' | 'timestamptz' | 'date' | 'jsonb' | 'uuid' | 'other';

export interface Column {
  name: string;
  label: Label;
  type: ColumnType;
  list: boolean;
  filter: boolean;
  sort: boolean;
  search: boolean;
}

export interface ActionParam {
  name: string;
  label: Label;
  type: ColumnType;
  min?: number | string | null;
  max?: number | string | null;
  required?: boolean | null;
  default?: unknown;
}

export interface Action {
  name: string;
  label: Label;
  params: ActionParam[];
}

export interface Resource {
  name: string;
  label: Label;
  /** The table, as audit entries name it. */
  target: string;
  key: string;
  columns: Column[];
  verbs: string[];
  actions: Action[];
}

export type Row = Record<string, unknown>;

export interface RowPage {
  rows: Row[];
  next: string | null;
}

export interface Count {
  value: number | null;
  kind: 'exact' | 'capped' | 'estimated' | 'none';
}

export type JobState = 'PENDING' | 'PLANNING' | 'RUNNING' | 'PAUSED' | 'DONE' | 'FAILED' | 'CANCELLED';

export interface Job {
  id: string;
  name: string;
  label: Label | null;
  actor_name: string | null;
  tenant: TenantName | null;
  target: string;
  selection_summary: string | null;
  params: Record<string, unknown> | null;
  state: JobState;
  total: number | null;
  processed: number;
  changed: number;
  skipped: number;
  failed: number;
  error: string | null;
  wait_reason: string | null;
  rate: number | null;
  eta: string | null;
  on_error: 'stop' | 'skip';
  /** There are rows in its list of errors. */
  has_errors: boolean;
  can_retry: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface JobPage {
  rows: Job[];
  next: string | null;
}

export interface JobError {
  key: Record<string, string>;
  sqlstate: string;
  message: string;
  created_at: string;
}

export interface JobErrorPage {
  rows: JobError[];
  next: string | null;
}

export interface AuditEntry {
  id: string;
  created_at: string;
  tenant: TenantName | null;
  actor_name: string | null;
  db_user: string | null;
  site: string | null;
  ip: string | null;
  method: string | null;
  path: string | null;
  request_id: string | null;
  job_id: string | null;
  action: string | null;
  target: string | null;
  target_pk: Record<string, unknown> | null;
  op: 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'EVENT';
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  meta: Record<string, unknown> | null;
}

export interface AuditPage {
  rows: AuditEntry[];
  next: string | null;
  prev: string | null;
}

export interface AuditHistogram {
  from: string;
  to: string;
  counts: number[];
  total: number;
  /** Only the newest are counted. */
  capped: boolean;
}

export interface RowAsOf {
  at: string;
  row: Record<string, unknown> | null;
  present: Record<string, unknown> | null;
  unknown: string[];
  reason: 'no_earlier_entry' | 'gap' | 'truncated' | 'too_many_entries' | 'not_audited' | null;
}

export interface Finding {
  check: 'health' | 'isolation';
  level: 'error' | 'warning';
  rule: string;
  object: string;
  problem: string;
  remedy: string;
}

export interface FindingPage {
  rows: Finding[];
  checked_at: string;
}

export type Period = 'day' | 'week' | 'month';

export interface Kpi {
  kpi: string;
  label: Label;
  unit: 'count' | 'money';
  /** What makes one value of several days. */
  over_days: 'sum' | 'avg' | 'max' | 'min';
  /** Of the whole range, and of as many days before it. */
  value: string;
  previous: string;
  change: string | null;
  today: { value: string; same_weekday: string; change: string | null };
  /** A value for each of the periods. */
  sparkline: string[];
  sparkline_final: boolean[];
  final: boolean;
  as_of: string | null;
}

/** A job that changed many rows. */
export interface KpiJob {
  id: string;
  label: Label;
  tenant: TenantName | null;
  day: string;
  period: string;
  changed: number;
}

export interface KpiSummary {
  today: string;
  first_day: string;
  last_day: string;
  previous: { first_day: string; last_day: string };
  by: Period;
  /** The first day of each; the range may begin and end within one. */
  periods: string[];
  kpis: Kpi[];
  jobs: KpiJob[];
  as_of: string | null;
  stale: boolean;
}

export interface KpiRanking {
  rows: { tenant: string; name: string; value: string; previous: string; change: string | null }[];
}
