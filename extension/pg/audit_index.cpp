// Puts rows of the audit tables into the indexes of their partitions. Of the few partitions that are written to, a
// backend keeps which indexes there are and what is in them, so that one that a row has no place in is not even opened:
// a header is in one to three of six.
#include "audit.h"

extern "C" {
#include "access/genam.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "utils/memutils.h"
}

namespace opsadmin {

static constexpr int longest_constant = 32;

// An index of such a table. Those that opsadmin makes are on plain columns, at most with "column IS NOT NULL" or, of a
// text, "column = constant": their tuples need no executor.
struct Index {
  Oid oid;
  bool is_plain;
  AttrNumber not_null;  // the column that must not be NULL, 0: none
  int equals_length;    // of what that column must be equal to, -1: anything
  char equals[longest_constant];
  Relation relation;  // NULL until a row needs it
  IndexInfo* info;
  bool takes_rows;
};

struct IndexSet {
  Relation table;
  Index* indexes;
  int count;
  MemoryContext context;
  EState* estate;  // for indexes that somebody else has made, NULL until it is needed
};

// What is known of a table's indexes; none of them is open here.
struct KnownIndexes {
  Oid table;  // InvalidOid: nothing
  Index* indexes;
  int count;
};

// Those of the entries and of the headers of a week, but a transaction may go on into the next one.
static KnownIndexes known_indexes[4];
static int next_known = 0;
static uint64 forgettings = 0;

void ForgetIndexes(Oid table) {
  forgettings++;
  for (KnownIndexes& known : known_indexes)
    if (!OidIsValid(table) || known.table == table) known.table = InvalidOid;
}

// Notes the condition of a partial index; false when it is another one than those of opsadmin.
static bool ReadCondition(Index* index, Node* condition) {
  Node* column = nullptr;
  if (IsA(condition, NullTest) && castNode(NullTest, condition)->nulltesttype == IS_NOT_NULL) {
    column = reinterpret_cast<Node*>(castNode(NullTest, condition)->arg);
  } else if (IsA(condition, OpExpr) && castNode(OpExpr, condition)->opno == TextEqualOperator) {
    const List* sides = castNode(OpExpr, condition)->args;
    if (!IsA(lsecond(sides), Const) || castNode(Const, lsecond(sides))->constisnull) return false;
    const text* constant = DatumGetTextPP(castNode(Const, lsecond(sides))->constvalue);
    column = static_cast<Node*>(linitial(sides));
    index->equals_length = VARSIZE_ANY_EXHDR(constant);
    if (index->equals_length > longest_constant) return false;
    memcpy(index->equals, VARDATA_ANY(constant), index->equals_length);
  }
  if (column == nullptr || !IsA(column, Var)) return false;
  index->not_null = castNode(Var, column)->varattno;
  return true;
}

static Index ReadIndex(Oid oid) {
  Index index = {};
  Relation relation = index_open(oid, RowExclusiveLock);
  const List* condition = RelationGetIndexPredicate(relation);
  index.oid = oid;
  index.equals_length = -1;
  index.is_plain = RelationGetIndexExpressions(relation) == NIL && !relation->rd_index->indisunique;
  if (condition != NIL && index.is_plain)
    index.is_plain = list_length(condition) == 1 && ReadCondition(&index, static_cast<Node*>(linitial(condition)));
  index_close(relation, NoLock);
  return index;
}

// Reads which indexes a table has. What is in use is a copy, so that one that is not known any more is freed.
static const KnownIndexes* ReadIndexes(Relation table) {
  const uint64 before = forgettings;
  List* oids = RelationGetIndexList(table);
  Index* indexes = static_cast<Index*>(MemoryContextAlloc(CacheMemoryContext, sizeof(Index) * (list_length(oids) + 1)));
  KnownIndexes* known = &known_indexes[next_known];
  next_known = (next_known + 1) % lengthof(known_indexes);
  if (known->indexes != nullptr) pfree(known->indexes);
  *known = {InvalidOid, indexes, 0};
  ListCell* cell;
  foreach (cell, oids) indexes[known->count++] = ReadIndex(lfirst_oid(cell));
  // What has changed meanwhile may have been read before.
  if (forgettings == before) known->table = RelationGetRelid(table);
  return known;
}

IndexSet* OpenIndexes(Relation table) {
  const KnownIndexes* found = nullptr;
  for (const KnownIndexes& known : known_indexes)
    if (known.table == RelationGetRelid(table)) found = &known;
  if (found == nullptr) found = ReadIndexes(table);
  IndexSet* set = static_cast<IndexSet*>(palloc0(sizeof(IndexSet)));
  set->table = table;
  set->context = CurrentMemoryContext;
  set->count = found->count;
  set->indexes = static_cast<Index*>(palloc(sizeof(Index) * (found->count + 1)));
  memcpy(set->indexes, found->indexes, sizeof(Index) * found->count);
  return set;
}

// Tells whether a row belongs into an index that is plain.
static bool IsIndexed(const Index* index, TupleTableSlot* slot) {
  if (index->not_null == 0) return true;
  bool is_null;
  const Datum value = slot_getattr(slot, index->not_null, &is_null);
  if (is_null || index->equals_length < 0) return !is_null;
  // Equal by any deterministic collation is equal byte for byte.
  const text* string = DatumGetTextPP(value);
  return static_cast<int>(VARSIZE_ANY_EXHDR(string)) == index->equals_length &&
         memcmp(VARDATA_ANY(string), index->equals, index->equals_length) == 0;
}

static void OpenIndex(const IndexSet* set, Index* index) {
  MemoryContext caller = MemoryContextSwitchTo(set->context);
  index->relation = index_open(index->oid, RowExclusiveLock);
  index->info = BuildIndexInfo(index->relation);
  // One that CREATE INDEX CONCURRENTLY has only begun takes no rows yet.
  index->takes_rows = index->info->ii_ReadyForInserts;
  MemoryContextSwitchTo(caller);
}

// Puts an index tuple for a row of the table into an index of any kind.
static void InsertByExecutor(IndexSet* set, Index* index, TupleTableSlot* slot) {
  Datum values[INDEX_MAX_KEYS];
  bool is_null[INDEX_MAX_KEYS];
  if (set->estate == nullptr) {
    MemoryContext caller = MemoryContextSwitchTo(set->context);
    set->estate = CreateExecutorState();
    MemoryContextSwitchTo(caller);
  }
  ExprContext* expressions = GetPerTupleExprContext(set->estate);
  expressions->ecxt_scantuple = slot;
  if (index->info->ii_Predicate != NIL) {
    if (index->info->ii_PredicateState == nullptr)
      index->info->ii_PredicateState = ExecPrepareQual(index->info->ii_Predicate, set->estate);
    if (!ExecQual(index->info->ii_PredicateState, expressions)) return;
  }
  FormIndexDatum(index->info, slot, set->estate, values, is_null);
  (void)index_insert(index->relation, values, is_null, &slot->tts_tid, set->table,
                     index->relation->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, index->info);
  ResetPerTupleExprContext(set->estate);
}

static void InsertIntoIndex(IndexSet* set, Index* index, TupleTableSlot* slot) {
  Datum values[INDEX_MAX_KEYS];
  bool is_null[INDEX_MAX_KEYS];
  if (index->is_plain && !IsIndexed(index, slot)) return;
  if (index->relation == nullptr) OpenIndex(set, index);
  if (!index->takes_rows) return;
  if (!index->is_plain) {
    InsertByExecutor(set, index, slot);
    return;
  }
  for (int i = 0; i < index->info->ii_NumIndexAttrs; i++)
    values[i] = slot_getattr(slot, index->info->ii_IndexAttrNumbers[i], &is_null[i]);
  (void)index_insert(index->relation, values, is_null, &slot->tts_tid, set->table, UNIQUE_CHECK_NO, false, index->info);
}

void InsertIntoIndexes(IndexSet* set, TupleTableSlot** slots, int count) {
  // Index by index, whose pages then stay at hand.
  for (int i = 0; i < set->count; i++)
    for (int row = 0; row < count; row++) InsertIntoIndex(set, &set->indexes[i], slots[row]);
}

void CloseIndexes(IndexSet* set) {
  for (int i = 0; i < set->count; i++) {
    const Index* index = &set->indexes[i];
    if (index->relation == nullptr) continue;
    OPSADMIN_INDEX_INSERT_CLEANUP(index->relation, index->info);
    index_close(index->relation, NoLock);
  }
  if (set->estate != nullptr) FreeExecutorState(set->estate);
}

}  // namespace opsadmin
