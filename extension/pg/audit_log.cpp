// Writes the audit tables: one header a transaction (who, from where, as part of what) and one entry a
// changed row. Rows go straight into the tables, past grants and policies: nobody else can write there.
#include "audit.h"
#include "context.h"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
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
  header_columns
};

enum EntryColumn {
  entry_id,
  entry_header_id,
  entry_tenant_id,
  entry_target_id,
  entry_target_pk,
  entry_op,
  entry_before,
  entry_after,
  entry_columns
};

// A table that rows are put into, with its indexes open.
struct Inserter {
  Relation relation;
  EState* estate;
  ResultRelInfo* target;
  TupleTableSlot* slot;
};

struct AuditWriter {
  Inserter entries;
  Oid sequence;
  int64 header;
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

static Oid OwnRelation(const char* name) {
  const Oid relation = get_relname_relid(name, get_namespace_oid("opsadmin", false));
  if (!OidIsValid(relation))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"opsadmin.%s\" does not exist", name)));
  return relation;
}

static Inserter OpenInserter(const char* name, int columns) {
  Inserter inserter;
  inserter.relation = table_open(OwnRelation(name), RowExclusiveLock);
  if (RelationGetNumberOfAttributes(inserter.relation) != columns)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("\"opsadmin.%s\" does not fit the loaded library", name),
                    errhint("Run ALTER EXTENSION opsadmin UPDATE, or restart the server with the new library.")));
  inserter.estate = CreateExecutorState();
  inserter.target = makeNode(ResultRelInfo);
  InitResultRelInfo(inserter.target, inserter.relation, 1, nullptr, 0);
  ExecOpenIndices(inserter.target, false);
  inserter.slot = MakeSingleTupleTableSlot(RelationGetDescr(inserter.relation), &TTSOpsVirtual);
  return inserter;
}

static void CloseInserter(Inserter* inserter) {
  ExecDropSingleTupleTableSlot(inserter->slot);
  ExecCloseIndices(inserter->target);
  FreeExecutorState(inserter->estate);
  table_close(inserter->relation, NoLock);
}

// Begins a row of NULLs; the caller fills tts_values and tts_isnull.
static void BeginRow(Inserter* inserter) {
  TupleTableSlot* slot = inserter->slot;
  ExecClearTuple(slot);
  memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
}

static void SetColumn(Inserter* inserter, int column, Datum value) {
  inserter->slot->tts_values[column] = value;
  inserter->slot->tts_isnull[column] = false;
}

static void SetText(Inserter* inserter, int column, const char* value) {
  if (value != nullptr && value[0] != '\0') SetColumn(inserter, column, CStringGetTextDatum(value));
}

static void InsertRow(Inserter* inserter) {
  ExecStoreVirtualTuple(inserter->slot);
  simple_table_tuple_insert(inserter->relation, inserter->slot);
  if (inserter->target->ri_NumIndices > 0)
    (void)ExecInsertIndexTuples(inserter->target, inserter->slot, inserter->estate, false, false, nullptr, NIL
#if PG_VERSION_NUM >= 160000
                                ,
                                false
#endif
    );
  ResetPerTupleExprContext(inserter->estate);
}

// An id has the time in its high bits (milliseconds since 1970, shifted by 20) and the sequence below,
// so that ids are in the order of time and a range of ids is a range of time.
static int64 NewAuditId(Oid sequence) {
  const int64 microseconds = GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
  return (microseconds / 1000) << 20 | (nextval_internal(sequence, false) & 0xFFFFF);
}

// The address of a client without a context; NULL for a unix socket or a background process.
static void SetClientAddress(Inserter* inserter) {
  LOCAL_FCINFO(fcinfo, 0);
  InitFunctionCallInfoData(*fcinfo, nullptr, 0, InvalidOid, nullptr, nullptr);
  const Datum address = inet_client_addr(fcinfo);
  if (!fcinfo->isnull) SetColumn(inserter, header_ip, address);
}

static int64 EnsureHeader(Oid sequence) {
  if (current_header != 0) return current_header;
  const Context* context = BoundContext();
  Inserter headers = OpenInserter("audit_header", header_columns);
  const int64 id = NewAuditId(sequence);
  BeginRow(&headers);
  SetColumn(&headers, header_id, Int64GetDatum(id));
  SetColumn(&headers, header_tenant_id,
            Int64GetDatum(context != nullptr && context->has_tenant ? context->tenant_id : 0));
  SetColumn(&headers, header_created_at, TimestampTzGetDatum(GetCurrentTimestamp()));
  SetText(&headers, header_db_user, GetUserNameFromId(GetSessionUserId(), false));
  SetColumn(&headers, header_xact, FullTransactionIdGetDatum(GetTopFullTransactionId()));
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
    SetText(&headers, header_action, context->action);
    if (context->reason[0] != '\0') {
      JsonbParseState* state = nullptr;
      JsonbValue item;
      pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
      item.type = jbvString;
      item.val.string.val = const_cast<char*>("reason");
      item.val.string.len = strlen("reason");
      pushJsonbValue(&state, WJB_KEY, &item);
      item.val.string.val = const_cast<char*>(context->reason);
      item.val.string.len = strlen(context->reason);
      pushJsonbValue(&state, WJB_VALUE, &item);
      SetColumn(&headers, header_meta,
                JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr))));
    }
  } else {
    SetClientAddress(&headers);
  }
  InsertRow(&headers);
  CloseInserter(&headers);
  current_header = id;
  current_header_subxact = GetCurrentSubTransactionId();
  return id;
}

AuditWriter* OpenAuditWriter(int32 target_id) {
  AuditWriter* writer = static_cast<AuditWriter*>(palloc0(sizeof(AuditWriter)));
  writer->target_id = target_id;
  writer->sequence = OwnRelation("audit_id_seq");
  writer->header = EnsureHeader(writer->sequence);
  writer->entries = OpenInserter("audit_entry", entry_columns);
  return writer;
}

void WriteAuditEntry(AuditWriter* writer, int64 tenant_id, char op, Jsonb* key, Jsonb* before, Jsonb* after) {
  Inserter* entries = &writer->entries;
  BeginRow(entries);
  SetColumn(entries, entry_id, Int64GetDatum(NewAuditId(writer->sequence)));
  SetColumn(entries, entry_header_id, Int64GetDatum(writer->header));
  SetColumn(entries, entry_tenant_id, Int64GetDatum(tenant_id));
  SetColumn(entries, entry_target_id, Int32GetDatum(writer->target_id));
  SetColumn(entries, entry_op, CharGetDatum(op));
  if (key != nullptr) SetColumn(entries, entry_target_pk, JsonbPGetDatum(key));
  if (before != nullptr) SetColumn(entries, entry_before, JsonbPGetDatum(before));
  if (after != nullptr) SetColumn(entries, entry_after, JsonbPGetDatum(after));
  InsertRow(entries);
}

void CloseAuditWriter(AuditWriter* writer) {
  CloseInserter(&writer->entries);
  pfree(writer);
}

}  // namespace opsadmin
