// begin_request(): binds the context of an HTTP request from its session. Each request calls it, so it reads opsadmin's
// tables by their indexes. It sees what is committed by now, whatever the transaction's own snapshot is: who is shut
// out, and whose role is changed, is so from the next request on.
#include "actor.h"
#include "own_table.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace opsadmin {

struct WebSession {
  int64 id;
  int64 actor;
  const char* actor_name;
  int64 tenant;        // the one chosen, 0: none
  const char* reason;  // empty: none
};

// None of these errors logs the statement: a token that is still good may be its literal.
[[noreturn]] static void RaiseSessionInvalid() {
  ereport(ERROR, (OpsadminErrcode(oa::session_invalid), errmsg("the session is unknown or has expired"),
                  errhint("Sign in again."), errhidestmt(true)));
  pg_unreachable();
}

[[noreturn]] static void RaiseUnknownTenant(const text* slug) {
  const int length = pg_mbcharcliplen(VARDATA_ANY(slug), VARSIZE_ANY_EXHDR(slug), 100);
  ereport(ERROR, (OpsadminErrcode(oa::unknown_tenant),
                  errmsg("tenant \"%s\" does not exist", pnstrdup(VARDATA_ANY(slug), length)),
                  errhint("Check the address."), errhidestmt(true)));
  pg_unreachable();
}

[[noreturn]] static void RaiseSuspended() {
  ereport(ERROR, (OpsadminErrcode(oa::tenant_suspended), errmsg("the tenant is suspended"),
                  errhint("Its provider can end the suspension."), errhidestmt(true)));
  pg_unreachable();
}

static bool IsLive(const LookUp& secret, Site site) {
  bool is_null;
  if (strcmp(TextDatumGetCString(ColumnOf(secret, "purpose", &is_null)), "session") != 0) return false;
  const Datum secret_site = ColumnOf(secret, "site", &is_null);
  if (is_null || SiteOfName(TextDatumGetCString(secret_site)) != site) return false;
  const TimestampTz now = GetCurrentTimestamp();
  return DatumGetTimestampTz(ColumnOf(secret, "expires_at", &is_null)) > now &&
         DatumGetTimestampTz(ColumnOf(secret, "last_seen_at", &is_null)) > now - 8 * USECS_PER_HOUR;
}

// The session of a token on a site and its actor; OA010 when it is unknown or has expired, or the actor is disabled.
static WebSession RequireSession(const text* token, Site site, Snapshot snapshot) {
  if (token == nullptr) RaiseSessionInvalid();
  // Tokens are ASCII, which is the same in every encoding that a server has.
  const Datum hash = DirectFunctionCall1(sha256_bytea, PointerGetDatum(token));
  LookUp secret = BeginLookUp("secret", "secret_hash_key", hash, snapshot);
  if (!NextRow(&secret) || !IsLive(secret, site)) RaiseSessionInvalid();
  bool is_null;
  WebSession session = {};
  session.id = DatumGetInt64(ColumnOf(secret, "id", &is_null));
  session.actor = DatumGetInt64(ColumnOf(secret, "actor_id", &is_null));
  const Datum tenant = ColumnOf(secret, "tenant_id", &is_null);
  session.tenant = is_null ? 0 : DatumGetInt64(tenant);
  const Datum reason = ColumnOf(secret, "reason", &is_null);
  session.reason = is_null ? "" : TextDatumGetCString(reason);
  EndLookUp(secret);
  session.actor_name = FindActorName(session.actor, snapshot);
  if (session.actor_name == nullptr) RaiseSessionInvalid();
  return session;
}

static bool HasRoleIn(const List* bindings, int64 tenant) {
  const ListCell* cell;
  foreach (cell, bindings)
    if (static_cast<const RoleBinding*>(lfirst(cell))->tenant == tenant) return true;
  return false;
}

// The tenant of a slug. One that is another's does not exist for a partner, suspended or not.
static const Tenant* RequireTenant(const text* slug, Site site, const List* bindings, Snapshot snapshot) {
  const Tenant* tenant = FindTenantBySlug(slug, snapshot);
  if (tenant == nullptr || (site == Site::partner && !HasRoleIn(bindings, tenant->id))) RaiseUnknownTenant(slug);
  if (site == Site::partner && tenant->is_suspended) RaiseSuspended();
  return tenant;
}

// The tenant that a partner has chosen, or the only one there is; NULL: neither, or it is suspended and others are not.
static const Tenant* PartnerTenant(int64 chosen, const List* bindings, Snapshot snapshot) {
  const int64 first = static_cast<const RoleBinding*>(linitial(bindings))->tenant;
  bool is_only = true;
  const ListCell* cell;
  foreach (cell, bindings) is_only = is_only && static_cast<const RoleBinding*>(lfirst(cell))->tenant == first;
  const int64 id = HasRoleIn(bindings, chosen) ? chosen : is_only ? first : 0;
  if (id != 0) {
    const Tenant* tenant = FindTenant(id, snapshot);
    if (tenant != nullptr && !tenant->is_suspended) return tenant;
  }
  foreach (cell, bindings) {
    const Tenant* other = FindTenant(static_cast<const RoleBinding*>(lfirst(cell))->tenant, snapshot);
    if (other != nullptr && !other->is_suspended) return nullptr;
  }
  RaiseSuspended();
}

// begin_request(session_token, tenant, ip, method, path, request_id); SQL's comment tells what it raises.
OPSADMIN_FUNCTION(opsadmin_begin_request) {
  const Site site = LoginSite();
  const text* slug = PG_ARGISNULL(1) ? nullptr : PG_GETARG_TEXT_PP(1);
  const Snapshot latest = RegisterSnapshot(GetLatestSnapshot());
  const WebSession session = RequireSession(PG_ARGISNULL(0) ? nullptr : PG_GETARG_TEXT_PP(0), site, latest);
  const List* bindings = FindRoleBindings(session.actor, site, latest);
  if (bindings == NIL) RaiseSessionInvalid();
  const Tenant* tenant = slug != nullptr          ? RequireTenant(slug, site, bindings, latest)
                         : site == Site::internal ? FindTenant(session.tenant, latest)
                                                  : PartnerTenant(session.tenant, bindings, latest);
  Context* context = static_cast<Context*>(palloc0(sizeof(Context)));
  context->site = site;
  context->actor_id = session.actor;
  context->session_id = session.id;
  SetField(context->actor_name, session.actor_name);
  SetField(context->reason, session.reason);
  if (tenant != nullptr) SetTenant(context, tenant->id, tenant->key);
  SetPermissions(context, FindPermissions(bindings, site, context->tenant_id, latest));
  UnregisterSnapshot(latest);
  if (!PG_ARGISNULL(2))
    SetField(context->ip, ViewOf(DatumGetTextPP(DirectFunctionCall1(network_host, PG_GETARG_DATUM(2)))));
  if (!PG_ARGISNULL(3)) SetField(context->method, ViewOf(PG_GETARG_TEXT_PP(3)));
  if (!PG_ARGISNULL(4)) SetField(context->path, ViewOf(PG_GETARG_TEXT_PP(4)));
  if (!PG_ARGISNULL(5)) SetField(context->request_id, ViewOf(PG_GETARG_TEXT_PP(5)));
  BindContext(context);
  pfree(context);
  PG_RETURN_VOID();
}

}  // namespace opsadmin
