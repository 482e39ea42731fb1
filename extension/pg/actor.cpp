// Reads actors, tenants, and roles with what they permit. It judges nothing: who may bind what is decided by its
// callers.
#include "actor.h"
#include "own_table.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
}

namespace opsadmin {

// The tenant of a look-up that finds one at most.
static const Tenant* ReadTenant(LookUp look_up) {
  Tenant* tenant = nullptr;
  if (NextRow(&look_up)) {
    bool is_null;
    tenant = static_cast<Tenant*>(palloc(sizeof(Tenant)));
    tenant->id = DatumGetInt64(ColumnOf(look_up, "id", &is_null));
    const Datum key = ColumnOf(look_up, "key", &is_null);
    tenant->key = is_null ? nullptr : TextDatumGetCString(key);
    (void)ColumnOf(look_up, "suspended_at", &is_null);
    tenant->is_suspended = !is_null;
  }
  EndLookUp(look_up);
  return tenant;
}

const Tenant* FindTenant(int64 id, Snapshot snapshot) {
  return ReadTenant(BeginLookUp("tenant", "tenant_pkey", Int64GetDatum(id), snapshot));
}

const Tenant* FindTenantBySlug(const text* slug, Snapshot snapshot) {
  return ReadTenant(BeginLookUp("tenant", "tenant_slug_key", PointerGetDatum(slug), snapshot));
}

const char* FindActorName(int64 id, Snapshot snapshot) {
  LookUp look_up = BeginLookUp("actor", "actor_pkey", Int64GetDatum(id), snapshot);
  const char* name = nullptr;
  if (NextRow(&look_up)) {
    bool is_null;
    (void)ColumnOf(look_up, "disabled_at", &is_null);
    if (is_null) name = TextDatumGetCString(ColumnOf(look_up, "display_name", &is_null));
  }
  EndLookUp(look_up);
  return name;
}

List* FindRoleBindings(int64 actor, Site site, Snapshot snapshot) {
  LookUp look_up =
      BeginLookUp("role_binding", "role_binding_actor_id_role_name_tenant_id_key", Int64GetDatum(actor), snapshot);
  List* bindings = NIL;
  while (NextRow(&look_up)) {
    bool is_null;
    if (SiteOfName(TextDatumGetCString(ColumnOf(look_up, "site", &is_null))) != site) continue;
    RoleBinding* binding = static_cast<RoleBinding*>(palloc(sizeof(RoleBinding)));
    binding->role = TextDatumGetCString(ColumnOf(look_up, "role_name", &is_null));
    const Datum tenant = ColumnOf(look_up, "tenant_id", &is_null);
    binding->tenant = is_null ? 0 : DatumGetInt64(tenant);
    bindings = lappend(bindings, binding);
  }
  EndLookUp(look_up);
  return bindings;
}

static List* AppendPermissions(List* names, const char* role, Snapshot snapshot) {
  LookUp look_up = BeginLookUp("access_role", "access_role_pkey", CStringGetTextDatum(role), snapshot);
  if (NextRow(&look_up)) {
    bool is_null;
    names = list_concat(names, TextsOf(ColumnOf(look_up, "permissions", &is_null)));
  }
  EndLookUp(look_up);
  return names;
}

List* FindPermissions(const List* bindings, Site site, int64 tenant, Snapshot snapshot) {
  List* names = NIL;
  const ListCell* cell;
  foreach (cell, bindings) {
    const auto* binding = static_cast<const RoleBinding*>(lfirst(cell));
    if (site == Site::internal || binding->tenant == tenant) names = AppendPermissions(names, binding->role, snapshot);
  }
  return names;
}

// permissions(actor_id, site, tenant_id): those of an actor on a site, for partners in one tenant.
OPSADMIN_FUNCTION(opsadmin_permissions) {
  List* names = NIL;
  if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1)) {
    const Site site = SiteOfName(text_to_cstring(PG_GETARG_TEXT_PP(1)));
    const Snapshot snapshot = GetActiveSnapshot();
    names = SortedNames(FindPermissions(FindRoleBindings(PG_GETARG_INT64(0), site, snapshot), site,
                                        PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2), snapshot));
  }
  Datum* texts = static_cast<Datum*>(palloc(sizeof(Datum) * (list_length(names) + 1)));
  int count = 0;
  ListCell* cell;
  foreach (cell, names) texts[count++] = CStringGetTextDatum(static_cast<const char*>(lfirst(cell)));
  PG_RETURN_ARRAYTYPE_P(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

}  // namespace opsadmin
