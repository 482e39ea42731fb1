// What the job engine keeps in a worker's memory.
#pragma once

namespace opsadmin {

void InitializeJobs();

}  // namespace opsadmin
