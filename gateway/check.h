// --check: tests the set-up and says in one sentence each what is well or wrong, with the remedy. Changes nothing.
#pragma once

#include "options.h"

namespace opsadmin {

// Returns whether all is well.
bool check(const Options& options);

}  // namespace opsadmin
