// The trigger of the tables that KPIs are computed from: notes which tenants' closed days a statement has changed, for
// the next refresh. opsadmin_private.track_source() creates it; its arguments are the target's id, its tenant column
// and the time columns. What happens in the open day costs a comparison a row and writes nothing. Nobody waits: notes
// are only ever added.
#include "kpi_day.h"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"
}

namespace opsadmin {

// Columns of opsadmin.kpi_dirty, as sql/schema/kpi.sql has them.
enum DirtyColumn { dirty_target_id, dirty_tenant_key, dirty_at, dirty_columns };

// Notes are by stretches of time that need no time zone; one that a midnight cuts makes both its days dirty.
static constexpr int64 note_length = 4 * USECS_PER_HOUR;
static constexpr long max_known_tenants = 10000;

// What a tenant column holds, in a form that can be hashed, without padding: an integer, a uuid, or a text, which is
// not longer than tenants' keys can be.
struct TenantKey {
  Oid type;
  char value[68];  // the rest is zero
};

// The open day of a tenant.
struct KnownTenant {
  TenantKey key;
  bool exists;
  TimestampTz starts_at;
  TimestampTz ends_at;
};

struct Note {
  TenantKey key;
  int64 stretch;
};

// Kept by each backend until a tenant changes: open days by tenant, and the latest start of all tenants' open days. All
// rows from then on are of open days.
static HTAB* known_tenants = nullptr;
static TimestampTz latest_start;
static TimestampTz latest_start_holds_until;
static Oid tenant_relation = InvalidOid;
static bool tenants_changed = true;

struct KpiCall {
  TupleDesc descriptor;
  int32 target_id;
  int tenant_column;  // attribute index
  Oid tenant_type;
  int* time_columns;
  int time_column_count;
  TimestampTz now;
  TimestampTz latest_start;
  HTAB* notes;  // NULL until there is one
  Note last;
};

static void TenantsChanged(Datum, Oid relation) {
  if (!OidIsValid(relation) || relation == tenant_relation) tenants_changed = true;
}

// Runs a query as the owner of opsadmin.tenant, since whoever changes the row need not read tenants, and returns its
// two timestamps; false without a row.
static bool QueryOpenDay(SPIPlanPtr* plan, const char* query, const char* key, TimestampTz* first,
                         TimestampTz* second) {
  Relation tenants = table_open(tenant_relation, AccessShareLock);
  Oid user;
  int security;
  bool found = false;
  Datum values[1] = {key != nullptr ? CStringGetTextDatum(key) : Datum{0}};
  GetUserIdAndSecContext(&user, &security);
  SetUserIdAndSecContext(tenants->rd_rel->relowner, security | SECURITY_LOCAL_USERID_CHANGE);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  if (*plan == nullptr) {
    Oid types[1] = {TEXTOID};
    SPIPlanPtr made = SPI_prepare(query, key != nullptr ? 1 : 0, types);
    if (made == nullptr || SPI_keepplan(made) != 0) elog(ERROR, "planning the look-up of an open day failed");
    *plan = made;
  }
  // What is kept outlives the transaction, whose own snapshot may be older than the last change of a tenant.
  if (SPI_execute_snapshot(*plan, values, nullptr, GetLatestSnapshot(), InvalidSnapshot, false, true, 1) !=
      SPI_OK_SELECT)
    elog(ERROR, "looking up a day failed");
  if (SPI_processed == 1) {
    bool first_is_null;
    bool second_is_null;
    *first = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &first_is_null));
    *second = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &second_is_null));
    found = !first_is_null && !second_is_null;
  }
  SPI_finish();
  SetUserIdAndSecContext(user, security);
  table_close(tenants, NoLock);
  return found;
}

// Forgets what is known of tenants when one has changed, and learns when the latest of the open days has begun.
static void RefreshTenants(KpiCall* call) {
  static SPIPlanPtr plan = nullptr;  // lives as long as the backend
  // A change that has been committed counts from here on, also in a statement that has been running since before.
  AcceptInvalidationMessages();
  if (tenants_changed) {
    static bool registered = false;
    if (!registered) CacheRegisterRelcacheCallback(TenantsChanged, Datum{0});
    registered = true;
    if (known_tenants != nullptr) hash_destroy(known_tenants);
    known_tenants = nullptr;
    HASHCTL control = {};
    control.keysize = sizeof(TenantKey);
    control.entrysize = sizeof(KnownTenant);
    control.hcxt = TopMemoryContext;
    known_tenants = hash_create("opsadmin open days", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    tenant_relation = get_relname_relid("tenant", get_namespace_oid("opsadmin", false));
    latest_start_holds_until = DT_NOBEGIN;
    // A change that is noticed while this reads makes the next call read again.
    tenants_changed = false;
  }
  if (call->now >= latest_start_holds_until &&
      !QueryOpenDay(&plan, "SELECT starts_at, ends_at FROM opsadmin_private.latest_open_day()", nullptr, &latest_start,
                    &latest_start_holds_until)) {
    latest_start = call->now;  // no tenant: whoever comes has an open day that has begun
    latest_start_holds_until = DT_NOBEGIN;
  }
  call->latest_start = latest_start;
}

// The key as opsadmin.tenant has it.
static const char* KeyText(const TenantKey* key) {
  if (key->type == TEXTOID) return key->value;
  if (key->type == UUIDOID) return DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(key->value)));
  int64 number;
  memcpy(&number, key->value, sizeof(number));
  return psprintf(INT64_FORMAT, number);
}

static const KnownTenant* FindTenant(const KpiCall* call, const TenantKey* key) {
  static SPIPlanPtr plan = nullptr;  // lives as long as the backend
  auto* known = static_cast<KnownTenant*>(hash_search(known_tenants, key, HASH_FIND, nullptr));
  if (known != nullptr && call->now < known->ends_at) return known;
  KnownTenant tenant = {*key, false, DT_NOBEGIN, DT_NOEND};
  tenant.exists = QueryOpenDay(&plan, "SELECT starts_at, ends_at FROM opsadmin_private.open_day($1)", KeyText(key),
                               &tenant.starts_at, &tenant.ends_at);
  if (hash_get_num_entries(known_tenants) >= max_known_tenants) {
    HASH_SEQ_STATUS all;
    hash_seq_init(&all, known_tenants);
    while (const auto* entry = static_cast<KnownTenant*>(hash_seq_search(&all)))
      hash_search(known_tenants, &entry->key, HASH_REMOVE, nullptr);
  }
  known = static_cast<KnownTenant*>(hash_search(known_tenants, key, HASH_ENTER, nullptr));
  *known = tenant;
  return known;
}

// The key of the row's tenant; false when no tenant can have it.
static bool ReadTenantKey(const KpiCall* call, TupleTableSlot* slot, TenantKey* key) {
  bool is_null;
  const Datum value = slot_getattr(slot, call->tenant_column + 1, &is_null);
  if (is_null) return false;
  *key = {};
  key->type = call->tenant_type;
  if (call->tenant_type == INT8OID) {
    const Oid type = TupleDescAttr(call->descriptor, call->tenant_column)->atttypid;
    const int64 number = type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
    memcpy(key->value, &number, sizeof(number));
  } else if (call->tenant_type == UUIDOID) {
    memcpy(key->value, DatumGetUUIDP(value)->data, UUID_LEN);
  } else {
    const text* string = DatumGetTextPP(value);
    const Size length = VARSIZE_ANY_EXHDR(string);
    if (length >= sizeof(key->value)) return false;
    memcpy(key->value, VARDATA_ANY(string), length);
  }
  return true;
}

static void AddNote(KpiCall* call, const Note* note) {
  if (call->notes == nullptr) {
    HASHCTL control = {};
    control.keysize = sizeof(Note);
    control.entrysize = sizeof(Note);
    control.hcxt = CurrentMemoryContext;
    call->notes = hash_create("opsadmin notes of a statement", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  } else if (memcmp(note, &call->last, sizeof(Note)) == 0) {
    return;
  }
  hash_search(call->notes, note, HASH_ENTER, nullptr);
  call->last = *note;
}

static void NoteMoment(KpiCall* call, TupleTableSlot* slot, TimestampTz moment) {
  Note note = {};
  if (moment < first_kpi_moment || !ReadTenantKey(call, slot, &note.key)) return;
  const KnownTenant* tenant = FindTenant(call, &note.key);
  if (tenant->exists && moment >= tenant->starts_at) return;
  note.stretch = moment / note_length - (moment % note_length < 0 ? 1 : 0);
  AddNote(call, &note);
}

static void NoteRows(KpiCall* call, Tuplestorestate* rows) {
  if (rows == nullptr) return;
  // Other triggers read the same rows.
  tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
  tuplestore_rescan(rows);
  TupleTableSlot* slot = MakeSingleTupleTableSlot(call->descriptor, &TTSOpsMinimalTuple);
  while (tuplestore_gettupleslot(rows, true, false, slot)) {
    for (int i = 0; i < call->time_column_count; i++) {
      bool is_null;
      const TimestampTz moment = DatumGetTimestampTz(slot_getattr(slot, call->time_columns[i] + 1, &is_null));
      if (!is_null && moment < call->latest_start) NoteMoment(call, slot, moment);
    }
  }
  ExecDropSingleTupleTableSlot(slot);
}

static Relation OpenDirty() {
  Relation dirty = table_open(get_relname_relid("kpi_dirty", get_namespace_oid("opsadmin", false)), RowExclusiveLock);
  if (RelationGetNumberOfAttributes(dirty) != dirty_columns || RelationGetIndexList(dirty) != NIL)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("\"%s\" does not fit the loaded library", RelationGetRelationName(dirty)),
                    errhint("Run ALTER EXTENSION opsadmin UPDATE, or restart the server with the new library.")));
  return dirty;
}

static TupleTableSlot* MakeDirtyRow(Relation dirty, int32 target_id, const Note* note) {
  TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(dirty), &TTSOpsVirtual);
  ExecClearTuple(slot);
  memset(slot->tts_isnull, true, sizeof(bool) * dirty_columns);
  slot->tts_values[dirty_target_id] = Int32GetDatum(target_id);
  slot->tts_isnull[dirty_target_id] = false;
  if (note != nullptr) {
    slot->tts_values[dirty_tenant_key] = CStringGetTextDatum(KeyText(&note->key));
    slot->tts_values[dirty_at] = TimestampTzGetDatum(note->stretch * note_length);
    slot->tts_isnull[dirty_tenant_key] = slot->tts_isnull[dirty_at] = false;
  }
  return ExecStoreVirtualTuple(slot);
}

// Writes past rights and policies, because nobody has a right to write there.
static void WriteNotes(const KpiCall* call) {
  constexpr int batch = 500;
  Relation dirty = OpenDirty();
  TupleTableSlot* slots[batch];
  int used = 0;
  HASH_SEQ_STATUS all;
  hash_seq_init(&all, call->notes);
  const CommandId command = GetCurrentCommandId(true);
  for (;;) {
    const Note* note = static_cast<Note*>(hash_seq_search(&all));
    if (note != nullptr) slots[used++] = MakeDirtyRow(dirty, call->target_id, note);
    if (used == 0) break;
    if (used < batch && note != nullptr) continue;
    if (used == 1)
      table_tuple_insert(dirty, slots[0], command, 0, nullptr);
    else
      table_multi_insert(dirty, slots, used, command, 0, nullptr);
    while (used > 0) ExecDropSingleTupleTableSlot(slots[--used]);
    if (note == nullptr) break;
  }
  table_close(dirty, NoLock);
}

// A note without a tenant: all days of all tenants.
static void NoteEverything(int32 target_id) {
  Relation dirty = OpenDirty();
  TupleTableSlot* slot = MakeDirtyRow(dirty, target_id, nullptr);
  table_tuple_insert(dirty, slot, GetCurrentCommandId(true), 0, nullptr);
  ExecDropSingleTupleTableSlot(slot);
  table_close(dirty, NoLock);
}

// The attribute index of a column, -1 when there is none of the name.
static int FindColumn(TupleDesc descriptor, const char* name) {
  for (int i = 0; i < descriptor->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0) return i;
  }
  return -1;
}

// False when there is nothing to look at: no KPI can be computed from columns that have gone, and the next refresh
// notices that the trigger does not fit.
static bool ReadArguments(KpiCall* call, const Trigger* trigger) {
  call->tenant_column = FindColumn(call->descriptor, trigger->tgargs[1]);
  if (call->tenant_column < 0) return false;
  switch (TupleDescAttr(call->descriptor, call->tenant_column)->atttypid) {
    case INT4OID:
    case INT8OID:
      call->tenant_type = INT8OID;
      break;
    case UUIDOID:
      call->tenant_type = UUIDOID;
      break;
    case TEXTOID:
    case VARCHAROID:
      call->tenant_type = TEXTOID;
      break;
    default:
      return false;
  }
  call->time_columns = static_cast<int*>(palloc(sizeof(int) * trigger->tgnargs));
  for (int i = 2; i < trigger->tgnargs; i++) {
    const int column = FindColumn(call->descriptor, trigger->tgargs[i]);
    if (column >= 0 && TupleDescAttr(call->descriptor, column)->atttypid == TIMESTAMPTZOID)
      call->time_columns[call->time_column_count++] = column;
  }
  return call->time_column_count > 0;
}

OPSADMIN_FUNCTION(opsadmin_kpi_trigger) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("opsadmin.kpi_trigger() is a trigger")));
  const TriggerData* data = reinterpret_cast<TriggerData*>(fcinfo->context);
  const bool has_rows = data->tg_newtable != nullptr || data->tg_oldtable != nullptr;
  if (!TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ||
      data->tg_trigger->tgnargs < 3 || (!has_rows && !TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("opsadmin.kpi_trigger() is created by opsadmin.define_kpi() only")));
  KpiCall call = {};
  call.descriptor = RelationGetDescr(data->tg_relation);
  call.target_id = pg_strtoint32(data->tg_trigger->tgargs[0]);
  if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) {
    NoteEverything(call.target_id);
    return PointerGetDatum(nullptr);
  }
  if (!ReadArguments(&call, data->tg_trigger)) return PointerGetDatum(nullptr);
  call.now = GetCurrentTimestamp();
  RefreshTenants(&call);
  NoteRows(&call, data->tg_oldtable);
  NoteRows(&call, data->tg_newtable);
  if (call.notes != nullptr) WriteNotes(&call);
  return PointerGetDatum(nullptr);
}

}  // namespace opsadmin
