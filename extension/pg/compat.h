// Differences between PostgreSQL 15 and 17, in one place. Includes the server's base header, so that a
// file of the pg zone begins with this one.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/proc.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

#define OPSADMIN_FUNCTION(name) \
  extern "C" {                  \
  PG_FUNCTION_INFO_V1(name);    \
  Datum name(PG_FUNCTION_ARGS); \
  }                             \
  Datum name([[maybe_unused]] PG_FUNCTION_ARGS)

namespace opsadmin {

// The index of a process in arrays of MaxBackends entries.
inline int ProcIndex(PGPROC* proc) {
#if PG_VERSION_NUM >= 170000
  return GetNumberFromPGProc(proc);
#else
  return proc->pgprocno;
#endif
}

// The process at an index, or NULL when the index is out of range.
inline PGPROC* ProcAt(int index) {
  if (index < 0 || index >= static_cast<int>(ProcGlobal->allProcCount)) return nullptr;
  return &ProcGlobal->allProcs[index];
}

}  // namespace opsadmin
