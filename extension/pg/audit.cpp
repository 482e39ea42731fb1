// The audit trigger: reads the transition tables of a statement, or one row, and writes one entry a changed row.
// opsadmin_private.audit_tree() creates it; its arguments are the target's id, its tenant column (or ''), "key:column"
// for the integer by which entries name rows, "root_key:column" for tables that inherit, "child", "replicated", and
// rules "redact:column", "ignore:column" and "keep:column". All state lives in the call: an error anywhere leaves
// nothing.
#include "audit.h"
#include "context.h"
#include "settings.h"
#include "subtransaction.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
}

namespace opsadmin {

// Maps the value of a tenant column to the tenant's id, remembering those of the statement.
struct TenantColumn {
  int column;  // attribute index, -1: the table has none
  FmgrInfo output;
  HTAB* known;  // KnownTenant by key, those that this statement has met
};

struct KnownTenant {
  char key[NAMEDATALEN];
  int64 id;
};

void InitializeAudit() {
  InitializeAuditLog();
  InitializeAnnotations();
  InstallAuditHooks();
}

// Applies a rule of the table's own, such as "redact:column".
static void ApplyRule(RowShape* shape, const char* rule) {
  static constexpr struct {
    const char* prefix;
    ColumnRule rule;
  } kinds[] = {{"redact:", ColumnRule::redact}, {"ignore:", ColumnRule::ignore}, {"keep:", ColumnRule::keep}};
  for (const auto& kind : kinds) {
    if (strncmp(rule, kind.prefix, strlen(kind.prefix)) != 0) continue;
    const char* column = rule + strlen(kind.prefix);
    const int index = FindColumn(shape->descriptor, column);
    if (index >= 0) shape->rules[index] = kind.rule;
    return;
  }
  elog(ERROR, "unknown audit rule \"%s\"", rule);
}

static TenantColumn FindTenantColumn(TupleDesc descriptor, const char* name) {
  TenantColumn tenant = {-1, {}, nullptr};
  if (name[0] == '\0') return tenant;
  tenant.column = FindColumn(descriptor, name);
  if (tenant.column < 0)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the audited table has no tenant column \"%s\" any more", name),
             errhint("Call opsadmin.audit() again for this table.")));
  Oid output;
  bool is_varlena;
  HASHCTL control = {};
  getTypeOutputInfo(TupleDescAttr(descriptor, tenant.column)->atttypid, &output, &is_varlena);
  fmgr_info(output, &tenant.output);
  control.keysize = NAMEDATALEN;
  control.entrysize = sizeof(KnownTenant);
  control.hcxt = CurrentMemoryContext;
  tenant.known = hash_create("opsadmin tenants of a statement", 32, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
  return tenant;
}

// The tenant's id as a snapshot has it. Reads the index by keys itself, past policies: whoever changes the row need not
// see tenants. A query for it would cost a statement on one row a tenth of all its time.
static int64 LookUpTenantIn(const char* key, Snapshot snapshot) {
  const Oid schema = get_namespace_oid("opsadmin", false);
  Relation tenants = table_open(get_relname_relid("tenant", schema), AccessShareLock);
  Relation index = index_open(get_relname_relid("tenant_key_value", schema), AccessShareLock);
  TupleTableSlot* slot = table_slot_create(tenants, nullptr);
  ScanKeyData condition;
  ScanKeyEntryInitialize(&condition, 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0], F_TEXTEQ,
                         CStringGetTextDatum(key));
  const IndexScanDesc scan = index_beginscan(tenants, index, snapshot, 1, 0);
  index_rescan(scan, &condition, 1, nullptr, 0);
  int64 id = 0;
  if (index_getnext_slot(scan, ForwardScanDirection, slot)) {
    bool is_null;
    id = DatumGetInt64(slot_getattr(slot, 1, &is_null));
  }
  index_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  index_close(index, NoLock);
  table_close(tenants, NoLock);
  return id;
}

// The statement itself may have made the tenant, or another transaction since this one's snapshot.
static int64 LookUpTenant(const char* key) {
  int64 id = LookUpTenantIn(key, GetActiveSnapshot());
  if (id != 0) return id;
  CommandCounterIncrement();
  Snapshot latest = RegisterSnapshot(GetLatestSnapshot());
  id = LookUpTenantIn(key, latest);
  UnregisterSnapshot(latest);
  return id;
}

// The id of the row's tenant, 0 when it has none.
static int64 RowTenant(TenantColumn* tenant, TupleTableSlot* slot) {
  if (tenant->column < 0) return 0;
  bool is_null;
  const Datum value = slot_getattr(slot, tenant->column + 1, &is_null);
  if (is_null) return 0;
  char* key = OutputFunctionCall(&tenant->output, value);
  if (strlen(key) >= NAMEDATALEN) return 0;  // no tenant's key is as long
  KnownTenant* known = static_cast<KnownTenant*>(hash_search(tenant->known, key, HASH_FIND, nullptr));
  if (known == nullptr) {
    const int64 id = LookUpTenant(key);
    known = static_cast<KnownTenant*>(hash_search(tenant->known, key, HASH_ENTER, nullptr));
    known->id = id;
  }
  return known->id;
}

// What a call of the trigger works with; it lives as long.
struct AuditCall {
  const TriggerData* data;
  int32 target_id;
  bool is_child;       // a partition, or a table that inherits
  bool is_replicated;  // what logical replication applies has triggers of its own
  RowShape* shape;
  TenantColumn tenant;
  AuditWriter* writer;    // NULL until there is an entry
  int64 expected;         // how many entries there can be
  MemoryContext context;  // of the call
  MemoryContext row;      // of a row
};

// Writes an entry about the row in the slot. before and after hold until the next row.
static void WriteRow(AuditCall* call, char op, TupleTableSlot* slot, Jsonb* before, Jsonb* after) {
  if (call->writer == nullptr) {
    MemoryContextSwitchTo(call->context);
    call->writer = OpenAuditWriter(call->target_id, call->expected);
    MemoryContextSwitchTo(call->row);
  }
  const RowKey key = KeyOfRow(call->shape, slot);
  WriteAuditEntry(call->writer, RowTenant(&call->tenant, slot), op, &key, before, after);
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
  TenantColumn* tenant = &call->tenant;
  if (tenant->column < 0) return false;
  bool old_null;
  bool new_null;
  const Form_pg_attribute column = TupleDescAttr(call->shape->descriptor, tenant->column);
  const Datum old_value = slot_getattr(before, tenant->column + 1, &old_null);
  const Datum new_value = slot_getattr(after, tenant->column + 1, &new_null);
  if (old_null == new_null && (old_null || datum_image_eq(old_value, new_value, column->attbyval, column->attlen)))
    return false;
  return RowTenant(tenant, before) != RowTenant(tenant, after);
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
  return call->tenant.column < 0 ? updates : 2 * updates;
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
  if (call->is_child) {
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
  call->writer = OpenAuditWriter(call->target_id, 1);
  WriteAuditEntry(call->writer, 0, 'T', &no_key, before, nullptr);
}

static void ReadArguments(AuditCall* call) {
  const Trigger* trigger = call->data->tg_trigger;
  const char* number_key = "";
  call->target_id = pg_strtoint32(trigger->tgargs[0]);
  call->shape = MakeRowShape(call->data->tg_relation);
  call->tenant = FindTenantColumn(call->shape->descriptor, trigger->tgargs[1]);
  RedactSensitiveColumns(call->shape);
  const bool has_key = !bms_is_empty(call->shape->key_columns);
  for (int i = 2; i < trigger->tgnargs; i++) {
    const char* argument = trigger->tgargs[i];
    if (strncmp(argument, "key:", 4) == 0) {
      number_key = argument + 4;
    } else if (strncmp(argument, "root_key:", 9) == 0) {
      if (!has_key) AddKeyColumn(call->shape, argument + 9);
    } else if (strcmp(argument, "child") == 0) {
      call->is_child = true;
    } else if (strcmp(argument, "replicated") == 0) {
      call->is_replicated = true;
    } else {
      ApplyRule(call->shape, argument);
    }
  }
  RedactGeneratedColumns(call->shape);
  FinishRowShape(call->shape, number_key);
}

static void AuditStatement(AuditCall* call) {
  const TriggerEvent event = call->data->tg_event;
  // Of what logical replication applies, which fires triggers by row alone, only the first copy fires this one, too.
  if (call->is_replicated && IsLogicalWorker()) return;
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
  if (call->is_replicated && !IsLogicalWorker()) return;
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
  ReadArguments(&call);
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
