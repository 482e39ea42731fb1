// The switch of user of the job engine.
#pragma once

#include "compat.h"

namespace opsadmin {

struct RunAs {
  Oid saved_user;
  int saved_context;
  int guc_level;
};

// Becomes a role, as PostgreSQL's own maintenance commands do. The end of the
// (sub)transaction switches back, too. restricted: what would leave a trap for the switched-from role is refused
// (temporary tables, LISTEN, cursors WITH HOLD). SET ROLE and the like are refused in any case.
RunAs SwitchTo(Oid role, bool restricted = true);
// The engine reads its own small tables by their indexes alone; the company's tables are read as the planner likes.
void PlanFreely();
// Checks what the statements have deferred, while they are still the role's.
void CheckDeferred();
void SwitchBack(const RunAs& run);

}  // namespace opsadmin
