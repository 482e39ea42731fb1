// Which site a role belongs to, and whose statement the present one is. Both are asked for each
// statement, so the answers are kept until a role or a membership changes.
#pragma once

#include "compat.h"
#include "context.h"

namespace opsadmin {

// Whose statement is running: of no site (superusers, the company's own roles), or of a site's role.
struct Caller {
  Site site;
  bool by_right;  // the current user is of the site; otherwise code of another owner runs in its session
  bool at_login;  // the session itself is of the site, not one that has only taken on its role
};

Caller CurrentCaller();

void InitializeSiteRoles();

}  // namespace opsadmin
