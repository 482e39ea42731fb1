// Runs a statement as a site's login would, for prove_isolation(): the job engine's switch of user, a context of its
// own, and the hooks as they are at the login. The caller rolls its subtransaction back in any case.
#include "context.h"
#include "run_as.h"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
}

namespace opsadmin {

// The plan that rehearsals share, so that one of another tenant's runs again; with the text that it is of.
static struct {
  SPIPlanPtr plan;
  char text[1024];
} shared;

static int RunByName(const char* statement) {
  return SPI_execute(statement, false, 0);
}

static int RunSharedPlan(const char* statement) {
  if (shared.plan == nullptr || strcmp(shared.text, statement) != 0) {
    if (shared.plan != nullptr) (void)SPI_freeplan(shared.plan);
    shared.plan = nullptr;
    SPIPlanPtr made = SPI_prepare_cursor(statement, 0, nullptr, CURSOR_OPT_GENERIC_PLAN);
    if (made == nullptr || SPI_keepplan(made) != 0) elog(ERROR, "planning a rehearsal failed");
    shared.plan = made;
    strlcpy(shared.text, statement, sizeof shared.text);
  }
  return SPI_execute_plan(shared.plan, nullptr, nullptr, false, 0);
}

// rehearse(site, tenant_id, tenant_key, permissions, statement, shares_plan) returns (row_count, answer): the rows
// that the statement changed or found, and the first column of the first. Without permissions (NULL) nothing is bound.
OPSADMIN_FUNCTION(opsadmin_rehearse) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(4) || PG_ARGISNULL(5)) elog(ERROR, "a rehearsal needs a site and a statement");
  const Site site = SiteOfName(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  const char* statement = text_to_cstring(PG_GETARG_TEXT_PP(4));
  Context* context = nullptr;
  if (!PG_ARGISNULL(3)) {
    context = static_cast<Context*>(palloc0(sizeof(Context)));
    context->owner = MyProcPid;
    context->site = site;
    strlcpy(context->action, "prove_isolation", sizeof context->action);
    if (!PG_ARGISNULL(1))
      SetTenant(context, PG_GETARG_INT64(1), PG_ARGISNULL(2) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(2)));
    SetPermissions(context, TextsOf(PG_GETARG_DATUM(3)));
  }
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE) elog(ERROR, "no result type");
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  RehearseContext(context, site);
  const RunAs run = SwitchTo(get_role_oid(site == Site::internal ? "opsadmin_internal" : "opsadmin_partner", false));
  const int result = PG_GETARG_BOOL(5) ? RunSharedPlan(statement) : RunByName(statement);
  if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
  Datum values[2] = {Int64GetDatum(static_cast<int64>(SPI_processed)), Datum{0}};
  bool nulls[2] = {false, true};
  char* answer = SPI_tuptable != nullptr && SPI_processed > 0
                     ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)
                     : nullptr;
  if (answer != nullptr) {
    values[1] = CStringGetTextDatum(answer);
    nulls[1] = false;
  }
  const HeapTuple row = SPI_copytuple(heap_form_tuple(descriptor, values, nulls));
  // Without a context even this would be refused, and the statement's success be taken for a refusal.
  if (context != nullptr) CheckDeferred();
  SwitchBack(run);
  SPI_finish();
  PG_RETURN_DATUM(heap_copy_tuple_as_datum(row, descriptor));
}

}  // namespace opsadmin
