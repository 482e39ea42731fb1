// Reads actors, tenants, and roles with what they permit. It judges nothing: who may bind what is decided by its
// callers.
#include "actor.h"
#include "own_table.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
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

void SetPermissionsOf(Context* context, const List* bindings, Snapshot snapshot) {
  List* names = NIL;
  const ListCell* cell;
  foreach (cell, bindings) {
    const auto* binding = static_cast<const RoleBinding*>(lfirst(cell));
    if (context->site == Site::internal || (context->has_tenant && binding->tenant == context->tenant_id))
      names = AppendPermissions(names, binding->role, snapshot);
  }
  SetPermissions(context, names);
}

}  // namespace opsadmin
