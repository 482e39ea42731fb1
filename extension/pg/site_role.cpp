// Tells the site of a role by its memberships, and of a statement by its session and its current user.
#include "site_role.h"

extern "C" {
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"
}

namespace opsadmin {

struct KnownRole {
  Oid role;
  Site site;
};

// A session meets few roles: its login, a site's role, owners of functions.
static constexpr int max_known = 8;
static KnownRole known[max_known];
static int known_count = 0;
static uint64 role_changes = 0;

static void ForgetRoles(Datum, int, uint32) {
  known_count = 0;
  role_changes++;
}

void InitializeSiteRoles() {
  CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, ForgetRoles, Datum{0});
  CacheRegisterSyscacheCallback(AUTHOID, ForgetRoles, Datum{0});
}

// Privileges count, not bare membership: opsadmin_trusted is a NOINHERIT member of both sites, and who is
// trusted takes a site's role on by SET ROLE. A role of both sites is held to the narrower one.
static Site LookUpSite(Oid role) {
  if (superuser_arg(role)) return Site::none;
  const Oid partner = get_role_oid("opsadmin_partner", true);
  if (OidIsValid(partner) && has_privs_of_role(role, partner)) return Site::partner;
  const Oid internal = get_role_oid("opsadmin_internal", true);
  if (OidIsValid(internal) && has_privs_of_role(role, internal)) return Site::internal;
  return Site::none;
}

static Site SiteOf(Oid role) {
  for (int i = 0; i < known_count; i++)
    if (known[i].role == role) return known[i].site;
  const uint64 changes = role_changes;
  const Site site = LookUpSite(role);
  // What changed during the look-up may have changed its answer.
  if (changes == role_changes) {
    if (known_count == max_known) known_count = 0;
    known[known_count++] = {role, site};
  }
  return site;
}

Caller CurrentCaller() {
  const Oid user = GetUserId();
  const Oid session = GetSessionUserId();
  const Site own = SiteOf(user);
  const Site rehearsed = RehearsedSite();
  const Site login = rehearsed != Site::none ? rehearsed : user == session ? own : SiteOf(session);
  if (own != Site::none) return {own, true, login != Site::none};
  // Superusers' functions, opsadmin's own among them, may do everything in anybody's session.
  if (login == Site::none || superuser_arg(user)) return {Site::none, false, false};
  return {login, false, true};
}

}  // namespace opsadmin
