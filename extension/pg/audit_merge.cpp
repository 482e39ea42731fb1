// Makes a MERGE that moves rows between partitions fire the audit triggers for DELETE and INSERT. The executor keeps
// such rows for these triggers, but fires those alone that the statement has actions for.
#include "audit.h"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "utils/lsyscache.h"
}

namespace opsadmin {

static ExecutorStart_hook_type previous_executor_start = nullptr;

static bool HasAuditTrigger(const TriggerDesc* triggers) {
  if (triggers == nullptr) return false;
  const Oid schema = get_namespace_oid("opsadmin", true);
  for (int i = 0; OidIsValid(schema) && i < triggers->numtriggers; i++) {
    const Oid function = triggers->triggers[i].tgfoid;
    if (get_func_namespace(function) != schema) continue;
    const char* name = get_func_name(function);
    if (name != nullptr && strcmp(name, "audit_trigger") == 0) return true;
  }
  return false;
}

static void AddMoves(PlanState* plan) {
  if (plan == nullptr || !IsA(plan, ModifyTableState)) return;
  ModifyTableState* change = reinterpret_cast<ModifyTableState*>(plan);
  const ResultRelInfo* target = change->rootResultRelInfo;
  if (change->operation == CMD_MERGE && (change->mt_merge_subcommands & MERGE_UPDATE) != 0 &&
      target->ri_RelationDesc->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && HasAuditTrigger(target->ri_TrigDesc))
    change->mt_merge_subcommands |= MERGE_INSERT | MERGE_DELETE;
}

static void StartExecutor(QueryDesc* query, int flags) {
  if (previous_executor_start != nullptr)
    previous_executor_start(query, flags);
  else
    standard_ExecutorStart(query, flags);
  if (query->operation == CMD_MERGE) AddMoves(query->planstate);
  // Changes within WITH.
  ListCell* cell;
  foreach (cell, query->estate->es_auxmodifytables) AddMoves(static_cast<PlanState*>(lfirst(cell)));
}

void InstallAuditHooks() {
  previous_executor_start = ExecutorStart_hook;
  ExecutorStart_hook = StartExecutor;
}

}  // namespace opsadmin
