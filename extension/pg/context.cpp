// Binds and reads the context of a transaction. It is set once at the top level and ends with the
// transaction; no GUC and no table holds it, so no SQL can change it.
#include "compat.h"
#include "audit.h"
#include "context.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/uuid.h"
}

namespace opsadmin {

static Context* contexts = nullptr;  // MaxBackends entries, by ProcIndex()

static Context* OwnEntry() {
  return &contexts[ProcIndex(MyProc)];
}

// Where this process finds its context, or its leader's, which is the same for as long as it lives.
static struct {
  const Context* entry;
  int owner;
} own = {};

static bool FindOwn() {
  if (contexts == nullptr || MyProc == nullptr) return false;
  PGPROC* leader = IsParallelWorker() ? MyProc->lockGroupLeader : MyProc;
  if (leader == nullptr) return false;
  own = {&contexts[ProcIndex(leader)], leader->pid};
  return true;
}

// Policies that are not asked of an index call it for each row.
const Context* BoundContext() {
  if (own.entry == nullptr && !FindOwn()) return nullptr;
  return own.entry->owner == own.owner ? own.entry : nullptr;
}

const Context* RequireContext() {
  const Context* context = BoundContext();
  if (context == nullptr)
    ereport(ERROR, (OpsadminErrcode(oa::no_context), errmsg("no context is bound to this transaction"),
                    errdetail("opsadmin cannot tell who asks and for which tenant."),
                    errhint("Call opsadmin.begin_request() or opsadmin.begin_as() right after BEGIN.")));
  return context;
}

const char* SiteName(Site site) {
  switch (site) {
    case Site::internal:
      return "internal";
    case Site::partner:
      return "partner";
    case Site::none:
      break;
  }
  return "none";
}

Site SiteOfName(const char* name) {
  return strcmp(name, "internal") == 0 ? Site::internal : Site::partner;
}

Site LoginSite() {
  const char* login = GetUserNameFromId(GetSessionUserId(), false);
  if (strcmp(login, "opsadmin_internal_login") == 0) return Site::internal;
  if (strcmp(login, "opsadmin_partner_login") == 0) return Site::partner;
  ereport(ERROR, (OpsadminErrcode(oa::permission_denied), errmsg("only the gateway's logins may begin a request"),
                  errhint("In psql use opsadmin.begin_as()."), errhidestmt(true)));
}

bool HasPermission(const Context* context, const char* permission) {
  const char* verb = strrchr(permission, ':');
  for (const char* p = context->permissions; *p != '\0'; p += strlen(p) + 1) {
    if (strcmp(p, "*") == 0 || strcmp(p, permission) == 0) return true;
    if (verb != nullptr && p[0] == '*' && strcmp(p + 1, verb) == 0) return true;
  }
  return false;
}

static void ForgetContext() {
  if (contexts != nullptr && MyProc != nullptr && !IsParallelWorker()) OwnEntry()->owner = 0;
}

static void ContextXactCallback(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      ForgetContext();
      break;
    default:
      break;
  }
}

// What a rehearsal has put aside, and the subtransaction whose end brings it back.
static struct {
  SubTransactionId subtransaction;
  Site site;
  Context replaced;
} rehearsal;

Site RehearsedSite() {
  return rehearsal.site;
}

void RehearseContext(const Context* context, Site site) {
  if (rehearsal.site != Site::none || !IsSubTransaction()) elog(ERROR, "a rehearsal needs a subtransaction of its own");
  rehearsal.replaced = *OwnEntry();
  rehearsal.subtransaction = GetCurrentSubTransactionId();
  rehearsal.site = site;
  if (context != nullptr)
    *OwnEntry() = *context;
  else
    OwnEntry()->owner = 0;
  EndAuditHeader();
}

static void ContextSubXactCallback(SubXactEvent event, SubTransactionId id, SubTransactionId, void*) {
  if (rehearsal.site == Site::none || rehearsal.subtransaction != id) return;
  // A rehearsal that is not rolled back would leave what it did and whom it was for.
  if (event == SUBXACT_EVENT_PRE_COMMIT_SUB) elog(ERROR, "a rehearsal must be rolled back");
  if (event != SUBXACT_EVENT_ABORT_SUB) return;
  *OwnEntry() = rehearsal.replaced;
  rehearsal.site = Site::none;
  EndAuditHeader();
}

static Size ContextMemorySize() {
  return mul_size(sizeof(Context), MaxBackends);
}

void RequestContextMemory() {
  RequestAddinShmemSpace(ContextMemorySize());
}

void InitializeContextMemory() {
  bool found;
  contexts = static_cast<Context*>(ShmemInitStruct("opsadmin contexts", ContextMemorySize(), &found));
  if (!found) memset(contexts, 0, ContextMemorySize());
}

void InitializeContext() {
  RegisterXactCallback(ContextXactCallback, nullptr);
  RegisterSubXactCallback(ContextSubXactCallback, nullptr);
}

void CopyCut(char* field, size_t size, std::string_view value) {
  const int length = pg_mbcliplen(value.data(), static_cast<int>(value.size()), static_cast<int>(size) - 1);
  // An empty one may have no data at all, which memcpy() must not be given.
  if (length > 0) memcpy(field, value.data(), length);
  field[length] = '\0';
}

List* TextsOf(Datum array) {
  Datum* elements;
  bool* nulls;
  int count;
  List* texts = NIL;
  deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
  for (int i = 0; i < count; i++)
    if (!nulls[i]) texts = lappend(texts, TextDatumGetCString(elements[i]));
  return texts;
}

static int CompareNames(const ListCell* a, const ListCell* b) {
  return strcmp(static_cast<const char*>(lfirst(a)), static_cast<const char*>(lfirst(b)));
}

List* SortedNames(List* names) {
  List* sorted = NIL;
  ListCell* cell;
  list_sort(names, CompareNames);
  foreach (cell, names)
    if (sorted == NIL || strcmp(static_cast<char*>(lfirst(cell)), static_cast<char*>(llast(sorted))) != 0)
      sorted = lappend(sorted, lfirst(cell));
  return sorted;
}

void SetPermissions(Context* context, List* names) {
  size_t used = 0;
  ListCell* cell;
  foreach (cell, SortedNames(names)) {
    const char* name = static_cast<const char*>(lfirst(cell));
    const size_t length = strlen(name);
    if (length == 0) continue;
    if (used + length + 2 > sizeof context->permissions)
      ereport(ERROR, (OpsadminErrcode(oa::invalid_definition), errmsg("the actor has too many permissions"),
                      errdetail("Their names have more than %zu bytes.", sizeof context->permissions),
                      errhint("Use fewer roles, or \"*\" in one of them.")));
    memcpy(context->permissions + used, name, length + 1);
    used += length + 1;
  }
  context->permissions[used] = '\0';
}

// Tells whether a text is a uuid exactly as columns show it: two keys must not stand for one uuid.
static bool LooksLikeUuid(const char* text) {
  static constexpr char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (strlen(text) != sizeof shape - 1) return false;
  for (size_t i = 0; i < sizeof shape - 1; i++)
    if (shape[i] == '-' ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == nullptr) return false;
  return true;
}

void SetTenant(Context* context, int64_t id, const char* key) {
  context->has_tenant = true;
  context->tenant_id = id;
  context->tenant_integer_key = id;
  context->has_integer_key = true;
  if (key == nullptr) return;
  strlcpy(context->tenant_text_key, key, sizeof context->tenant_text_key);
  // Likewise "7" alone stands for 7: " 7", "+7" and "007" are keys of their own.
  errno = 0;
  const long long integer = strtoll(key, nullptr, 10);
  context->has_integer_key = errno == 0 && strcmp(psprintf("%lld", integer), key) == 0;
  context->tenant_integer_key = integer;
  // Whatever else the key is, it cannot stand in a uuid column.
  if (LooksLikeUuid(key)) {
    const pg_uuid_t* uuid = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(key)));
    memcpy(context->tenant_uuid_key, uuid->data, UUID_LEN);
    context->has_uuid_key = true;
  }
}

// Neither this error nor that of login_site() logs the statement: a token that is still good may be its literal.
void RequireUnbound() {
  if (BoundContext() != nullptr)
    ereport(ERROR,
            (OpsadminErrcode(oa::context_already_bound), errmsg("a context is bound to this transaction already"),
             errhint("Begin a new transaction for another actor or tenant."), errhidestmt(true)));
  if (GetCurrentTransactionNestLevel() > 1)
    ereport(ERROR, (OpsadminErrcode(oa::context_already_bound), errmsg("a context cannot be bound below a savepoint"),
                    errhint("Bind it right after BEGIN."), errhidestmt(true)));
  if (IsInParallelMode())
    ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
                    errmsg("a context cannot be bound during a parallel operation")));
}

// require_unbound(): for what must know before it does something that stays done.
OPSADMIN_FUNCTION(opsadmin_require_unbound) {
  RequireUnbound();
  PG_RETURN_VOID();
}

// require_fresh_snapshot(): what this transaction sees of sessions, roles and tenants is at most some seconds old. With
// REPEATABLE READ and above it sees them as they were at its first statement.
OPSADMIN_FUNCTION(opsadmin_require_fresh_snapshot) {
  constexpr int most_milliseconds = 10000;
  if (IsolationUsesXactSnapshot() &&
      TimestampDifferenceExceeds(GetCurrentTransactionStartTimestamp(), GetCurrentTimestamp(), most_milliseconds))
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_TRANSACTION_STATE), errmsg("the transaction is too old to bind a context to it"),
             errdetail("It sees sessions, roles and tenants as they were when it began."),
             errhint("Bind the context right after BEGIN."), errhidestmt(true)));
  PG_RETURN_VOID();
}

void BindContext(Context* context) {
  RequireUnbound();
  context->owner = MyProcPid;
  *OwnEntry() = *context;
  EndAuditHeader();
}

static std::string_view TextArgument(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? std::string_view{} : ViewOf(PG_GETARG_TEXT_PP(argument));
}

// Binds the context, once a transaction, at its top level. The SQL wrappers decide who may.
// bind_context(site, actor_id, actor_name, tenant_id, tenant_key, permissions, ip, method, path,
//              request_id, reason, job_id, action, session_id)
OPSADMIN_FUNCTION(opsadmin_bind_context) {
  // Built aside, so that an error half way leaves nothing bound.
  Context* context = static_cast<Context*>(palloc0(sizeof(Context)));
  if (PG_ARGISNULL(0)) elog(ERROR, "a context needs a site");
  context->site = SiteOfName(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  context->actor_id = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
  SetField(context->actor_name, TextArgument(fcinfo, 2));
  if (!PG_ARGISNULL(3))
    SetTenant(context, PG_GETARG_INT64(3), PG_ARGISNULL(4) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(4)));
  if (!PG_ARGISNULL(5)) SetPermissions(context, TextsOf(PG_GETARG_DATUM(5)));
  SetField(context->ip, TextArgument(fcinfo, 6));
  SetField(context->method, TextArgument(fcinfo, 7));
  SetField(context->path, TextArgument(fcinfo, 8));
  SetField(context->request_id, TextArgument(fcinfo, 9));
  SetField(context->reason, TextArgument(fcinfo, 10));
  context->job_id = PG_ARGISNULL(11) ? 0 : PG_GETARG_INT64(11);
  SetField(context->action, TextArgument(fcinfo, 12));
  context->session_id = PG_ARGISNULL(13) ? 0 : PG_GETARG_INT64(13);
  BindContext(context);
  pfree(context);
  PG_RETURN_VOID();
}

// The context for a reader of the tenant, or NULL when internal staff act for no tenant in particular.
static const Context* TenantContext() {
  const Context* context = RequireContext();
  if (context->has_tenant) return context;
  if (context->site == Site::partner)
    ereport(ERROR, (OpsadminErrcode(oa::no_tenant_chosen), errmsg("no tenant is chosen"),
                    errdetail("The actor belongs to several tenants, or to none."),
                    errhint("Choose one with opsadmin.choose_tenant(), or name it when the context is bound.")));
  return nullptr;
}

[[noreturn]] static void RaiseKeyMismatch(const char* type) {
  ereport(ERROR, (OpsadminErrcode(oa::unknown_tenant), errmsg("the tenant has no key of type %s", type),
                  errhint("Set opsadmin.tenant.key to the value that the company's tenant columns hold.")));
  pg_unreachable();
}

OPSADMIN_FUNCTION(opsadmin_current_tenant) {
  const Context* context = TenantContext();
  if (context == nullptr) PG_RETURN_NULL();
  PG_RETURN_INT64(context->tenant_id);
}

OPSADMIN_FUNCTION(opsadmin_current_tenant_key_int4) {
  const Context* context = TenantContext();
  if (context == nullptr) PG_RETURN_NULL();
  if (!context->has_integer_key || context->tenant_integer_key != static_cast<int32>(context->tenant_integer_key))
    RaiseKeyMismatch("integer");
  PG_RETURN_INT32(static_cast<int32>(context->tenant_integer_key));
}

OPSADMIN_FUNCTION(opsadmin_current_tenant_key_int8) {
  const Context* context = TenantContext();
  if (context == nullptr) PG_RETURN_NULL();
  if (!context->has_integer_key) RaiseKeyMismatch("bigint");
  PG_RETURN_INT64(context->tenant_integer_key);
}

OPSADMIN_FUNCTION(opsadmin_current_tenant_key_uuid) {
  const Context* context = TenantContext();
  if (context == nullptr) PG_RETURN_NULL();
  if (!context->has_uuid_key) RaiseKeyMismatch("uuid");
  pg_uuid_t* uuid = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
  memcpy(uuid->data, context->tenant_uuid_key, UUID_LEN);
  PG_RETURN_UUID_P(uuid);
}

OPSADMIN_FUNCTION(opsadmin_current_tenant_key_text) {
  const Context* context = TenantContext();
  if (context == nullptr) PG_RETURN_NULL();
  if (context->tenant_text_key[0] == '\0') RaiseKeyMismatch("text");
  PG_RETURN_TEXT_P(cstring_to_text(context->tenant_text_key));
}

OPSADMIN_FUNCTION(opsadmin_current_actor) {
  const Context* context = RequireContext();
  if (context->actor_id == 0) PG_RETURN_NULL();
  PG_RETURN_INT64(context->actor_id);
}

OPSADMIN_FUNCTION(opsadmin_current_session) {
  const Context* context = RequireContext();
  if (context->session_id == 0) PG_RETURN_NULL();
  PG_RETURN_INT64(context->session_id);
}

OPSADMIN_FUNCTION(opsadmin_current_site) {
  PG_RETURN_TEXT_P(cstring_to_text(SiteName(RequireContext()->site)));
}

OPSADMIN_FUNCTION(opsadmin_can) {
  const Context* context = RequireContext();
  PG_RETURN_BOOL(HasPermission(context, text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

static void PushText(JsonbParseState** state, const char* key, const char* value) {
  JsonbValue item;
  item.type = jbvString;
  item.val.string.val = const_cast<char*>(key);
  item.val.string.len = strlen(key);
  pushJsonbValue(state, WJB_KEY, &item);
  if (value == nullptr || value[0] == '\0') {
    item.type = jbvNull;
  } else {
    item.val.string.val = const_cast<char*>(value);
    item.val.string.len = strlen(value);
  }
  pushJsonbValue(state, WJB_VALUE, &item);
}

static void PushInteger(JsonbParseState** state, const char* key, bool present, int64 value) {
  JsonbValue item;
  item.type = jbvString;
  item.val.string.val = const_cast<char*>(key);
  item.val.string.len = strlen(key);
  pushJsonbValue(state, WJB_KEY, &item);
  item.type = present ? jbvNumeric : jbvNull;
  if (present) item.val.numeric = int64_to_numeric(value);
  pushJsonbValue(state, WJB_VALUE, &item);
}

OPSADMIN_FUNCTION(opsadmin_context) {
  const Context* context = RequireContext();
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  PushInteger(&state, "actor_id", context->actor_id != 0, context->actor_id);
  PushText(&state, "actor_name", context->actor_name);
  PushText(&state, "site", SiteName(context->site));
  PushInteger(&state, "tenant_id", context->has_tenant, context->tenant_id);
  PushText(&state, "ip", context->ip);
  PushText(&state, "method", context->method);
  PushText(&state, "path", context->path);
  PushText(&state, "request_id", context->request_id);
  PushText(&state, "reason", context->reason);
  PushInteger(&state, "job_id", context->job_id != 0, context->job_id);
  PushText(&state, "action", context->action);
  JsonbValue item;
  item.type = jbvString;
  item.val.string.val = const_cast<char*>("permissions");
  item.val.string.len = strlen("permissions");
  pushJsonbValue(&state, WJB_KEY, &item);
  pushJsonbValue(&state, WJB_BEGIN_ARRAY, nullptr);
  for (const char* p = context->permissions; *p != '\0'; p += strlen(p) + 1) {
    item.val.string.val = const_cast<char*>(p);
    item.val.string.len = strlen(p);
    pushJsonbValue(&state, WJB_ELEM, &item);
  }
  pushJsonbValue(&state, WJB_END_ARRAY, nullptr);
  PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr)));
}

// login_site(): as LoginSite().
OPSADMIN_FUNCTION(opsadmin_login_site) {
  PG_RETURN_TEXT_P(cstring_to_text(SiteName(LoginSite())));
}

OPSADMIN_FUNCTION(opsadmin_context_is_bound) {
  PG_RETURN_BOOL(BoundContext() != nullptr);
}

}  // namespace opsadmin
