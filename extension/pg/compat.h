// Differences between PostgreSQL 15 and 17, in one place. Includes the server's base header, so that a
// file of the pg zone begins with this one.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
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

// The parameters of ExecutorCheckPerms_hook, and the same as arguments.
#if PG_VERSION_NUM >= 160000
#define OPSADMIN_CHECK_PERMS_PARAMETERS List *range_table, List *permissions, bool raises
#define OPSADMIN_CHECK_PERMS_ARGUMENTS range_table, permissions, raises
#define OPSADMIN_PERMISSION_LIST permissions
#else
#define OPSADMIN_CHECK_PERMS_PARAMETERS List *range_table, bool raises
#define OPSADMIN_CHECK_PERMS_ARGUMENTS range_table, raises
#define OPSADMIN_PERMISSION_LIST range_table
#endif

// Of utils/pg_locale.h, which wants the headers of ICU.
extern "C" PGDLLIMPORT char* locale_monetary;

// A walker of trees as the server declares it; before 16 it was a function without a prototype.
#if PG_VERSION_NUM >= 160000
#define OPSADMIN_WALKER(function) (function)
#else
#define OPSADMIN_WALKER(function) reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(function))
#endif

// What an index wants after the last of many insertions, since 17.
#if PG_VERSION_NUM >= 170000
#define OPSADMIN_INDEX_INSERT_CLEANUP(index, info) index_insert_cleanup(index, info)
#else
#define OPSADMIN_INDEX_INSERT_CLEANUP(index, info) ((void)(info))
#endif

namespace opsadmin {

// An item of OPSADMIN_PERMISSION_LIST: what a statement wants of a relation.
#if PG_VERSION_NUM >= 160000
using RelationPermission = RTEPermissionInfo;
#else
using RelationPermission = RangeTblEntry;
#endif

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
