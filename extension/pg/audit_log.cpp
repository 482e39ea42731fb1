// Writes the audit tables: one header a transaction (who, from where, as part of what) and one entry a
// changed row. Rows go straight into the tables, past grants and policies: nobody else can write there.
#include "audit.h"
#include "context.h"

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
}

namespace opsadmin {

// Columns of opsadmin.audit_header and opsadmin.audit_entry, as sql/schema/audit.sql has them.
enum HeaderColumn {
  header_id,
  header_tenant_id,
  header_created_at,
  header_actor_id,
  header_actor_name,
  header_db_user,
  header_site,
  header_ip,
  header_method,
  header_path,
  header_request_id,
  header_job_id,
  header_action,
  header_meta,
  header_xact,
  header_application,
  header_columns
};

enum EntryColumn {
  entry_id,
  entry_header_id,
  entry_tenant_id,
  entry_row_key,
  entry_target_id,
  entry_op,
  entry_target_pk,
  entry_before,
  entry_after,
  entry_columns
};

// Columns of opsadmin.audit_failure.
enum FailureColumn {
  failure_created_at,
  failure_target_id,
  failure_message,
  failure_actor_id,
  failure_tenant_id,
  failure_db_user,
  failure_columns
};

// A table that rows are put into. Rows are kept until there are enough to be written at once, which costs a fraction of
// writing them one by one.
struct Inserter {
  Relation relation;
  IndexSet* indexes;
  Datum* values;  // the row that is being made
  bool* is_null;
  MemoryContext context;  // holds all this
  MemoryContext batch;    // holds the rows that wait
  TupleDesc descriptor;   // a copy: the relation's own would count its slots
  TupleTableSlot** slots;
  int most;  // that wait before they are written
  int used;
  int made;  // slots that there are so far
  Size bytes;
};

static constexpr int batch_rows = 1000;
static constexpr Size batch_bytes = 1024 * 1024;

struct AuditWriter {
  Inserter entries;
  int64 header;
  int64 next_id;
  int32 target_id;
};

// The header of this transaction and the subtransaction that wrote it (and may take it back).
static int64 current_header = 0;
static SubTransactionId current_header_subxact = InvalidSubTransactionId;

static void AuditXactCallback(XactEvent event, void*) {
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) current_header = 0;
}

static void AuditSubXactCallback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void*) {
  if (current_header == 0 || current_header_subxact != id) return;
  if (event == SUBXACT_EVENT_ABORT_SUB) current_header = 0;
  if (event == SUBXACT_EVENT_COMMIT_SUB) current_header_subxact = parent;
}

void InitializeAuditLog() {
  RegisterXactCallback(AuditXactCallback, nullptr);
  RegisterSubXactCallback(AuditSubXactCallback, nullptr);
}

void EndAuditHeader() {
  current_header = 0;
}

// Opens the partition of an id for as many rows as are expected, in the current memory context.
static Inserter OpenInserter(const char* name, int columns, int64 id, int64 expected) {
  Inserter inserter = {};
  inserter.relation = OpenAuditPartition(name, id);
  if (RelationGetNumberOfAttributes(inserter.relation) != columns)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("\"%s\" does not fit the loaded library", RelationGetRelationName(inserter.relation)),
                    errhint("Run ALTER EXTENSION opsadmin UPDATE, or restart the server with the new library.")));
  inserter.indexes = OpenIndexes(inserter.relation);
  inserter.context = CurrentMemoryContext;
  inserter.descriptor = CreateTupleDescCopy(RelationGetDescr(inserter.relation));
  inserter.values = static_cast<Datum*>(palloc(sizeof(Datum) * columns));
  inserter.is_null = static_cast<bool*>(palloc(sizeof(bool) * columns));
  inserter.batch = AllocSetContextCreate(CurrentMemoryContext, "opsadmin audit batch", ALLOCSET_DEFAULT_SIZES);
  inserter.most = static_cast<int>(Min(expected, batch_rows));
  inserter.slots = static_cast<TupleTableSlot**>(palloc(sizeof(TupleTableSlot*) * inserter.most));
  return inserter;
}

// Begins a row of NULLs.
static void BeginRow(Inserter* inserter) {
  memset(inserter->is_null, true, sizeof(bool) * RelationGetNumberOfAttributes(inserter->relation));
}

static void SetColumn(Inserter* inserter, int column, Datum value) {
  inserter->values[column] = value;
  inserter->is_null[column] = false;
}

static void SetText(Inserter* inserter, int column, const char* value) {
  if (value != nullptr && value[0] != '\0') SetColumn(inserter, column, CStringGetTextDatum(value));
}

// Writes the rows that wait.
static void FlushRows(Inserter* inserter) {
  MemoryContext caller = MemoryContextSwitchTo(inserter->batch);
  const CommandId command = GetCurrentCommandId(true);
  if (inserter->used == 1)
    table_tuple_insert(inserter->relation, inserter->slots[0], command, 0, nullptr);
  else
    table_multi_insert(inserter->relation, inserter->slots, inserter->used, command, 0, nullptr);
  InsertIntoIndexes(inserter->indexes, inserter->slots, inserter->used);
  for (int row = 0; row < inserter->used; row++) ExecClearTuple(inserter->slots[row]);
  MemoryContextSwitchTo(caller);
  MemoryContextReset(inserter->batch);
  inserter->used = 0;
  inserter->bytes = 0;
}

static void InsertRow(Inserter* inserter) {
  if (inserter->used == inserter->made) {
    MemoryContext row = MemoryContextSwitchTo(inserter->context);
    inserter->slots[inserter->made++] = MakeSingleTupleTableSlot(inserter->descriptor, &TTSOpsHeapTuple);
    MemoryContextSwitchTo(row);
  }
  MemoryContext row = MemoryContextSwitchTo(inserter->batch);
  HeapTuple tuple = heap_form_tuple(inserter->descriptor, inserter->values, inserter->is_null);
  MemoryContextSwitchTo(row);
  tuple->t_tableOid = RelationGetRelid(inserter->relation);
  ExecStoreHeapTuple(tuple, inserter->slots[inserter->used++], false);
  inserter->bytes += tuple->t_len;
  if (inserter->used == inserter->most || inserter->bytes > batch_bytes) FlushRows(inserter);
}

static void CloseInserter(Inserter* inserter) {
  if (inserter->used > 0) FlushRows(inserter);
  for (int i = 0; i < inserter->made; i++) ExecDropSingleTupleTableSlot(inserter->slots[i]);
  CloseIndexes(inserter->indexes);
  table_close(inserter->relation, NoLock);
}

// The address of the session's client; NULL for a unix socket or a background process.
static void SetClientAddress(Inserter* inserter) {
  LOCAL_FCINFO(fcinfo, 0);
  InitFunctionCallInfoData(*fcinfo, nullptr, 0, InvalidOid, nullptr, nullptr);
  const Datum address = inet_client_addr(fcinfo);
  if (!fcinfo->isnull) SetColumn(inserter, header_ip, address);
}

// The role that had connected, by its number when it was dropped since.
static const char* SessionUserName() {
  const Oid role = GetSessionUserId();
  const char* name = GetUserNameFromId(role, true);
  return name != nullptr ? name : psprintf("%u", role);
}

// Writes a header: who, from the context or else from the session, and what the stamp says.
static void WriteHeader(int64 id, Stamp stamp) {
  const Context* context = BoundContext();
  Inserter headers = OpenInserter("audit_header", header_columns, id, 1);
  BeginRow(&headers);
  SetColumn(&headers, header_id, Int64GetDatum(id));
  SetColumn(&headers, header_tenant_id,
            Int64GetDatum(context != nullptr && context->has_tenant ? context->tenant_id : 0));
  SetColumn(&headers, header_created_at, TimestampTzGetDatum(GetCurrentTimestamp()));
  SetText(&headers, header_db_user, SessionUserName());
  SetText(&headers, header_application, application_name);
  SetColumn(&headers, header_xact, FullTransactionIdGetDatum(GetTopFullTransactionId()));
  SetText(&headers, header_action, stamp.action);
  if (stamp.meta != nullptr) SetColumn(&headers, header_meta, JsonbPGetDatum(stamp.meta));
  if (context != nullptr) {
    if (context->actor_id != 0) SetColumn(&headers, header_actor_id, Int64GetDatum(context->actor_id));
    SetText(&headers, header_actor_name, context->actor_name);
    SetText(&headers, header_site, SiteName(context->site));
    if (context->ip[0] != '\0')
      SetColumn(&headers, header_ip, DirectFunctionCall1(inet_in, CStringGetDatum(context->ip)));
    SetText(&headers, header_method, context->method);
    SetText(&headers, header_path, context->path);
    SetText(&headers, header_request_id, context->request_id);
    if (context->job_id != 0) SetColumn(&headers, header_job_id, Int64GetDatum(context->job_id));
  }
  // A worker's own address says nothing of who started the job.
  if (context == nullptr || (context->ip[0] == '\0' && context->job_id == 0)) SetClientAddress(&headers);
  InsertRow(&headers);
  CloseInserter(&headers);
}

static int64 EnsureHeader() {
  if (current_header != 0) return current_header;
  const int64 id = ReserveAuditIds(1);
  WriteHeader(id, MakeStamp(nullptr, nullptr));
  current_header = id;
  current_header_subxact = GetCurrentSubTransactionId();
  return id;
}

AuditWriter* OpenAuditWriter(int32 target_id, int64 expected) {
  AuditWriter* writer = static_cast<AuditWriter*>(palloc0(sizeof(AuditWriter)));
  writer->target_id = target_id;
  writer->header = EnsureHeader();
  writer->next_id = ReserveAuditIds(expected);
  writer->entries = OpenInserter("audit_entry", entry_columns, writer->next_id, expected);
  return writer;
}

void WriteAuditEntry(AuditWriter* writer, int64 tenant_id, char op, const RowKey* key, Jsonb* before, Jsonb* after) {
  Inserter* entries = &writer->entries;
  BeginRow(entries);
  SetColumn(entries, entry_id, Int64GetDatum(writer->next_id++));
  SetColumn(entries, entry_header_id, Int64GetDatum(writer->header));
  SetColumn(entries, entry_tenant_id, Int64GetDatum(tenant_id));
  SetColumn(entries, entry_target_id, Int32GetDatum(writer->target_id));
  SetColumn(entries, entry_op, CharGetDatum(op));
  if (key->has_number) SetColumn(entries, entry_row_key, Int64GetDatum(key->number));
  if (key->object != nullptr) SetColumn(entries, entry_target_pk, JsonbPGetDatum(key->object));
  if (before != nullptr) SetColumn(entries, entry_before, JsonbPGetDatum(before));
  if (after != nullptr) SetColumn(entries, entry_after, JsonbPGetDatum(after));
  InsertRow(entries);
}

void CloseAuditWriter(AuditWriter* writer) {
  CloseInserter(&writer->entries);
}

// Tells whether a table has as many failures as are kept of one.
static bool HasManyFailures(Relation failures, int32 target_id) {
  constexpr int most = 1000;  // health() knows it, too
  int found = 0;
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  TupleTableSlot* slot = table_slot_create(failures, nullptr);
  TableScanDesc scan = table_beginscan(failures, snapshot, 0, nullptr);
  while (found < most && table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    bool is_null;
    if (DatumGetInt32(slot_getattr(slot, failure_target_id + 1, &is_null)) == target_id) found++;
  }
  table_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  UnregisterSnapshot(snapshot);
  return found == most;
}

void NoteAuditFailure(int32 target_id, const char* message) {
  Relation failures =
      table_open(get_relname_relid("audit_failure", get_namespace_oid("opsadmin", false)), RowExclusiveLock);
  CommandCounterIncrement();
  if (!HasManyFailures(failures, target_id)) {
    const Context* context = BoundContext();
    Datum values[failure_columns] = {};
    bool is_null[failure_columns] = {};
    values[failure_created_at] = TimestampTzGetDatum(GetCurrentTimestamp());
    values[failure_target_id] = Int32GetDatum(target_id);
    values[failure_message] = CStringGetTextDatum(message);
    is_null[failure_actor_id] = context == nullptr || context->actor_id == 0;
    if (!is_null[failure_actor_id]) values[failure_actor_id] = Int64GetDatum(context->actor_id);
    values[failure_tenant_id] = Int64GetDatum(context != nullptr && context->has_tenant ? context->tenant_id : 0);
    values[failure_db_user] = CStringGetTextDatum(SessionUserName());
    simple_heap_insert(failures, heap_form_tuple(RelationGetDescr(failures), values, is_null));
  }
  table_close(failures, NoLock);
}

void WriteAuditEvent(int64 tenant_id, const char* action, int32 target_id, const RowKey* key, Jsonb* meta) {
  // annotate_audit() knows an event's header by the entry that has the next id.
  const int64 id = ReserveAuditIds(2);
  WriteHeader(id, MakeStamp(action, meta));
  AuditWriter writer = {};
  writer.target_id = target_id;
  writer.header = id;
  writer.next_id = id + 1;
  writer.entries = OpenInserter("audit_entry", entry_columns, writer.next_id, 1);
  WriteAuditEntry(&writer, tenant_id, 'E', key, nullptr, nullptr);
  CloseInserter(&writer.entries);
}

}  // namespace opsadmin
