// The HTTP tests, in one process and one after the other: the last ones stop PostgreSQL under all of them.
// topic: gateway findings requests audit kpi
import './routes.mjs';
import './input.mjs';
import './session.mjs';
import './tenant.mjs';
import './job.mjs';
import './job_controls.mjs';
import './job_errors.mjs';
import './findings.mjs';
import './kpi.mjs';
import './requests.mjs';
import './audit.mjs';
import './malformed.mjs';
import './static.mjs';
import './command.mjs';
import './load.mjs';
import './interruption.mjs';
import './outage.mjs';
import './throttle.mjs';
