// What is planned as a partner knows no values of other tenants. Statistics are of all tenants' rows, and the planner
// looks into them for every operator that is leakproof; so which plan is taken, and with it the order of one's own
// rows, would tell whether a value is common at somebody else. Of tables with row-level security the planner therefore
// gets the numbers without the values: the share of NULLs, the number of distinct values, the correlation, and of the
// tenant column how many rows the own tenant has. Whoever may see every row is planned for as without row-level
// security.
#include "statistics.h"

#include "context.h"
#include "protected_relation.h"
#include "site_role.h"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"
#include "utils/uuid.h"
}

namespace opsadmin {

static get_relation_stats_hook_type previous_relation_stats = nullptr;
static get_index_stats_hook_type previous_index_stats = nullptr;
static get_relation_info_hook_type previous_relation_info = nullptr;

static bool HasRowSecurity(Oid relation) {
  const HeapTuple row = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(row)) return false;
  const bool has = reinterpret_cast<Form_pg_class>(GETSTRUCT(row))->relrowsecurity;
  ReleaseSysCache(row);
  return has;
}

static bool IsHidden(Oid relation) {
  const Caller caller = CurrentCaller();
  return caller.site == Site::partner && caller.by_right && HasRowSecurity(relation);
}

// ---- The own tenant's share of the tenant column ----

static bool IsOwnKey(const Context* context, Oid type, Datum value) {
  switch (type) {
    case INT4OID:
      return context->has_integer_key && DatumGetInt32(value) == context->tenant_integer_key;
    case INT8OID:
      return context->has_integer_key && DatumGetInt64(value) == context->tenant_integer_key;
    case UUIDOID:
      return context->has_uuid_key && memcmp(DatumGetUUIDP(value)->data, context->tenant_uuid_key, UUID_LEN) == 0;
    case TEXTOID:
    case VARCHAROID:
      return strcmp(TextDatumGetCString(value), context->tenant_text_key) == 0;
    default:
      return false;
  }
}

// The most common values of a tenant column with the own tenant alone; false when it is not among them.
static bool OwnShare(const Context* context, HeapTuple statistics, Oid type, Datum* share, Datum* key) {
  AttStatsSlot common;
  if (!get_attstatsslot(&common, statistics, STATISTIC_KIND_MCV, InvalidOid,
                        ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
    return false;
  bool found = false;
  for (int i = 0; i < common.nvalues && !found; i++) {
    if (!IsOwnKey(context, type, common.values[i])) continue;
    int16 length;
    bool by_value;
    char align;
    get_typlenbyvalalign(common.valuetype, &length, &by_value, &align);
    Datum number = Float4GetDatum(common.numbers[i]);
    *share = PointerGetDatum(construct_array(&number, 1, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
    *key = PointerGetDatum(construct_array(&common.values[i], 1, common.valuetype, length, by_value, align));
    found = true;
  }
  free_attstatsslot(&common);
  return found;
}

// ---- Statistics without values ----

// The shape of the catalog, which is the same as long as the server runs.
static TupleDesc StatisticDescriptor() {
  static TupleDesc descriptor = nullptr;
  if (descriptor == nullptr) {
    const Relation catalog = table_open(StatisticRelationId, AccessShareLock);
    const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    descriptor = CreateTupleDescCopy(RelationGetDescr(catalog));
    MemoryContextSwitchTo(caller);
    table_close(catalog, AccessShareLock);
  }
  return descriptor;
}

static HeapTuple WithoutValues(HeapTuple statistics, Oid relation, AttrNumber column) {
  Datum values[Natts_pg_statistic] = {};
  bool nulls[Natts_pg_statistic] = {};
  bool replaces[Natts_pg_statistic] = {};
  const auto* form = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(statistics));
  const int16* kinds = &form->stakind1;
  const Context* context = BoundContext();
  const bool is_tenant = context != nullptr && context->has_tenant && AttributeNumberIsValid(column) &&
                         strcmp(get_attname(relation, column, false), FactsOf(relation).tenant_column) == 0;
  Datum share;
  Datum key;
  const bool has_share = is_tenant && OwnShare(context, statistics, get_atttype(relation, column), &share, &key);
  for (int slot = 0; slot < STATISTIC_NUM_SLOTS; slot++) {
    if (kinds[slot] == STATISTIC_KIND_CORRELATION) continue;
    const int numbers = Anum_pg_statistic_stanumbers1 - 1 + slot;
    const int slot_values = Anum_pg_statistic_stavalues1 - 1 + slot;
    replaces[numbers] = replaces[slot_values] = true;
    if (has_share && kinds[slot] == STATISTIC_KIND_MCV) {
      values[numbers] = share;
      values[slot_values] = key;
      continue;
    }
    nulls[numbers] = nulls[slot_values] = true;
    // By 0: it has no statistics of any kind.
    replaces[Anum_pg_statistic_stakind1 - 1 + slot] = replaces[Anum_pg_statistic_staop1 - 1 + slot] =
        replaces[Anum_pg_statistic_stacoll1 - 1 + slot] = true;
  }
  return heap_modify_tuple(statistics, StatisticDescriptor(), values, nulls, replaces);
}

// What a run of the planner has asked for: it asks for a column several times, once for each index that has it.
struct Answer {
  Oid statistics_of;
  AttrNumber number;
  bool inherits;
  HeapTuple statistics;  // NULL: there are none
};

static struct {
  const PlannerGlobal* run;
  List* answers;
} present;

static void ForgetAnswers(void*) {
  present = {};
}

// Answers live as long as the planner's run. One that is run meanwhile has answers of its own, and those are forgotten.
static void BeginAnswers(const PlannerInfo* root) {
  if (present.run == root->glob) return;
  auto* callback =
      static_cast<MemoryContextCallback*>(MemoryContextAlloc(root->planner_cxt, sizeof(MemoryContextCallback)));
  callback->func = ForgetAnswers;
  MemoryContextRegisterResetCallback(root->planner_cxt, callback);
  present = {root->glob, NIL};
}

static void KeepTuple(HeapTuple) {}

static void Strip(const PlannerInfo* root, Oid statistics_of, AttrNumber number, bool inherits, Oid relation,
                  AttrNumber column, VariableStatData* variable) {
  variable->freefunc = KeepTuple;
  BeginAnswers(root);
  ListCell* cell;
  foreach (cell, present.answers) {
    const auto* answer = static_cast<const Answer*>(lfirst(cell));
    if (answer->statistics_of != statistics_of || answer->number != number || answer->inherits != inherits) continue;
    variable->statsTuple = answer->statistics;
    return;
  }
  const HeapTuple statistics =
      SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(statistics_of), Int16GetDatum(number), BoolGetDatum(inherits));
  const MemoryContext caller = MemoryContextSwitchTo(root->planner_cxt);
  auto* answer = static_cast<Answer*>(palloc(sizeof(Answer)));
  *answer = {statistics_of, number, inherits, nullptr};
  if (HeapTupleIsValid(statistics)) {
    answer->statistics = WithoutValues(statistics, relation, column);
    ReleaseSysCache(statistics);
  }
  present.answers = lappend(present.answers, answer);
  MemoryContextSwitchTo(caller);
  variable->statsTuple = answer->statistics;
}

static bool RelationStatistics(PlannerInfo* root, RangeTblEntry* entry, AttrNumber column, VariableStatData* variable) {
  if (entry->rtekind == RTE_RELATION && IsHidden(entry->relid)) {
    Strip(root, entry->relid, column, entry->inh, entry->relid, column, variable);
    return true;
  }
  return previous_relation_stats != nullptr && previous_relation_stats(root, entry, column, variable);
}

// Those of expressions; of a plain column an index has none of its own.
static bool IndexStatistics(PlannerInfo* root, Oid index, AttrNumber number, VariableStatData* variable) {
  const Oid relation = IndexGetRelation(index, true);
  if (OidIsValid(relation) && IsHidden(relation)) {
    Strip(root, index, number, false, relation, InvalidAttrNumber, variable);
    return true;
  }
  return previous_index_stats != nullptr && previous_index_stats(root, index, number, variable);
}

// Extended statistics have common values, too.
static void RelationInfo(PlannerInfo* root, Oid relation, bool is_parent, RelOptInfo* info) {
  if (previous_relation_info != nullptr) previous_relation_info(root, relation, is_parent, info);
  if (info->statlist != NIL && IsHidden(relation)) info->statlist = NIL;
}

// ---- Policies that let every row in ----

static bool IsTrue(Node* condition) {
  if (!IsA(condition, Const)) return false;
  const Const* constant = reinterpret_cast<Const*>(condition);
  return !constant->constisnull && DatumGetBool(constant->constvalue);
}

static bool LetsEveryRowIn(const RangeTblEntry* entry) {
  const ListCell* cell;
  foreach (cell, entry->securityQuals)
    if (!IsTrue(static_cast<Node*>(lfirst(cell)))) return false;
  return true;
}

static bool ForgetIn(Node* node, void* argument) {
  if (node == nullptr) return false;
  if (!IsA(node, Query)) return expression_tree_walker(node, OPSADMIN_WALKER(ForgetIn), argument);
  Query* query = reinterpret_cast<Query*>(node);
  ListCell* cell;
  foreach (cell, query->rtable) {
    auto* entry = static_cast<RangeTblEntry*>(lfirst(cell));
    if (LetsEveryRowIn(entry)) entry->securityQuals = NIL;
  }
  return query_tree_walker(query, OPSADMIN_WALKER(ForgetIn), argument, 0);
}

// For the mere presence of a condition, be it "true", the planner asks no statistics about operators that are not
// leakproof, and evaluates those last. The plan still belongs to the role: hasRowSecurity says so.
void ForgetOpenPolicies(Query* query) {
  if (query->hasRowSecurity) (void)ForgetIn(reinterpret_cast<Node*>(query), nullptr);
}

void InstallStatisticsHooks() {
  previous_relation_stats = get_relation_stats_hook;
  get_relation_stats_hook = RelationStatistics;
  previous_index_stats = get_index_stats_hook;
  get_index_stats_hook = IndexStatistics;
  previous_relation_info = get_relation_info_hook;
  get_relation_info_hook = RelationInfo;
}

}  // namespace opsadmin
