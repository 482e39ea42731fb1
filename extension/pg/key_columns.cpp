// The primary key of a table by the catalogs alone: nobody waits here for a table that is being changed.
#include "compat.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}

namespace opsadmin {

// The row of pg_index of a table's primary key, as a copy; NULL without one.
static HeapTuple FindPrimaryKey(Relation indexes, Oid table) {
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
  const SysScanDesc scan = systable_beginscan(indexes, IndexIndrelidIndexId, true, nullptr, 1, &key);
  HeapTuple found = nullptr;
  while (found == nullptr) {
    const HeapTuple row = systable_getnext(scan);
    if (!HeapTupleIsValid(row)) break;
    if (reinterpret_cast<Form_pg_index>(GETSTRUCT(row))->indisprimary) found = heap_copytuple(row);
  }
  systable_endscan(scan);
  return found;
}

// A type as it is written in a cast, whatever the search_path is.
static const char* TypeName(Oid type) {
  const HeapTuple row = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
  if (!HeapTupleIsValid(row)) elog(ERROR, "type %u does not exist", type);
  const bool of_server = reinterpret_cast<Form_pg_type>(GETSTRUCT(row))->typnamespace == PG_CATALOG_NAMESPACE;
  ReleaseSysCache(row);
  return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | (of_server ? 0 : FORMAT_TYPE_FORCE_QUALIFY));
}

static const char* FamilyName(Oid operator_class) {
  const HeapTuple row = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(get_opclass_family(operator_class)));
  if (!HeapTupleIsValid(row)) elog(ERROR, "operator class %u has no family", operator_class);
  const char* name = pstrdup(NameStr(reinterpret_cast<Form_pg_opfamily>(GETSTRUCT(row))->opfname));
  ReleaseSysCache(row);
  return name;
}

[[noreturn]] static void RaiseNoKey(Oid table) {
  const char* name = DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(table)));
  ereport(ERROR,
          (OpsadminErrcode(oa::no_primary_key), errmsg("table \"%s\" has no primary key", name),
           errdetail("Rows are named by their primary key."), errhint("ALTER TABLE %s ADD PRIMARY KEY (…);", name)));
  pg_unreachable();
}

// key_columns(target) returns (names, types, key_order) of a table's primary key.
OPSADMIN_FUNCTION(opsadmin_key_columns) {
  TupleDesc result;
  if (get_call_result_type(fcinfo, nullptr, &result) != TYPEFUNC_COMPOSITE) elog(ERROR, "key_columns() returns a row");
  const Oid table = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
  const Relation indexes = table_open(IndexRelationId, AccessShareLock);
  const HeapTuple row = FindPrimaryKey(indexes, table);
  if (row == nullptr) RaiseNoKey(table);
  const auto* index = reinterpret_cast<Form_pg_index>(GETSTRUCT(row));
  bool is_null;
  const Datum classes = heap_getattr(row, Anum_pg_index_indclass, RelationGetDescr(indexes), &is_null);
  const Datum collations = heap_getattr(row, Anum_pg_index_indcollation, RelationGetDescr(indexes), &is_null);
  Datum names[INDEX_MAX_KEYS];
  Datum types[INDEX_MAX_KEYS];
  StringInfoData order;
  initStringInfo(&order);
  for (int i = 0; i < index->indnkeyatts; i++) {
    const AttrNumber column = index->indkey.values[i];
    const char* name = get_attname(table, column, false);
    const Oid collation = reinterpret_cast<oidvector*>(DatumGetPointer(collations))->values[i];
    names[i] = DirectFunctionCall1(namein, CStringGetDatum(name));
    types[i] = CStringGetTextDatum(TypeName(get_atttype(table, column)));
    appendStringInfo(&order, "%s%s %s", i == 0 ? "" : ", ", quote_identifier(name),
                     FamilyName(reinterpret_cast<oidvector*>(DatumGetPointer(classes))->values[i]));
    if (OidIsValid(collation)) appendStringInfo(&order, " %s", get_collation_name(collation));
  }
  table_close(indexes, AccessShareLock);
  Datum values[] = {
      PointerGetDatum(construct_array(names, index->indnkeyatts, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR)),
      PointerGetDatum(construct_array(types, index->indnkeyatts, TEXTOID, -1, false, TYPALIGN_INT)),
      CStringGetTextDatum(order.data)};
  bool nulls[lengthof(values)] = {};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(result), values, nulls)));
}

}  // namespace opsadmin
