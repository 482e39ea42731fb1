// The audit trigger: reads the transition tables of a statement and writes one entry a changed row.
// opsadmin.audit() creates it; its arguments are the target's id, its tenant column (or '') and rules
// "redact:column" and "ignore:column". All state lives in the call: an error anywhere leaves nothing.
#include "audit.h"
#include "context.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
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
}

static void ApplyRule(RowShape* shape, const char* rule) {
  const bool redact = strncmp(rule, "redact:", 7) == 0;
  const char* column = rule + 7;
  if (!redact && strncmp(rule, "ignore:", 7) != 0) elog(ERROR, "unknown audit rule \"%s\"", rule);
  for (int i = 0; i < shape->descriptor->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, i);
    if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), column) == 0)
      shape->rules[i] = redact ? ColumnRule::redact : ColumnRule::ignore;
  }
}

static TenantColumn FindTenantColumn(TupleDesc descriptor, const char* name) {
  TenantColumn tenant = {-1, {}, nullptr};
  if (name[0] == '\0') return tenant;
  for (int i = 0; i < descriptor->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0) continue;
    Oid output;
    bool is_varlena;
    HASHCTL control = {};
    tenant.column = i;
    getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
    fmgr_info(output, &tenant.output);
    control.keysize = NAMEDATALEN;
    control.entrysize = sizeof(KnownTenant);
    control.hcxt = CurrentMemoryContext;
    tenant.known =
        hash_create("opsadmin tenants of a statement", 32, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
    return tenant;
  }
  ereport(ERROR,
          (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the audited table has no tenant column \"%s\" any more", name),
           errhint("Call opsadmin.audit() again for this table.")));
  pg_unreachable();
}

// Looks the key up as the owner of opsadmin.tenant: whoever changes the row need not read tenants.
static int64 LookUpTenant(const char* key) {
  Relation tenants = table_open(get_relname_relid("tenant", get_namespace_oid("opsadmin", false)), AccessShareLock);
  Oid user;
  int security;
  int64 id = 0;
  static SPIPlanPtr plan = nullptr;  // lives as long as the backend
  Datum values[1] = {CStringGetTextDatum(key)};
  GetUserIdAndSecContext(&user, &security);
  SetUserIdAndSecContext(tenants->rd_rel->relowner, security | SECURITY_LOCAL_USERID_CHANGE);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  if (plan == nullptr) {
    Oid types[1] = {TEXTOID};
    SPIPlanPtr made = SPI_prepare(
        "SELECT id FROM opsadmin.tenant WHERE coalesce(key, id::pg_catalog.text) OPERATOR(pg_catalog.=) $1", 1, types);
    if (made == nullptr || SPI_keepplan(made) != 0) elog(ERROR, "planning the look-up of a tenant failed");
    plan = made;
  }
  if (SPI_execute_plan(plan, values, nullptr, true, 1) != SPI_OK_SELECT) elog(ERROR, "looking up a tenant failed");
  if (SPI_processed == 1) {
    bool is_null;
    id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  }
  SPI_finish();
  SetUserIdAndSecContext(user, security);
  table_close(tenants, NoLock);
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

// A slot that reads a transition table from its start, through a read pointer of its own.
static TupleTableSlot* BeginRead(Tuplestorestate* rows, TupleDesc descriptor) {
  tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
  tuplestore_rescan(rows);
  return MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
}

static void AuditInsertOrDelete(Tuplestorestate* rows, RowShape* shape, TenantColumn* tenant, int32 target_id,
                                char op) {
  MemoryContext statement = CurrentMemoryContext;
  MemoryContext row = AllocSetContextCreate(statement, "opsadmin audit row", ALLOCSET_DEFAULT_SIZES);
  TupleTableSlot* slot = BeginRead(rows, shape->descriptor);
  AuditWriter* writer = nullptr;
  while (tuplestore_gettupleslot(rows, true, false, slot)) {
    if (writer == nullptr) writer = OpenAuditWriter(target_id);
    MemoryContextSwitchTo(row);
    Jsonb* values = WholeRow(shape, slot);
    WriteAuditEntry(writer, RowTenant(tenant, slot), op, RowKey(shape, slot), op == 'D' ? values : nullptr,
                    op == 'I' ? values : nullptr);
    MemoryContextSwitchTo(statement);
    MemoryContextReset(row);
  }
  if (writer != nullptr) CloseAuditWriter(writer);
  ExecDropSingleTupleTableSlot(slot);
}

static void AuditUpdate(Tuplestorestate* old_rows, Tuplestorestate* new_rows, RowShape* shape, TenantColumn* tenant,
                        int32 target_id) {
  // The executor stores both rows of an update together, so that they pair by their order.
  if (tuplestore_tuple_count(old_rows) != tuplestore_tuple_count(new_rows))
    elog(ERROR, "the transition tables of an audited update do not pair");
  MemoryContext statement = CurrentMemoryContext;
  MemoryContext row = AllocSetContextCreate(statement, "opsadmin audit row", ALLOCSET_DEFAULT_SIZES);
  TupleTableSlot* before = BeginRead(old_rows, shape->descriptor);
  TupleTableSlot* after = BeginRead(new_rows, shape->descriptor);
  AuditWriter* writer = nullptr;
  while (tuplestore_gettupleslot(old_rows, true, false, before) &&
         tuplestore_gettupleslot(new_rows, true, false, after)) {
    Jsonb* old_values;
    Jsonb* new_values;
    MemoryContextSwitchTo(row);
    if (ChangedColumns(shape, before, after, &old_values, &new_values)) {
      if (writer == nullptr) {
        MemoryContextSwitchTo(statement);
        writer = OpenAuditWriter(target_id);
        MemoryContextSwitchTo(row);
      }
      WriteAuditEntry(writer, RowTenant(tenant, before), 'U', RowKey(shape, before), old_values, new_values);
    }
    MemoryContextSwitchTo(statement);
    MemoryContextReset(row);
  }
  if (writer != nullptr) CloseAuditWriter(writer);
  ExecDropSingleTupleTableSlot(after);
  ExecDropSingleTupleTableSlot(before);
}

OPSADMIN_FUNCTION(opsadmin_audit_trigger) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR,
            (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("opsadmin.audit_trigger() is a trigger")));
  const TriggerData* data = reinterpret_cast<TriggerData*>(fcinfo->context);
  const Trigger* trigger = data->tg_trigger;
  const bool has_rows = (data->tg_newtable != nullptr || TRIGGER_FIRED_BY_DELETE(data->tg_event)) &&
                        (data->tg_oldtable != nullptr || TRIGGER_FIRED_BY_INSERT(data->tg_event));
  if (!TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) || trigger->tgnargs < 2 ||
      (!has_rows && !TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("opsadmin.audit_trigger() is created by opsadmin.audit() only")));

  MemoryContext caller = CurrentMemoryContext;
  MemoryContext call = AllocSetContextCreate(caller, "opsadmin audit", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(call);
  const int32 target_id = pg_strtoint32(trigger->tgargs[0]);
  if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) {
    AuditWriter* writer = OpenAuditWriter(target_id);
    WriteAuditEntry(writer, 0, 'T', nullptr, nullptr, nullptr);
    CloseAuditWriter(writer);
  } else {
    RowShape* shape = MakeRowShape(data->tg_relation);
    TenantColumn tenant = FindTenantColumn(shape->descriptor, trigger->tgargs[1]);
    for (int i = 2; i < trigger->tgnargs; i++) ApplyRule(shape, trigger->tgargs[i]);
    if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
      AuditInsertOrDelete(data->tg_newtable, shape, &tenant, target_id, 'I');
    else if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
      AuditInsertOrDelete(data->tg_oldtable, shape, &tenant, target_id, 'D');
    else
      AuditUpdate(data->tg_oldtable, data->tg_newtable, shape, &tenant, target_id);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(call);
  return PointerGetDatum(nullptr);
}

}  // namespace opsadmin
