// What the planner knows of the tables when it plans for a partner.
#pragma once

namespace opsadmin {

void InstallStatisticsHooks();

}  // namespace opsadmin
