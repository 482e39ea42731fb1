// The sleeping workers of all databases, in shared memory, and how a commit wakes them.
#pragma once

namespace opsadmin {

void InitializeWorker();
void RequestWorkerMemory();
void InitializeWorkerMemory();

}  // namespace opsadmin
