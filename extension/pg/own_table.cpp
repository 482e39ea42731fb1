// Reads opsadmin's own tables by index. Locks are let go of at the end of a look-up, as those of catalogs are.
#include "own_table.h"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "utils/lsyscache.h"
}

namespace opsadmin {

LookUp BeginLookUp(const char* table, const char* index, Datum value, Snapshot snapshot) {
  LookUp look_up;
  const Oid schema = get_namespace_oid("opsadmin", false);
  look_up.table = table_open(get_relname_relid(table, schema), AccessShareLock);
  look_up.index = index_open(get_relname_relid(index, schema), AccessShareLock);
  look_up.slot = table_slot_create(look_up.table, nullptr);
  const Oid type = look_up.index->rd_opcintype[0];
  const Oid equal = get_opfamily_member(look_up.index->rd_opfamily[0], type, type, BTEqualStrategyNumber);
  ScanKeyData condition;
  ScanKeyEntryInitialize(&condition, 0, 1, BTEqualStrategyNumber, InvalidOid, look_up.index->rd_indcollation[0],
                         get_opcode(equal), value);
  look_up.scan = index_beginscan(look_up.table, look_up.index, snapshot, 1, 0);
  index_rescan(look_up.scan, &condition, 1, nullptr, 0);
  return look_up;
}

bool NextRow(LookUp* look_up) {
  return index_getnext_slot(look_up->scan, ForwardScanDirection, look_up->slot);
}

Datum ColumnOf(const LookUp& look_up, const char* column, bool* is_null) {
  const TupleDesc descriptor = look_up.slot->tts_tupleDescriptor;
  for (int i = 0; i < descriptor->natts; i++) {
    const FormData_pg_attribute* attribute = TupleDescAttr(descriptor, i);
    if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), column) == 0)
      return slot_getattr(look_up.slot, i + 1, is_null);
  }
  elog(ERROR, "table \"%s\" has no column \"%s\"", RelationGetRelationName(look_up.table), column);
}

void EndLookUp(const LookUp& look_up) {
  index_endscan(look_up.scan);
  ExecDropSingleTupleTableSlot(look_up.slot);
  index_close(look_up.index, AccessShareLock);
  table_close(look_up.table, AccessShareLock);
}

}  // namespace opsadmin
