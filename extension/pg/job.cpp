// What the job engine in sql/private/job*.sql cannot say in SQL: how large a chunk may be, who waits behind it, which
// chunk this worker has marked, and a plan's keys.
#include "compat.h"
#include "job.h"
#include "run_as.h"
#include "settings.h"

#include "../core/chunk_size.h"

extern "C" {
#include "access/heapam.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "postmaster/interrupt.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
}

namespace opsadmin {

// ---- The size of chunks, as this backend has learned it of the jobs that it last worked on ----

struct KnownJob {
  int64 id;  // 0: free
  int rows;
};

static KnownJob known_jobs[16];
static int next_known_job = 0;

static KnownJob* FindJob(int64 id) {
  for (KnownJob& job : known_jobs)
    if (job.id == id) return &job;
  KnownJob* job = &known_jobs[next_known_job];
  next_known_job = (next_known_job + 1) % lengthof(known_jobs);
  *job = {id, Min(first_chunk_rows, job_chunk_rows)};
  return job;
}

// chunk_rows(job_id) returns how many rows the job's next chunk may have.
OPSADMIN_FUNCTION(opsadmin_chunk_rows) {
  PG_RETURN_INT32(Min(FindJob(PG_GETARG_INT64(0))->rows, job_chunk_rows));
}

// How many processes wait for a row that this transaction has locked: they wait for its transaction id.
static int Waiters() {
  const TransactionId xid = GetTopTransactionIdIfAny();
  if (!TransactionIdIsValid(xid)) return 0;
  LOCKTAG tag;
  SET_LOCKTAG_TRANSACTION(tag, xid);
  return LockWaiterCount(&tag) - 1;  // it counts the holder, too
}

// note_chunk(job_id, rows, milliseconds, failed) learns from a chunk that was applied in this transaction, or gave up
// because of others.
OPSADMIN_FUNCTION(opsadmin_note_chunk) {
  KnownJob* job = FindJob(PG_GETARG_INT64(0));
  const int rows = PG_GETARG_INT32(1);
  const bool disturbed = PG_GETARG_BOOL(3) || Waiters() > 0;
  // The last chunk of a range says nothing when it is small.
  if (rows >= job->rows / 2 || disturbed)
    job->rows =
        NextChunkRows(Min(Max(rows, 1), job->rows), PG_GETARG_FLOAT8(2), job_lock_budget, disturbed, job_chunk_rows);
  PG_RETURN_VOID();
}

// ---- The chunk that this worker has marked as begun ----

struct ChunkInHand {
  bool proven;  // this backend has brought a chunk to an outcome
  int64 job;    // 0: none
  int32 chunk;
};

static ChunkInHand in_hand = {};

// An advisory lock of a kind that SQL cannot take.
static LOCKTAG ChunkLock(int64 job, int32 chunk) {
  constexpr uint16 kind = 4;  // 3 are the slots of workers, 5 the plans
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(job), static_cast<uint32>(chunk), kind);
  return tag;
}

// worker_is_proven(): whether this backend has survived a chunk.
OPSADMIN_FUNCTION(opsadmin_worker_is_proven) {
  PG_RETURN_BOOL(in_hand.proven);
}

// take_chunk(job_id, chunk_no) keeps the chunk for this backend until release_chunk(), over the ends of transactions;
// false when another backend has it.
OPSADMIN_FUNCTION(opsadmin_take_chunk) {
  const int64 job = PG_GETARG_INT64(0);
  const int32 chunk = PG_GETARG_INT32(1);
  const LOCKTAG tag = ChunkLock(job, chunk);
  if (in_hand.job == job && in_hand.chunk == chunk) PG_RETURN_BOOL(true);
  if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) PG_RETURN_BOOL(false);
  in_hand.job = job;
  in_hand.chunk = chunk;
  PG_RETURN_BOOL(true);
}

// chunk_is_free(job_id, chunk_no): whether no other backend keeps the chunk.
OPSADMIN_FUNCTION(opsadmin_chunk_is_free) {
  const LOCKTAG tag = ChunkLock(PG_GETARG_INT64(0), PG_GETARG_INT32(1));
  if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) PG_RETURN_BOOL(false);
  (void)LockRelease(&tag, ExclusiveLock, true);
  PG_RETURN_BOOL(true);
}

// job_in_hand(): the job of the chunk that this backend keeps, NULL without one.
OPSADMIN_FUNCTION(opsadmin_job_in_hand) {
  if (in_hand.job == 0) PG_RETURN_NULL();
  PG_RETURN_INT64(in_hand.job);
}

// has_chunk(job_id, chunk_no): whether this backend keeps the chunk.
OPSADMIN_FUNCTION(opsadmin_has_chunk) {
  PG_RETURN_BOOL(in_hand.job == PG_GETARG_INT64(0) && in_hand.chunk == PG_GETARG_INT32(1));
}

static void ReleaseChunk() {
  if (in_hand.job == 0) return;
  const LOCKTAG tag = ChunkLock(in_hand.job, in_hand.chunk);
  (void)LockRelease(&tag, ExclusiveLock, true);
  in_hand.job = 0;
}

// release_chunk(proven) lets go of the chunk that this backend keeps, if any.
OPSADMIN_FUNCTION(opsadmin_release_chunk) {
  if (PG_GETARG_BOOL(0)) in_hand.proven = true;
  ReleaseChunk();
  PG_RETURN_VOID();
}

// A worker that was cancelled may stay idle for ever: others go on with its chunk.
static void JobXactCallback(XactEvent event, void*) {
  if (event == XACT_EVENT_ABORT) ReleaseChunk();
}

void InitializeJobs() {
  RegisterXactCallback(JobXactCallback, nullptr);
}

// try_plan(job_id) takes the right to plan a job until the transaction ends; false when another has it.
OPSADMIN_FUNCTION(opsadmin_try_plan) {
  constexpr uint16 kind = 5;
  const int64 job = PG_GETARG_INT64(0);
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(job >> 32), static_cast<uint32>(job), kind);
  PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

// ---- Rows that somebody is changing ----

// Whether another transaction that is under way has changed the row, or locked it more than a foreign key does.
static bool HasHolder(const HeapTupleHeader row) {
  const uint16 mask = row->t_infomask;
  if (!(mask & HEAP_XMAX_IS_MULTI)) return !HEAP_XMAX_IS_KEYSHR_LOCKED(mask);
  MultiXactMember* members;
  const int count =
      GetMultiXactIdMembers(HeapTupleHeaderGetRawXmax(row), &members, false, HEAP_XMAX_IS_LOCKED_ONLY(mask));
  for (int i = 0; i < count; i++)
    if (members[i].status > MultiXactStatusForKeyShare && TransactionIdIsInProgress(members[i].xid)) return true;
  return false;
}

// row_is_held(relation, place): whether an UPDATE of that version of a row would wait now. Takes no lock, so two that
// ask do not hold each other up. This transaction has not locked the row.
OPSADMIN_FUNCTION(opsadmin_row_is_held) {
  const Relation relation = table_open(PG_GETARG_OID(0), AccessShareLock);
  HeapTupleData row = {};
  row.t_self = *reinterpret_cast<ItemPointer>(PG_GETARG_POINTER(1));
  Buffer buffer;
  bool is_held = false;
  if (heap_fetch(relation, SnapshotAny, &row, &buffer, false)) {
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    is_held =
        HeapTupleSatisfiesUpdate(&row, GetCurrentCommandId(false), buffer) == TM_BeingModified && HasHolder(row.t_data);
    UnlockReleaseBuffer(buffer);
  }
  table_close(relation, AccessShareLock);
  PG_RETURN_BOOL(is_held);
}

// ---- Throttles ----

// A backend reads the configuration anew between the client's commands. A worker's only command may have no end before
// it does: a throttle would neither begin nor end.
static void ReadConfiguration() {
  if (!ConfigReloadPending) return;
  ConfigReloadPending = 0;
  ProcessConfigFile(PGC_SIGHUP);
}

// throttle_reason() returns why jobs wait, NULL when they do not. It asks measure_throttle() at most four times a
// second.
OPSADMIN_FUNCTION(opsadmin_throttle_reason) {
  constexpr int interval = 250;  // milliseconds
  static TimestampTz measured = 0;
  static char reason[512] = "";
  ReadConfiguration();
  const TimestampTz now = GetCurrentTimestamp();
  // A clock that was set back must not keep an old answer.
  if (now < measured || TimestampDifferenceExceeds(measured, now, interval)) {
    if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
    if (SPI_execute("SELECT opsadmin_private.measure_throttle()", false, 1) != SPI_OK_SELECT)
      elog(ERROR, "measuring the throttles failed");
    const char* answer = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    const char* text = answer == nullptr ? "" : answer;
    const int length = pg_mbcliplen(text, strlen(text), sizeof reason - 1);
    memcpy(reason, text, length);
    reason[length] = '\0';
    measured = now;
    SPI_finish();
  }
  if (reason[0] == '\0') PG_RETURN_NULL();
  PG_RETURN_TEXT_P(cstring_to_text(reason));
}

// ---- The plan of a job ----

// Takes the rows of a query and keeps the last one of every so many, as [[its columns as texts], how many rows].
struct KeyReceiver {
  DestReceiver base;  // first, as the server knows it
  int every;
  int64 count;           // since the last row that was kept
  TupleTableSlot* last;  // a copy of the last row
  JsonbParseState* state;
  MemoryContext context;  // where state lives
};

static void PushKey(KeyReceiver* receiver) {
  MemoryContext caller = MemoryContextSwitchTo(receiver->context);
  const TupleDesc descriptor = receiver->last->tts_tupleDescriptor;
  JsonbValue item;
  pushJsonbValue(&receiver->state, WJB_BEGIN_ARRAY, nullptr);
  pushJsonbValue(&receiver->state, WJB_BEGIN_ARRAY, nullptr);
  for (int i = 0; i < descriptor->natts; i++) {
    Oid output;
    bool is_varlena;
    bool is_null;
    const Datum value = slot_getattr(receiver->last, i + 1, &is_null);
    getTypeOutputInfo(TupleDescAttr(descriptor, i)->atttypid, &output, &is_varlena);
    item.type = jbvString;
    item.val.string.val = OidOutputFunctionCall(output, value);
    item.val.string.len = strlen(item.val.string.val);
    pushJsonbValue(&receiver->state, WJB_ELEM, &item);
  }
  pushJsonbValue(&receiver->state, WJB_END_ARRAY, nullptr);
  item.type = jbvNumeric;
  item.val.numeric = DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(receiver->count)));
  pushJsonbValue(&receiver->state, WJB_ELEM, &item);
  pushJsonbValue(&receiver->state, WJB_END_ARRAY, nullptr);
  receiver->count = 0;
  MemoryContextSwitchTo(caller);
}

static void BeginKeys(DestReceiver* self, int, TupleDesc descriptor) {
  KeyReceiver* receiver = reinterpret_cast<KeyReceiver*>(self);
  MemoryContext caller = MemoryContextSwitchTo(receiver->context);
  receiver->last = MakeSingleTupleTableSlot(CreateTupleDescCopy(descriptor), &TTSOpsVirtual);
  MemoryContextSwitchTo(caller);
}

static bool ReceiveKey(TupleTableSlot* slot, DestReceiver* self) {
  KeyReceiver* receiver = reinterpret_cast<KeyReceiver*>(self);
  ExecCopySlot(receiver->last, slot);
  if (++receiver->count == receiver->every) PushKey(receiver);
  return true;
}

static void EndKeys(DestReceiver* self) {
  KeyReceiver* receiver = reinterpret_cast<KeyReceiver*>(self);
  if (receiver->count > 0) PushKey(receiver);
  ExecDropSingleTupleTableSlot(receiver->last);
}

static void DestroyKeys(DestReceiver*) {}

// plan_keys_as(role, query, every) runs a query for keys, in their order, as a role, and returns the last key of every
// so many and how many there were: [[["10"],10],[["15"],5]]. Keys are not NULL. One row is kept in memory.
OPSADMIN_FUNCTION(opsadmin_plan_keys_as) {
  const Oid role = PG_GETARG_OID(0);
  const char* query = text_to_cstring(PG_GETARG_TEXT_PP(1));
  KeyReceiver receiver = {};
  receiver.base = {ReceiveKey, BeginKeys, EndKeys, DestroyKeys, DestTuplestore};
  receiver.every = PG_GETARG_INT32(2);
  receiver.context = CurrentMemoryContext;
  pushJsonbValue(&receiver.state, WJB_BEGIN_ARRAY, nullptr);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  const RunAs run = SwitchTo(role);
  PlanFreely();
  SPIExecuteOptions options = {};
  options.read_only = true;
  options.dest = &receiver.base;
  const int result = SPI_execute_extended(query, &options);
  if (result != SPI_OK_SELECT) elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(result));
  CheckDeferred();
  SwitchBack(run);
  SPI_finish();
  PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&receiver.state, WJB_END_ARRAY, nullptr)));
}

}  // namespace opsadmin
