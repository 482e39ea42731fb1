// Fair turns of the job queue, in shared memory.
#pragma once

namespace opsadmin {

void RequestTurnsMemory();
void InitializeTurnsMemory();

}  // namespace opsadmin
