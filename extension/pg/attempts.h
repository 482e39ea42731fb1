// Attempts to sign in, counted in shared memory: a rolled-back transaction takes its row back, but not its attempt.
#pragma once

namespace opsadmin {

void RequestAttemptsMemory();
void InitializeAttemptsMemory();

}  // namespace opsadmin
