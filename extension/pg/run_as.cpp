// Runs SQL as another role, for the job engine: the role is switched as PostgreSQL's own maintenance
// commands do it, so the statement cannot switch back, and no RESET ROLE leads out of it.
// Its SQL wrappers are private: whoever may call them can become anybody.
#include "run_as.h"
#include "page_reuse.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
}

namespace opsadmin {

RunAs SwitchTo(Oid role, bool restricted) {
  RunAs run;
  GetUserIdAndSecContext(&run.saved_user, &run.saved_context);
  // Deferred constraints would otherwise be checked, and deferred triggers run, at commit as the worker. What is
  // deferred already is the caller's, whose code must not run as the owner of the function that this is called in.
  SetUserIdAndSecContext(GetOuterUserId(), run.saved_context | SECURITY_LOCAL_USERID_CHANGE);
  CheckDeferred();
  SetUserIdAndSecContext(
      role, run.saved_context | SECURITY_LOCAL_USERID_CHANGE | (restricted ? SECURITY_RESTRICTED_OPERATION : 0));
  run.guc_level = NewGUCNestLevel();
  // Keys are planned as text by one session and read by another: both see the same forms.
  static constexpr const char* settings[][2] = {{"row_security", "on"},
                                                {"DateStyle", "ISO, YMD"},
                                                {"IntervalStyle", "postgres"},
                                                {"bytea_output", "hex"},
                                                {"extra_float_digits", "1"}};
  for (const auto& setting : settings)
    (void)set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  return run;
}

void PlanFreely() {
  for (const auto& setting : {std::pair{"enable_seqscan", "on"}, std::pair{"plan_cache_mode", "auto"}})
    (void)set_config_option(setting.first, setting.second, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// SET CONSTRAINTS ALL IMMEDIATE. A trigger may have deferred constraints anew; what it left to the commit is refused
// here, as the role.
void CheckDeferred() {
  ConstraintsSetStmt all = {};
  all.type = T_ConstraintsSetStmt;
  CommandCounterIncrement();
  AfterTriggerSetState(&all);
}

// An error needs no switch back: the end of the (sub)transaction restores the user and the settings.
void SwitchBack(const RunAs& run) {
  AtEOXact_GUC(false, run.guc_level);
  SetUserIdAndSecContext(run.saved_user, run.saved_context);
}

// execute_as(role, statement, restricted) returns the number of rows that the statement changed.
OPSADMIN_FUNCTION(opsadmin_execute_as) {
  const Oid role = PG_GETARG_OID(0);
  const char* statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  const RunAs run = SwitchTo(role, PG_GETARG_BOOL(2));
  PlanFreely();
  NotePagesOfNextStatement();
  const int result = SPI_execute(statement, false, 0);
  StopNotingPages();
  if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
  const int64 rows = SPI_processed;
  CheckDeferred();
  SwitchBack(run);
  SPI_finish();
  PG_RETURN_INT64(rows);
}

// query_as(role, statement) returns the first column of the first row as text, NULL without a row.
OPSADMIN_FUNCTION(opsadmin_query_as) {
  const Oid role = PG_GETARG_OID(0);
  const char* statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  const RunAs run = SwitchTo(role);
  const int result = SPI_execute(statement, true, 1);
  if (result != SPI_OK_SELECT) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
  char* value = SPI_processed > 0 ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : nullptr;
  text* answer = nullptr;
  if (value != nullptr) {
    const size_t length = strlen(value);
    answer = static_cast<text*>(SPI_palloc(length + VARHDRSZ));
    SET_VARSIZE(answer, length + VARHDRSZ);
    memcpy(VARDATA(answer), value, length);
  }
  CheckDeferred();
  SwitchBack(run);
  SPI_finish();
  if (answer == nullptr) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(answer);
}

}  // namespace opsadmin
