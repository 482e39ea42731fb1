// Who an actor is, where they have roles and what those permit, as a snapshot has it.
#pragma once

#include "context.h"

extern "C" {
#include "nodes/pg_list.h"
#include "utils/snapshot.h"
}

namespace opsadmin {

struct Tenant {
  int64 id;
  const char* key;  // NULL: the id
  bool is_suspended;
};

struct RoleBinding {
  int64 tenant;  // 0: none, on the internal site
  const char* role;
};

// A tenant, or NULL.
const Tenant* FindTenant(int64 id, Snapshot snapshot);
const Tenant* FindTenantBySlug(const text* slug, Snapshot snapshot);
// The name of an actor, or NULL when there is none, or they are disabled.
const char* FindActorName(int64 id, Snapshot snapshot);
// The roles of an actor on a site, as RoleBindings.
List* FindRoleBindings(int64 actor, Site site, Snapshot snapshot);
// What bindings of a site permit, for partners in a tenant, as C strings.
List* FindPermissions(const List* bindings, Site site, int64 tenant, Snapshot snapshot);

}  // namespace opsadmin
