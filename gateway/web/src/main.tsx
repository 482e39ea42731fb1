// Starts the page: routes, and which of them need somebody who is signed in.
import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter-preact';
import { AuditList } from './audit/AuditList';
import { RowHistory } from './audit/RowHistory';
import { Dashboard } from './dashboard/Dashboard';
import { FindingsList } from './findings/FindingsList';
import { language, msg } from './i18n/i18n';
import { Invitation } from './invitation/Invitation';
import { JobDetail } from './jobs/JobDetail';
import { JobList } from './jobs/JobList';
import { ResourceList } from './resources/ResourceList';
import { loadSession, needsTenant, session, signOut, tenantTurn } from './session';
import { ChooseTenant } from './shell/ChooseTenant';
import { NotFound } from './shell/NotFound';
import { Shell } from './shell/Shell';
import { SignIn } from './sign-in/SignIn';
import { base } from './site';
import { ErrorBoundary } from './ui/ErrorBoundary';
import { ProblemView, Skeleton } from './ui/states';
import { Toasts } from './ui/toast';
import { address, useQueryParams } from './ui/url';

function App() {
  return (
    <Router base={base}>
      <ErrorBoundary>
        <Switch>
          <Route path="/sign-in"><SignIn /></Route>
          <Route path="/invitation"><Invitation /></Route>
          <Route><SignedIn /></Route>
        </Switch>
      </ErrorBoundary>
      <Toasts />
    </Router>
  );
}

function SignedIn() {
  const [path] = useLocation();
  const query = useQueryParams();
  const current = session.value;
  useEffect(() => {
    if (current.state === 'unknown') void loadSession();
  }, [current.state]);

  switch (current.state) {
    case 'unknown':
      return <main class="lone"><Skeleton lines={3} /></main>;
    case 'failed':
      return (
        <main class="lone">
          <ProblemView problem={current.problem} onRetry={() => void loadSession()}>
            {current.problem.status === 403 && (
              <button type="button" class="button" onClick={() => void signOut()}>{msg.value.signOut}</button>
            )}
          </ProblemView>
        </main>
      );
    case 'out': {
      const here = address(path, query);
      return <Redirect to={here === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(here)}`} replace />;
    }
    case 'in':
      return needsTenant(current.me) ? <ChooseTenant me={current.me} /> : (
        <Shell me={current.me} resources={current.resources}>
          <Switch key={tenantTurn.value}>
            <Route path="/"><Dashboard me={current.me} /></Route>
            <Route path="/resources/:name">
              {({ name }) => {
                const resource = current.resources.find((r) => r.name === name);
                return resource ? <ResourceList key={name} resource={resource} me={current.me} /> : <NotFound />;
              }}
            </Route>
            <Route path="/resources/:name/:key/history">
              {({ name, key }) => {
                const resource = current.resources.find((r) => r.name === name);
                return resource ? <RowHistory key={`${name} ${key}`} resource={resource} rowKey={key} /> : <NotFound />;
              }}
            </Route>
            <Route path="/jobs"><JobList /></Route>
            <Route path="/jobs/:id">{({ id }) => <JobDetail key={id} id={id} me={current.me} />}</Route>
            <Route path="/audit"><AuditList /></Route>
            <Route path="/findings"><FindingsList /></Route>
            <Route><NotFound /></Route>
          </Switch>
        </Shell>
      );
  }
}

effect(() => {
  document.documentElement.lang = language.value;
});

const root = document.getElementById('app');
if (root) render(<App />, root);
