// What the planner knows of tables with row-level security.
#pragma once

#include "compat.h"

namespace opsadmin {

// Takes policies that let every row in, as those of trusted roles do, out of a query that is to be planned.
void ForgetOpenPolicies(Query* query);

void InstallStatisticsHooks();

}  // namespace opsadmin
