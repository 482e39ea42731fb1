// What the audit trigger knows of its table, from its arguments: the target's id, its tenant column (or ''),
// "key:column" for the integer by which entries name rows, "root_key:column" for tables that inherit, "child",
// "replicated", and rules "redact:column", "ignore:column" and "keep:column". A backend keeps it, and the tenants that
// it has met, until they change: for a statement on one row, finding them out anew costs more than writing the entry. A
// call works with a copy, so that whatever happens meanwhile takes nothing away from it.
#include "audit.h"
#include "own_table.h"

extern "C" {
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/reltrigger.h"
#include "utils/snapmgr.h"
}

namespace opsadmin {

// ---- What is kept ----

struct KnownTable {
  Oid relation;
  MemoryContext context;  // holds the rest, NULL: there is none
  bool is_valid;
  int argument_count;
  char** arguments;  // of the trigger
  AuditedTable* table;
};

struct KnownTenant {
  char key[NAMEDATALEN];
  int64 id;
  bool is_lasting;  // else it holds for this call alone
  uint64 call;
};

static HTAB* known_tables = nullptr;
static HTAB* known_tenants = nullptr;
static Oid tenant_relation = InvalidOid;
static bool tenants_changed = false;
static uint64 invalidations = 0;
static uint64 calls = 0;

// Nothing is freed here: it may be in use.
static void RelationChanged(Datum, Oid relation) {
  invalidations++;
  ForgetIndexes(relation);
  if (!OidIsValid(relation) || relation == tenant_relation) tenants_changed = true;
  if (known_tables == nullptr) return;
  if (OidIsValid(relation)) {
    KnownTable* known = static_cast<KnownTable*>(hash_search(known_tables, &relation, HASH_FIND, nullptr));
    if (known != nullptr) known->is_valid = false;
    return;
  }
  HASH_SEQ_STATUS all;
  hash_seq_init(&all, known_tables);
  while (auto* known = static_cast<KnownTable*>(hash_seq_search(&all))) known->is_valid = false;
}

// One callback for all that the audit keeps: the server has room for ten.
void InitializeAuditedTables() {
  CacheRegisterRelcacheCallback(RelationChanged, Datum{0});
}

static void EnsureKnown() {
  if (known_tables != nullptr) return;
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(KnownTable);
  control.hcxt = CacheMemoryContext;
  known_tables = hash_create("opsadmin audited tables", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

// ---- Tables ----

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

static void FindTenantColumn(AuditedTable* table, const char* name) {
  TupleDesc descriptor = table->shape->descriptor;
  table->tenant_column = -1;
  if (name[0] == '\0') return;
  table->tenant_column = FindColumn(descriptor, name);
  if (table->tenant_column < 0)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the audited table has no tenant column \"%s\" any more", name),
             errhint("Call opsadmin.audit() again for this table.")));
  Oid output;
  bool is_varlena;
  getTypeOutputInfo(TupleDescAttr(descriptor, table->tenant_column)->atttypid, &output, &is_varlena);
  fmgr_info(output, &table->tenant_output);
}

static AuditedTable* ReadArguments(Relation relation, const Trigger* trigger) {
  AuditedTable* table = static_cast<AuditedTable*>(palloc0(sizeof(AuditedTable)));
  const char* number_key = "";
  table->target_id = pg_strtoint32(trigger->tgargs[0]);
  table->shape = MakeRowShape(relation);
  FindTenantColumn(table, trigger->tgargs[1]);
  RedactSensitiveColumns(table->shape);
  const bool has_key = !bms_is_empty(table->shape->key_columns);
  for (int i = 2; i < trigger->tgnargs; i++) {
    const char* argument = trigger->tgargs[i];
    if (strncmp(argument, "key:", 4) == 0) {
      number_key = argument + 4;
    } else if (strncmp(argument, "root_key:", 9) == 0) {
      if (!has_key) AddKeyColumn(table->shape, argument + 9);
    } else if (strcmp(argument, "child") == 0) {
      table->is_child = true;
    } else if (strcmp(argument, "replicated") == 0) {
      table->is_replicated = true;
    } else {
      ApplyRule(table->shape, argument);
    }
  }
  RedactGeneratedColumns(table->shape);
  FinishRowShape(table->shape, number_key);
  return table;
}

static AuditedTable* CopyTable(const AuditedTable* table, TupleDesc descriptor) {
  AuditedTable* copy = static_cast<AuditedTable*>(palloc(sizeof(AuditedTable)));
  *copy = *table;
  copy->shape = CopyRowShape(table->shape, descriptor);
  if (table->tenant_column >= 0) fmgr_info(table->tenant_output.fn_oid, &copy->tenant_output);
  return copy;
}

static bool HasArguments(const KnownTable* known, const Trigger* trigger) {
  if (known->argument_count != trigger->tgnargs) return false;
  for (int i = 0; i < trigger->tgnargs; i++)
    if (strcmp(known->arguments[i], trigger->tgargs[i]) != 0) return false;
  return true;
}

// Keeps a copy for later calls.
static void KeepTable(const AuditedTable* table, Relation relation, const Trigger* trigger) {
  const Oid oid = RelationGetRelid(relation);
  bool found;
  KnownTable* known = static_cast<KnownTable*>(hash_search(known_tables, &oid, HASH_ENTER, &found));
  if (!found) known->context = nullptr;
  known->is_valid = false;
  if (known->context != nullptr) MemoryContextDelete(known->context);
  known->context = nullptr;
  known->context = AllocSetContextCreate(CacheMemoryContext, "opsadmin audited table", ALLOCSET_SMALL_SIZES);
  MemoryContext caller = MemoryContextSwitchTo(known->context);
  known->argument_count = trigger->tgnargs;
  known->arguments = static_cast<char**>(palloc(sizeof(char*) * trigger->tgnargs));
  for (int i = 0; i < trigger->tgnargs; i++) known->arguments[i] = pstrdup(trigger->tgargs[i]);
  known->table = CopyTable(table, RelationGetDescr(relation));
  MemoryContextSwitchTo(caller);
  known->is_valid = true;
}

AuditedTable* ReadAuditTrigger(Relation relation, const Trigger* trigger) {
  const Oid oid = RelationGetRelid(relation);
  EnsureKnown();
  calls++;
  // What has changed since the statement began, and is visible to it, counts.
  AcceptInvalidationMessages();
  const KnownTable* known = static_cast<KnownTable*>(hash_search(known_tables, &oid, HASH_FIND, nullptr));
  // The triggers of a table have the same arguments, and should one not, it is heard all the same.
  if (known != nullptr && known->is_valid && HasArguments(known, trigger))
    return CopyTable(known->table, RelationGetDescr(relation));
  const uint64 before = invalidations;
  AuditedTable* table = ReadArguments(relation, trigger);
  if (table->shape->is_lasting && invalidations == before) KeepTable(table, relation, trigger);
  return table;
}

// ---- Tenants ----

// The tenant's id as a snapshot has it. Reads the index by keys itself, past policies: whoever changes the row need not
// see tenants. A query for it would cost a statement on one row a tenth of all its time.
static int64 LookUpTenantIn(const char* key, Snapshot snapshot) {
  LookUp tenant = BeginLookUp("tenant", "tenant_key_value", CStringGetTextDatum(key), snapshot);
  tenant_relation = RelationGetRelid(tenant.table);
  int64 id = 0;
  bool is_null;
  if (NextRow(&tenant)) id = DatumGetInt64(ColumnOf(tenant, "id", &is_null));
  EndLookUp(tenant);
  return id;
}

static int64 LookUpLatestTenant(const char* key) {
  Snapshot latest = RegisterSnapshot(GetLatestSnapshot());
  const int64 id = LookUpTenantIn(key, latest);
  UnregisterSnapshot(latest);
  return id;
}

// The statement itself may have made the tenant, or another transaction since this one's snapshot. What the statement
// does not see as the latest snapshot does holds for it alone.
static int64 LookUpTenant(const char* key, bool* is_lasting) {
  int64 id = LookUpTenantIn(key, GetActiveSnapshot());
  *is_lasting = id != 0 && LookUpLatestTenant(key) == id;
  if (id != 0) return id;
  CommandCounterIncrement();
  id = LookUpLatestTenant(key);
  *is_lasting = id != 0;
  return id;
}

static void ForgetTenants() {
  if (known_tenants != nullptr) hash_destroy(known_tenants);
  known_tenants = nullptr;
  HASHCTL control = {};
  control.keysize = NAMEDATALEN;
  control.entrysize = sizeof(KnownTenant);
  control.hcxt = CacheMemoryContext;
  tenants_changed = false;
  known_tenants = hash_create("opsadmin audited tenants", 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

int64 TenantOfRow(AuditedTable* table, TupleTableSlot* slot) {
  constexpr int most_tenants = 10000;
  if (table->tenant_column < 0) return 0;
  bool is_null;
  const Datum value = slot_getattr(slot, table->tenant_column + 1, &is_null);
  if (is_null) return 0;
  char* key = OutputFunctionCall(&table->tenant_output, value);
  if (strlen(key) >= NAMEDATALEN) return 0;  // no tenant's key is as long
  if (known_tenants == nullptr || tenants_changed) ForgetTenants();
  KnownTenant* known = static_cast<KnownTenant*>(hash_search(known_tenants, key, HASH_FIND, nullptr));
  if (known != nullptr && (known->is_lasting || known->call == calls)) return known->id;
  bool is_lasting;
  const int64 id = LookUpTenant(key, &is_lasting);
  // What has changed while it was looked up may have been read before.
  is_lasting = is_lasting && !tenants_changed;
  if (hash_get_num_entries(known_tenants) >= most_tenants) ForgetTenants();
  known = static_cast<KnownTenant*>(hash_search(known_tenants, key, HASH_ENTER, nullptr));
  known->id = id;
  known->is_lasting = is_lasting;
  known->call = calls;
  return id;
}

}  // namespace opsadmin
