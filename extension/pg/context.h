// The context of a transaction: who asks, for which tenant, with which permissions. Plain data in
// shared memory, one entry a backend, so that parallel workers read their leader's.
#pragma once

#include "compat.h"

#include <string_view>

extern "C" {
#include "nodes/pg_list.h"
}

namespace opsadmin {

enum class Site : uint8_t { none, internal, partner };

struct Context {
  int owner;  // the process that bound it, 0: nobody; an entry that another process left counts for nothing
  Site site;
  bool has_tenant;
  bool has_integer_key;  // tenant_integer_key is what integer tenant columns hold
  bool has_uuid_key;
  int64_t actor_id;  // 0: no actor (the company's own application, system work)
  int64_t tenant_id;
  int64_t tenant_integer_key;
  int64_t job_id;      // 0: no job
  int64_t session_id;  // 0: no web session
  unsigned char tenant_uuid_key[16];
  char tenant_text_key[64];  // empty: none
  char actor_name[128];
  char ip[64];
  char method[16];
  char path[512];
  char request_id[64];
  char reason[256];
  char action[64];
  char permissions[4096];  // NUL-terminated names one after the other, ended by an empty one
};

// The context of this transaction (of the leader's, in a parallel worker), or NULL.
const Context* BoundContext();
// As BoundContext(), but raises OA001 without a context.
const Context* RequireContext();
// Tells whether the context has a permission: the very name, "*", or "*:verb".
bool HasPermission(const Context* context, const char* permission);
const char* SiteName(Site site);
Site SiteOfName(const char* name);
// The site of the gateway's login of this session; OA403 for everybody else.
Site LoginSite();
// Raises OA002 where no context can be bound: there is one already, or this is below a savepoint.
void RequireUnbound();

// Derives from a tenant's id and key the forms in which the company's columns may hold the tenant.
void SetTenant(Context* context, int64_t id, const char* key);
// The elements of a text array as C strings, without NULLs.
List* TextsOf(Datum array);
// Sorts names; each once, since several roles may have the same permission.
List* SortedNames(List* names);
// Copies names of permissions, sorted. An error when they do not fit.
void SetPermissions(Context* context, List* names);
// Copies a text into a field, cut at a character.
void CopyCut(char* field, size_t size, std::string_view value);
template <size_t size>
void SetField(char (&field)[size], std::string_view value) {
  CopyCut(field, size, value);
}
inline std::string_view ViewOf(const text* value) {
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}
// Binds a context to this transaction; OA002 as RequireUnbound().
void BindContext(Context* context);
// Puts a context, or none (NULL), in the place of this transaction's, and takes the session for one of the site's
// login, until the present subtransaction is rolled back; for prove_isolation() alone.
void RehearseContext(const Context* context, Site site);
// The site whose login the session is taken for during a rehearsal; none otherwise.
Site RehearsedSite();

void InitializeContext();
void RequestContextMemory();
void InitializeContextMemory();

}  // namespace opsadmin
