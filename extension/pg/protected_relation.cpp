// Reads the registry of protected tables for the hooks: by index and without SQL, since whoever runs the
// statement may not read it, and keeps what it found until an invalidation.
#include "protected_relation.h"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
}

namespace opsadmin {

static HTAB* facts_by_relation = nullptr;
static uint64 invalidations = 0;

// The tables of the registry, with the column and the index by which a row is found. Their OIDs are kept so
// that a change of theirs is noticed.
struct RegistryTable {
  const char* name;
  const char* column;
  const char* index;
  RegProcedure equal;
};
enum { registry_target, registry_protected_table, registry_resource, registry_tables };
static constexpr RegistryTable registry_keys[registry_tables] = {
    {"target", "relation", "target_relation_key", F_OIDEQ},
    {"protected_table", "target_id", "protected_table_pkey", F_INT4EQ},
    {"resource", "target_id", "resource_target_id_key", F_INT4EQ}};
static Oid registry[registry_tables];

static void ForgetFacts(Datum, Oid relation) {
  bool concerned = !OidIsValid(relation);
  for (const Oid table : registry) concerned = concerned || table == relation;
  if (!concerned && hash_search(facts_by_relation, &relation, HASH_FIND, nullptr) == nullptr) return;
  invalidations++;
  // Children have the facts of their parents: what concerns one may concern others.
  HASH_SEQ_STATUS all;
  hash_seq_init(&all, facts_by_relation);
  while (const auto* facts = static_cast<RelationFacts*>(hash_seq_search(&all)))
    hash_search(facts_by_relation, &facts->relation, HASH_REMOVE, nullptr);
}

static void EnsureFacts() {
  if (facts_by_relation != nullptr) return;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(RelationFacts);
  control.hcxt = TopMemoryContext;
  facts_by_relation = hash_create("opsadmin relations", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  CacheRegisterRelcacheCallback(ForgetFacts, Datum{0});
}

// The row of a table of the registry with a value, as a copy; NULL without one.
static HeapTuple FindRow(Relation* tables, int number, Datum value) {
  const RegistryTable& by = registry_keys[number];
  const Relation table = tables[number];
  ScanKeyData key;
  ScanKeyInit(&key, get_attnum(RelationGetRelid(table), by.column), BTEqualStrategyNumber, by.equal, value);
  const SysScanDesc scan =
      systable_beginscan(table, get_relname_relid(by.index, RelationGetNamespace(table)), true, nullptr, 1, &key);
  const HeapTuple found = systable_getnext(scan);
  const HeapTuple row = HeapTupleIsValid(found) ? heap_copytuple(found) : nullptr;
  systable_endscan(scan);
  return row;
}

static Datum ColumnOf(Relation table, HeapTuple row, const char* column) {
  bool is_null;
  return heap_getattr(row, get_attnum(RelationGetRelid(table), column), RelationGetDescr(table), &is_null);
}

// Fills is_protected, resource and tenant_column from the registry's row of the relation; false when it has none.
static bool ReadRegistry(Oid relation, Relation* tables, RelationFacts* facts) {
  const char* name = get_rel_name(relation);
  const HeapTuple target = FindRow(tables, registry_target, ObjectIdGetDatum(relation));
  // A row may have outlived its table, where no event trigger noticed.
  if (name == nullptr || target == nullptr) return false;
  const Datum id = ColumnOf(tables[registry_target], target, "id");
  const HeapTuple protection = FindRow(tables, registry_protected_table, id);
  if (protection == nullptr) return false;
  facts->is_protected = true;
  strlcpy(facts->tenant_column,
          NameStr(*DatumGetName(ColumnOf(tables[registry_protected_table], protection, "tenant_column"))), NAMEDATALEN);
  const HeapTuple resource = FindRow(tables, registry_resource, id);
  if (resource != nullptr)
    text_to_cstring_buffer(DatumGetTextPP(ColumnOf(tables[registry_resource], resource, "name")), facts->resource,
                           NAMEDATALEN);
  else
    strlcpy(facts->resource, name, NAMEDATALEN);
  return true;
}

// The tables that the relation is a partition or child of.
static List* ParentsOf(Oid relation) {
  const Relation inherits = table_open(InheritsRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  const SysScanDesc scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
  List* parents = NIL;
  while (const HeapTuple row = systable_getnext(scan))
    parents = lappend_oid(parents, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(row))->inhparent);
  systable_endscan(scan);
  table_close(inherits, AccessShareLock);
  return parents;
}

static RelationFacts LookUpFacts(Oid relation) {
  RelationFacts facts = {relation, false, false, "", ""};
  const Oid schema = get_rel_namespace(relation);
  facts.of_server = schema == PG_CATALOG_NAMESPACE || schema == PG_TOAST_NAMESPACE ||
                    schema == get_namespace_oid("information_schema", true);
  const Oid own_schema = get_namespace_oid("opsadmin", true);
  if (facts.of_server || !OidIsValid(own_schema)) return facts;
  Relation tables[registry_tables];
  for (int i = 0; i < registry_tables; i++) {
    registry[i] = get_relname_relid(registry_keys[i].name, own_schema);
    // While the extension is being created or dropped there is no registry yet, or none any more.
    if (!OidIsValid(registry[i])) return facts;
  }
  for (int i = 0; i < registry_tables; i++) tables[i] = table_open(registry[i], AccessShareLock);
  const bool registered = ReadRegistry(relation, tables, &facts);
  for (const Relation table : tables) table_close(table, AccessShareLock);
  if (registered) return facts;
  // A child has the facts of its nearest protected parent, which are kept, too: a change of any of them is noticed.
  ListCell* cell;
  foreach (cell, ParentsOf(relation)) {
    const RelationFacts parent = FactsOf(lfirst_oid(cell));
    if (!parent.is_protected) continue;
    facts.is_protected = true;
    strlcpy(facts.resource, parent.resource, NAMEDATALEN);
    strlcpy(facts.tenant_column, parent.tenant_column, NAMEDATALEN);
    break;
  }
  return facts;
}

RelationFacts FactsOf(Oid relation) {
  EnsureFacts();
  if (const auto* kept = static_cast<RelationFacts*>(hash_search(facts_by_relation, &relation, HASH_FIND, nullptr)))
    return *kept;
  const uint64 before = invalidations;
  const MemoryContext caller = CurrentMemoryContext;
  const MemoryContext look_up = AllocSetContextCreate(caller, "opsadmin look-up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(look_up);
  const RelationFacts facts = LookUpFacts(relation);
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(look_up);
  // What changed meanwhile may have changed the answer.
  if (before == invalidations)
    *static_cast<RelationFacts*>(hash_search(facts_by_relation, &relation, HASH_ENTER, nullptr)) = facts;
  return facts;
}

// resource_of(relation): the name by which permissions speak of a protected relation, NULL when it is not protected.
OPSADMIN_FUNCTION(opsadmin_resource_of) {
  const RelationFacts facts = FactsOf(PG_GETARG_OID(0));
  if (!facts.is_protected) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(cstring_to_text(facts.resource));
}

// The trigger of the registry's tables: a change of theirs is a change of what FactsOf() has read there.
OPSADMIN_FUNCTION(opsadmin_registry_changed) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("opsadmin_private.registry_changed() is a trigger")));
  CacheInvalidateRelcache(reinterpret_cast<TriggerData*>(fcinfo->context)->tg_relation);
  return PointerGetDatum(nullptr);
}

}  // namespace opsadmin
