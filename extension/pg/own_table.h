// Reads opsadmin's own tables by their indexes and without SQL, past rights and policies: for what every request asks,
// where plans and executors would cost most of the time. The caller decides who may know what it finds.
#pragma once

#include "compat.h"

extern "C" {
#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
}

namespace opsadmin {

// The rows whose first column of an index has a value.
struct LookUp {
  Relation table;
  Relation index;
  IndexScanDesc scan;
  TupleTableSlot* slot;  // the present row
};

LookUp BeginLookUp(const char* table, const char* index, Datum value, Snapshot snapshot);
// Goes to the next row; false after the last one.
bool NextRow(LookUp* look_up);
// A column of the present row, which is good until the next one.
Datum ColumnOf(const LookUp& look_up, const char* column, bool* is_null);
void EndLookUp(const LookUp& look_up);

}  // namespace opsadmin
