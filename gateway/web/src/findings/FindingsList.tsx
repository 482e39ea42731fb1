// What health() and check_isolation() find, by check, each with its remedy to copy. The checks are made when the
// screen is opened and when somebody asks for it, not by themselves.
import { useId } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import type { Finding, FindingPage } from '../api/types';
import { useQuery } from '../api/use-query';
import { formatFull, formatInteger, formatTime, msg } from '../i18n/i18n';
import { call } from '../sql/sql';
import { CopySql } from '../ui/CopySql';
import { CopyText } from '../ui/CopyText';
import { Icon } from '../ui/Icon';
import { Page } from '../ui/Page';
import { Segments } from '../ui/Preferences';
import { Empty, ProblemView, Skeleton } from '../ui/states';
import { address, useQueryParams } from '../ui/url';
import { checks, countOf, type Filter, type Group, groupsOf, isSql, levels, parseFilter, writeFilter } from './finding';
import { LevelChip } from './LevelChip';

export function FindingsList() {
  const m = msg.value;
  const page = useQuery<FindingPage>('/findings');
  return (
    <Page
      title={m.findings}
      aside={page.data && <CheckedAt page={page.data} />}
      actions={(
        <>
          <button type="button" class="button" aria-disabled={page.loading} onClick={() => !page.loading && page.reload()}>
            <Icon name="refresh" />
            {m.refresh}
          </button>
          <CopySql calls={[call('list_findings', {})]} />
        </>
      )}
    >
      {page.problem ? (
        <ProblemView problem={page.problem} onRetry={page.reload} />
      ) : page.data === undefined ? (
        <Skeleton lines={8} />
      ) : (
        <div class="findings" aria-busy={page.loading}>
          {page.data.rows.length === 0 ? <AllInOrder /> : <FilteredFindings findings={page.data.rows} />}
        </div>
      )}
    </Page>
  );
}

/** When the checks were made and what came of them; read out after each refresh. */
function CheckedAt({ page }: { page: FindingPage }) {
  const m = msg.value;
  const errors = countOf(page.rows, 'error');
  const warnings = page.rows.length - errors;
  return (
    <p class="muted" role="status">
      <time dateTime={page.checked_at} title={formatFull(page.checked_at)}>{m.checkedAt(formatTime(page.checked_at))}</time>
      <span class="visually-hidden">
        {page.rows.length === 0 ? m.allInOrder : m.findingCount(formatInteger(errors), errors === 1, formatInteger(warnings), warnings === 1)}
      </span>
    </p>
  );
}

function AllInOrder() {
  const m = msg.value;
  return (
    <div class="state">
      <span class="state-icon good"><Icon name="check" /></span>
      <p class="state-title">{m.allInOrder}</p>
      <dl class="checked">
        {checks.map((check) => (
          <div key={check}>
            <dt>{m.checkFilter[check]}</dt>
            <dd class="muted">{m.checkLead[check]}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function FilteredFindings({ findings }: { findings: readonly Finding[] }) {
  const m = msg.value;
  const [, navigate] = useLocation();
  const filter = parseFilter(useQueryParams());
  const groups = groupsOf(findings, filter);
  const choose = (change: Partial<Filter>) => navigate(address('/findings', writeFilter({ ...filter, ...change })), { replace: true });
  const numbers = { all: findings.length, error: countOf(findings, 'error'), warning: countOf(findings, 'warning') };
  return (
    <>
      <div class="toolbar">
        <Segments
          label={m.level}
          options={(['all', ...levels] as const).map((value) => ({ value, text: `${m.levelFilter[value]} ${formatInteger(numbers[value])}` }))}
          value={filter.level}
          onChoose={(level) => choose({ level })}
        />
        <Segments
          label={m.check}
          options={(['all', ...checks] as const).map((value) => ({ value, text: m.checkFilter[value] }))}
          value={filter.check}
          onChoose={(check) => choose({ check })}
        />
      </div>
      {groups.length === 0 ? (
        <Empty title={m.noFindingMatch}>
          <button type="button" class="button" onClick={() => choose({ level: 'all', check: 'all' })}>{m.clearFilters}</button>
        </Empty>
      ) : (
        <>
          <p class="muted">{m.remedyNote}</p>
          {groups.map((group) => <CheckGroup key={group.check} group={group} />)}
        </>
      )}
    </>
  );
}

function CheckGroup({ group: { check, findings } }: { group: Group }) {
  const m = msg.value;
  const id = useId();
  return (
    <section class="check" aria-labelledby={id}>
      <header>
        <h2 id={id}>{m.checkFilter[check]} <span class="key">{formatInteger(findings.length)}</span></h2>
        <p class="muted">{m.checkLead[check]}</p>
      </header>
      {findings.length === 0 ? (
        <p class="flag on"><Icon name="check" />{m.nothingFound}</p>
      ) : (
        <ul class="plain-list">
          {findings.map((finding) => <FindingItem key={JSON.stringify(finding)} finding={finding} />)}
        </ul>
      )}
    </section>
  );
}

function FindingItem({ finding: { level, rule, object, problem, remedy } }: { finding: Finding }) {
  const m = msg.value;
  const sql = isSql(remedy);
  const name = sql ? m.copySqlText : m.copy;
  return (
    <li class="panel finding">
      <div class="finding-head">
        <LevelChip level={level} />
        <h3 class="mono" lang="en">{object}</h3>
        <span class="mono muted" lang="en">{rule}</span>
      </div>
      <p lang="en">{problem}</p>
      <div class="remedy">
        <div class="remedy-head">
          <span class="muted small">{m.remedy}</span>
          <CopyText
            text={remedy}
            icon="copy"
            name={name}
            label={m.remedyOf(name, object)}
            copied={sql ? m.sqlCopied : m.copied}
            title={m.remedy}
            help={sql ? m.sqlHelp : m.copyHelp}
          />
        </div>
        <pre class="mono" lang="en"><code>{unbroken(remedy)}</code></pre>
      </div>
    </li>
  );
}

/** A line may end after a hyphen, but not within the two that begin a comment. */
const unbroken = (sql: string) => sql.split(/(--)/).map((part) => (part === '--' ? <span class="nowrap">--</span> : part));
