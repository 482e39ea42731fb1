// Work that may fail without the transaction failing with it.
#pragma once

extern "C" {
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}

namespace opsadmin {

// Does the work in an internal subtransaction. Returns NULL when it has succeeded; otherwise its changes are taken
// back, and the error is returned in the caller's memory context. The work has no objects with destructors.
template <typename Work>
ErrorData* InSubtransaction(Work work) {
  MemoryContext caller = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  ErrorData* volatile error = nullptr;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(caller);
  PG_TRY();
  {
    work();
    ReleaseCurrentSubTransaction();
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    error = CopyErrorData();
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
  }
  PG_END_TRY();
  MemoryContextSwitchTo(caller);
  CurrentResourceOwner = owner;
  return error;
}

}  // namespace opsadmin
