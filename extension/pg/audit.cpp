// The audit trigger: reads the transition tables of a statement, or one row, and writes one entry a changed row.
// opsadmin_private.audit_tree() creates it. All state lives in the call: an error anywhere leaves nothing.
#include "audit.h"
#include "context.h"
#include "settings.h"
#include "subtransaction.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/xact.h"
#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
}

namespace opsadmin {

void InitializeAudit() {
  InitializeAuditedTables();
  InitializeAuditLog();
  InitializeAnnotations();
  InstallAuditHooks();
}

// What a call of the trigger works with; it lives as long.
struct AuditCall {
  const TriggerData* data;
  AuditedTable* table;
  RowShape* shape;        // of the table
  AuditWriter* writer;    // NULL until there is an entry
  int64 expected;         // how many entries there can be
  MemoryContext context;  // of the call
  MemoryContext row;      // of a row
};

// Writes an entry about the row in the slot. before and after hold until the next row.
static void WriteRow(AuditCall* call, char op, TupleTableSlot* slot, Jsonb* before, Jsonb* after) {
  if (call->writer == nullptr) {
    MemoryContextSwitchTo(call->context);
    call->writer = OpenAuditWriter(call->table->target_id, call->expected);
    MemoryContextSwitchTo(call->row);
  }
  const RowKey key = KeyOfRow(call->shape, slot);
  WriteAuditEntry(call->writer, TenantOfRow(call->table, slot), op, &key, before, after);
}

static void AuditRow(AuditCall* call, char op, TupleTableSlot* slot) {
  MemoryContextSwitchTo(call->row);
  Jsonb* values = WholeRow(call->shape, slot);
  WriteRow(call, op, slot, op == 'D' ? values : nullptr, op == 'I' ? values : nullptr);
  MemoryContextSwitchTo(call->context);
  MemoryContextReset(call->row);
}

// Tells whether an update has given the row to another tenant.
static bool ChangesTenant(AuditCall* call, TupleTableSlot* before, TupleTableSlot* after) {
  const int index = call->table->tenant_column;
  if (index < 0) return false;
  bool old_null;
  bool new_null;
  const Form_pg_attribute column = TupleDescAttr(call->shape->descriptor, index);
  const Datum old_value = slot_getattr(before, index + 1, &old_null);
  const Datum new_value = slot_getattr(after, index + 1, &new_null);
  if (old_null == new_null && (old_null || datum_image_eq(old_value, new_value, column->attbyval, column->attlen)))
    return false;
  return TenantOfRow(call->table, before) != TenantOfRow(call->table, after);
}

// A row that changes its tenant is gone for one and new for the other: neither sees the other's values.
static void AuditChange(AuditCall* call, TupleTableSlot* before, TupleTableSlot* after) {
  Jsonb* old_values;
  Jsonb* new_values;
  MemoryContextSwitchTo(call->row);
  if (ChangesTenant(call, before, after)) {
    AuditRow(call, 'D', before);
    AuditRow(call, 'I', after);
    return;
  }
  if (ChangedColumns(call->shape, before, after, &old_values, &new_values))
    WriteRow(call, 'U', before, old_values, new_values);
  MemoryContextSwitchTo(call->context);
  MemoryContextReset(call->row);
}

// How many entries so many updates can make.
static int64 EntriesOfUpdates(const AuditCall* call, int64 updates) {
  return call->table->tenant_column < 0 ? updates : 2 * updates;
}

// A slot that reads a transition table from its start, through a read pointer of its own.
static TupleTableSlot* BeginRead(Tuplestorestate* rows, TupleDesc descriptor) {
  tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
  tuplestore_rescan(rows);
  return MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
}

static void AuditInsertOrDelete(AuditCall* call, Tuplestorestate* rows, char op) {
  TupleTableSlot* slot = BeginRead(rows, call->shape->descriptor);
  call->expected = tuplestore_tuple_count(rows);
  while (tuplestore_gettupleslot(rows, true, false, slot)) AuditRow(call, op, slot);
  ExecDropSingleTupleTableSlot(slot);
}

// A row that waits for its other half.
struct UnpairedRow {
  MinimalTuple tuple;
  UnpairedRow* next;  // of the same hash
};

struct UnpairedRows {
  uint32 hash;  // of the key as it is in the row
  UnpairedRow* first;
};

// Keeps a new row until its old one comes.
static void AddUnpaired(AuditCall* call, HTAB* waiting, TupleTableSlot* slot) {
  bool found;
  const uint32 hash = ImageHashOfKey(call->shape, slot);
  UnpairedRows* rows = static_cast<UnpairedRows*>(hash_search(waiting, &hash, HASH_ENTER, &found));
  UnpairedRow* row = static_cast<UnpairedRow*>(palloc(sizeof(UnpairedRow)));
  row->tuple = ExecCopySlotMinimalTuple(slot);
  row->next = found ? rows->first : nullptr;
  rows->first = row;
}

// Puts the new row with the key of the old one into the slot; false when there is none.
static bool TakePair(AuditCall* call, HTAB* waiting, TupleTableSlot* before, TupleTableSlot* after) {
  const uint32 hash = ImageHashOfKey(call->shape, before);
  UnpairedRows* rows = static_cast<UnpairedRows*>(hash_search(waiting, &hash, HASH_FIND, nullptr));
  if (rows == nullptr) return false;
  for (UnpairedRow** link = &rows->first; *link != nullptr; link = &(*link)->next) {
    ExecStoreMinimalTuple((*link)->tuple, after, false);
    if (!HasSameKey(call->shape, before, after)) continue;
    *link = (*link)->next;
    return true;
  }
  return false;
}

// Old rows have no new ones when a trigger of the partition that they move to keeps them out: they are gone. Pairing
// by order would then pair strangers, so rows pair by their keys; what is left over was deleted or is new. New rows
// that are more than memory should hold do not wait: they are new, and their old ones gone.
static void AuditUnpaired(AuditCall* call, Tuplestorestate* old_rows, Tuplestorestate* new_rows) {
  constexpr Size most_memory = 256 * 1024 * 1024;
  TupleTableSlot* before = BeginRead(old_rows, call->shape->descriptor);
  TupleTableSlot* after = BeginRead(new_rows, call->shape->descriptor);
  HASHCTL control = {};
  control.keysize = sizeof(uint32);
  control.entrysize = sizeof(UnpairedRows);
  control.hcxt = call->context;
  HTAB* waiting = hash_create("opsadmin rows without a pair", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  call->expected = EntriesOfUpdates(call, tuplestore_tuple_count(old_rows)) +
                   EntriesOfUpdates(call, tuplestore_tuple_count(new_rows));
  while (tuplestore_gettupleslot(new_rows, true, false, after)) {
    if (bms_is_empty(call->shape->key_columns) || MemoryContextMemAllocated(call->context, true) > most_memory)
      AuditRow(call, 'I', after);
    else
      AddUnpaired(call, waiting, after);
  }
  while (tuplestore_gettupleslot(old_rows, true, false, before)) {
    if (!bms_is_empty(call->shape->key_columns) && TakePair(call, waiting, before, after))
      AuditChange(call, before, after);
    else
      AuditRow(call, 'D', before);
  }
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, waiting);
  while (const UnpairedRows* rows = static_cast<UnpairedRows*>(hash_seq_search(&scan))) {
    for (const UnpairedRow* row = rows->first; row != nullptr; row = row->next) {
      ExecStoreMinimalTuple(row->tuple, after, false);
      AuditRow(call, 'I', after);
    }
  }
  ExecDropSingleTupleTableSlot(after);
  ExecDropSingleTupleTableSlot(before);
}

static void AuditUpdate(AuditCall* call, Tuplestorestate* old_rows, Tuplestorestate* new_rows) {
  if (tuplestore_tuple_count(old_rows) != tuplestore_tuple_count(new_rows)) {
    AuditUnpaired(call, old_rows, new_rows);
    return;
  }
  // The executor stores both rows of an update together, so that they pair by their order.
  TupleTableSlot* before = BeginRead(old_rows, call->shape->descriptor);
  TupleTableSlot* after = BeginRead(new_rows, call->shape->descriptor);
  call->expected = EntriesOfUpdates(call, tuplestore_tuple_count(old_rows));
  while (tuplestore_gettupleslot(old_rows, true, false, before) &&
         tuplestore_gettupleslot(new_rows, true, false, after))
    AuditChange(call, before, after);
  ExecDropSingleTupleTableSlot(after);
  ExecDropSingleTupleTableSlot(before);
}

// The tables whose rows are gone have entries, and one of a tree is named in it; a partitioned one has no rows.
static void AuditTruncate(AuditCall* call) {
  Relation relation = call->data->tg_relation;
  if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE) return;
  const RowKey no_key = {};
  Jsonb* before = nullptr;
  if (call->table->is_child) {
    JsonbParseState* state = nullptr;
    JsonbValue item;
    pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    item.type = jbvString;
    item.val.string.val = const_cast<char*>("table");
    item.val.string.len = strlen("table");
    pushJsonbValue(&state, WJB_KEY, &item);
    item.val.string.val =
        psprintf("%s.%s", get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation));
    item.val.string.len = strlen(item.val.string.val);
    pushJsonbValue(&state, WJB_VALUE, &item);
    before = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
  }
  call->writer = OpenAuditWriter(call->table->target_id, 1);
  WriteAuditEntry(call->writer, 0, 'T', &no_key, before, nullptr);
}

static void AuditStatement(AuditCall* call) {
  const TriggerEvent event = call->data->tg_event;
  // Of what logical replication applies, which fires triggers by row alone, only the first copy fires this one, too.
  if (call->table->is_replicated && IsLogicalWorker()) return;
  if (TRIGGER_FIRED_BY_INSERT(event))
    AuditInsertOrDelete(call, call->data->tg_newtable, 'I');
  else if (TRIGGER_FIRED_BY_DELETE(event))
    AuditInsertOrDelete(call, call->data->tg_oldtable, 'D');
  else
    AuditUpdate(call, call->data->tg_oldtable, call->data->tg_newtable);
}

// The path for what statement triggers cannot see: tables with a layout of their own, and logical replication.
static void AuditOneRow(AuditCall* call) {
  const TriggerData* data = call->data;
  if (call->table->is_replicated && !IsLogicalWorker()) return;
  call->expected = EntriesOfUpdates(call, 1);
  if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
    AuditChange(call, data->tg_trigslot, data->tg_newslot);
  else
    AuditRow(call, TRIGGER_FIRED_BY_INSERT(data->tg_event) ? 'I' : 'D', data->tg_trigslot);
}

static void Audit(const TriggerData* data) {
  MemoryContext caller = CurrentMemoryContext;
  AuditCall call = {};
  call.data = data;
  call.context = AllocSetContextCreate(caller, "opsadmin audit", ALLOCSET_DEFAULT_SIZES);
  call.row = AllocSetContextCreate(call.context, "opsadmin audit row", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(call.context);
  call.table = ReadAuditTrigger(data->tg_relation, data->tg_trigger);
  call.shape = call.table->shape;
  const int settings = FixSettings(call.shape->settings);
  if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
    AuditTruncate(&call);
  else if (TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
    AuditStatement(&call);
  else
    AuditOneRow(&call);
  if (call.writer != nullptr) CloseAuditWriter(call.writer);
  RestoreSettings(settings);
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(call.context);
}

// Tells whether an error is for the caller to see: a statement that is cancelled or has to be tried again, or a lock
// that the caller's own lock_timeout gives up.
static bool IsForCaller(int code) {
  return code == ERRCODE_QUERY_CANCELED || code == ERRCODE_T_R_SERIALIZATION_FAILURE ||
         code == ERRCODE_T_R_DEADLOCK_DETECTED || code == ERRCODE_LOCK_NOT_AVAILABLE;
}

// Does the same in a subtransaction of its own: an error takes back the entries alone and raises the alarm. Also an
// error for the caller leaves only when that subtransaction has ended, since whoever catches it ends the one that is
// open.
static void AuditOrWarn(const TriggerData* data) {
  ErrorData* error = InSubtransaction([data] { Audit(data); });
  if (error == nullptr) return;
  if (IsForCaller(error->sqlerrcode)) ReThrowError(error);
  NoteAuditFailure(pg_strtoint32(data->tg_trigger->tgargs[0]), error->message);
  ereport(LOG, (errmsg("a change of \"%s\" is not in the audit log: %s", RelationGetRelationName(data->tg_relation),
                       error->message)));
  ereport(WARNING, (errmsg("a change of \"%s\" is not in the audit log", RelationGetRelationName(data->tg_relation)),
                    errhint("opsadmin.health() has the reason.")));
}

OPSADMIN_FUNCTION(opsadmin_audit_trigger) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR,
            (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("opsadmin.audit_trigger() is a trigger")));
  const TriggerData* data = reinterpret_cast<TriggerData*>(fcinfo->context);
  const bool has_rows = (data->tg_newtable != nullptr || TRIGGER_FIRED_BY_DELETE(data->tg_event)) &&
                        (data->tg_oldtable != nullptr || TRIGGER_FIRED_BY_INSERT(data->tg_event));
  if (!TRIGGER_FIRED_AFTER(data->tg_event) || data->tg_trigger->tgnargs < 2 ||
      (!has_rows && !TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) && !TRIGGER_FIRED_FOR_ROW(data->tg_event)))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("opsadmin.audit_trigger() is created by opsadmin.audit() only")));
  if (audit_on_error == static_cast<int>(AuditOnError::warn))
    AuditOrWarn(data);
  else
    Audit(data);
  return PointerGetDatum(nullptr);
}

}  // namespace opsadmin
