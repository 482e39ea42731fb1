// Gives the space of the row versions that a job has replaced to its next ones, so that a table does not double while a
// job changes all of it. What a chunk leaves is dead as soon as no transaction can see it, mostly at the worker's next
// step; but nobody comes by to prune those pages, and VACUUM cannot run inside a procedure. So the worker remembers the
// pages from which a chunk took its rows, prunes them, as whoever reads a full page does (heap_page_prune_opt()), and
// tells the free space map. Index entries and line pointers stay for VACUUM.
#include "compat.h"
#include "page_reuse.h"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace opsadmin {

struct NotedPage {
  Oid relation;
  BlockNumber block;
};

// The oldest come first; when there is no room they are forgotten, and their space waits for VACUUM.
static NotedPage noted[16384];
static uint64 first_noted = 0;
static uint64 after_noted = 0;

static void NotePage(Oid relation, BlockNumber block) {
  const NotedPage& last = noted[(after_noted - 1) % lengthof(noted)];
  if (after_noted > first_noted && last.relation == relation && last.block == block) return;
  noted[after_noted++ % lengthof(noted)] = {relation, block};
  if (after_noted - first_noted > lengthof(noted)) first_noted++;
}

// ---- Noting: the rows that reach ModifyTable have the places of their old versions ----

static ExecutorStart_hook_type previous_executor_start = nullptr;
static bool notes_next = false;

// A statement whose rows are noted. It lives in the statement's memory and is forgotten with it, however it ends; a
// trigger may run another one meanwhile.
struct NotedChange {
  ModifyTableState* state;
  ExecProcNodeMtd next_row;
  NotedChange* outer;
  MemoryContextCallback end;
};

static NotedChange* innermost = nullptr;

static void ForgetChange(void* ended) {
  NotedChange** link = &innermost;
  while (*link != ended) link = &(*link)->outer;
  *link = (*link)->outer;
}

static TupleTableSlot* NextRow(PlanState* plan) {
  const NotedChange* change = innermost;
  while (plan != outerPlanState(change->state)) change = change->outer;
  TupleTableSlot* slot = change->next_row(plan);
  if (TupIsNull(slot)) return slot;
  const ModifyTableState* state = change->state;
  const ResultRelInfo* target = state->resultRelInfo;
  bool is_null = false;
  Oid relation = RelationGetRelid(target->ri_RelationDesc);
  if (AttributeNumberIsValid(state->mt_resultOidAttno))
    relation = DatumGetObjectId(ExecGetJunkAttribute(slot, state->mt_resultOidAttno, &is_null));
  if (is_null) return slot;
  const Datum place = ExecGetJunkAttribute(slot, target->ri_RowIdAttNo, &is_null);
  if (!is_null) NotePage(relation, ItemPointerGetBlockNumber(reinterpret_cast<ItemPointer>(DatumGetPointer(place))));
  return slot;
}

// Rows are named by their place where the first of the tables is no foreign table or view.
static bool HasPlaces(const ModifyTableState* state) {
  const AttrNumber column = state->resultRelInfo->ri_RowIdAttNo;
  const TupleDesc rows = ExecGetResultType(outerPlanState(state));
  return AttributeNumberIsValid(column) && column <= rows->natts && TupleDescAttr(rows, column - 1)->atttypid == TIDOID;
}

static void StartExecutor(QueryDesc* query, int flags) {
  const bool notes = notes_next;
  notes_next = false;
  if (previous_executor_start != nullptr)
    previous_executor_start(query, flags);
  else
    standard_ExecutorStart(query, flags);
  if (!notes || query->planstate == nullptr || !IsA(query->planstate, ModifyTableState)) return;
  ModifyTableState* state = reinterpret_cast<ModifyTableState*>(query->planstate);
  if ((state->operation != CMD_UPDATE && state->operation != CMD_DELETE) || !HasPlaces(state)) return;
  MemoryContext memory = query->estate->es_query_cxt;
  NotedChange* change = static_cast<NotedChange*>(MemoryContextAllocZero(memory, sizeof(NotedChange)));
  change->state = state;
  change->next_row = outerPlanState(state)->ExecProcNodeReal;
  change->outer = innermost;
  change->end.func = ForgetChange;
  change->end.arg = change;
  innermost = change;
  MemoryContextRegisterResetCallback(memory, &change->end);
  ExecSetExecProcNode(outerPlanState(state), NextRow);
}

void NotePagesOfNextStatement() {
  notes_next = true;
}

void StopNotingPages() {
  notes_next = false;
}

void InitializePageReuse() {
  previous_executor_start = ExecutorStart_hook;
  ExecutorStart_hook = StartExecutor;
}

// ---- Reuse ----

// Of what was recorded the upper levels of the map learn here; searches begin there.
static void PublishSpace(Relation relation, BlockNumber low, BlockNumber high) {
  if (relation != nullptr && low <= high) FreeSpaceMapVacuumRange(relation, low, high + 1);
}

// Prunes a page and records its space; false when somebody may still see what is dead on it.
static bool ReusePage(Relation relation, BlockNumber block) {
  const Buffer buffer = ReadBuffer(relation, block);
  const Page page = BufferGetPage(buffer);
  // Without a lock, as heap_page_prune_opt() looks at it.
  const TransactionId oldest = reinterpret_cast<PageHeader>(page)->pd_prune_xid;
  if (TransactionIdIsValid(oldest) && !GlobalVisTestIsRemovableXid(GlobalVisTestFor(relation), oldest)) {
    ReleaseBuffer(buffer);
    return false;
  }
  heap_page_prune_opt(relation, buffer);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  const Size space = PageGetHeapFreeSpace(page);
  UnlockReleaseBuffer(buffer);
  RecordPageWithFreeSpace(relation, block, space);
  return true;
}

// A table that is being altered or is gone is passed over: nobody waits here.
static Relation OpenAtOnce(Oid oid) {
  if (!ConditionalLockRelationOid(oid, AccessShareLock)) return nullptr;
  const Relation relation = try_relation_open(oid, NoLock);
  if (relation == nullptr) UnlockRelationOid(oid, AccessShareLock);
  return relation;
}

// has_noted_pages() tells whether there is anything to do for reuse_pages().
OPSADMIN_FUNCTION(opsadmin_has_noted_pages) {
  PG_RETURN_BOOL(first_noted < after_noted);
}

// reuse_pages() makes room where the chunks of earlier transactions of this worker have left dead rows, as far as
// nobody can see them any more. Errors: those of reading a page,
// and of making the map larger.
OPSADMIN_FUNCTION(opsadmin_reuse_pages) {
  // The map's lowest pages have so many entries that one call for a stretch of this length is cheap.
  constexpr BlockNumber stretch = 4096;
  Relation relation = nullptr;
  BlockNumber blocks = 0;
  BlockNumber low = 0;
  BlockNumber high = 0;
  Oid opened = InvalidOid;
  bool visible = false;
  while (first_noted < after_noted && !visible) {
    const NotedPage page = noted[first_noted % lengthof(noted)];
    const bool near = page.relation == opened && page.block >= low && page.block < low + stretch;
    if (!near && relation != nullptr) PublishSpace(relation, low, high);
    if (page.relation != opened) {
      if (relation != nullptr) relation_close(relation, AccessShareLock);
      opened = page.relation;
      relation = OpenAtOnce(opened);
      const bool is_heap = relation != nullptr && relation->rd_tableam == GetHeapamTableAmRoutine();
      blocks = is_heap ? RelationGetNumberOfBlocks(relation) : 0;
    }
    if (!near) low = high = page.block;
    high = Max(high, page.block);
    // A page that raises an error is not tried again.
    first_noted++;
    visible = page.block < blocks && !ReusePage(relation, page.block);
    if (visible) first_noted--;
    CHECK_FOR_INTERRUPTS();
  }
  if (relation != nullptr) {
    PublishSpace(relation, low, high);
    relation_close(relation, AccessShareLock);
  }
  PG_RETURN_VOID();
}

}  // namespace opsadmin
