// Decides for each statement of a site role whether it may run: the context's permissions on protected tables,
// nothing but signing in without a context, and nothing of a partner that outlives its transaction. Superusers and
// the company's own roles pass at once.
#include "hooks.h"

#include "context.h"
#include "protected_relation.h"
#include "site_role.h"
#include "statement_rules.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
}

namespace opsadmin {

static ExecutorCheckPerms_hook_type previous_check_perms = nullptr;
static object_access_hook_type previous_object_access = nullptr;
static ProcessUtility_hook_type previous_utility = nullptr;
static post_parse_analyze_hook_type previous_analyze = nullptr;

static StatementContext ContextOf(const Caller& caller) {
  if (BoundContext() == nullptr) return StatementContext::unbound;
  return caller.site == Site::partner ? StatementContext::partner : StatementContext::internal;
}

// ---- Relations ----

static constexpr struct {
  AclMode right;
  const char* verb;
} verbs[] = {{ACL_SELECT, "read"}, {ACL_INSERT, "create"}, {ACL_UPDATE, "update"}, {ACL_DELETE, "delete"}};

// The permission that is missing for the rights, in the buffer; false when none is.
static bool IsMissing(const Context* context, const RelationFacts& facts, AclMode rights, char* permission,
                      size_t size) {
  for (const auto& [right, verb] : verbs) {
    if ((rights & right) == 0) continue;
    snprintf(permission, size, "%s:%s", facts.resource, verb);
    if (!HasPermission(context, permission)) return true;
  }
  return false;
}

static bool CheckPermissions(const Context* context, List* wanted, bool raises) {
  ListCell* cell;
  foreach (cell, wanted) {
    const auto* item = static_cast<const RelationPermission*>(lfirst(cell));
    if (item->requiredPerms == 0 || !OidIsValid(item->relid)) continue;
    const RelationFacts facts = FactsOf(item->relid);
    char permission[NAMEDATALEN + 16];
    if (!facts.is_protected || !IsMissing(context, facts, item->requiredPerms, permission, sizeof permission)) continue;
    if (!raises) return false;
    ereport(ERROR, (OpsadminErrcode(oa::permission_denied), errmsg("permission \"%s\" is required", permission),
                    errhint("Ask an administrator for a role that has it.")));
  }
  return true;
}

static bool ReadsServerOnly(List* range_table) {
  ListCell* cell;
  foreach (cell, range_table) {
    const Oid relation = lfirst_node(RangeTblEntry, cell)->relid;
    if (OidIsValid(relation) && !FactsOf(relation).of_server) return false;
  }
  return true;
}

static bool CheckPerms(OPSADMIN_CHECK_PERMS_PARAMETERS) {
  const Caller caller = CurrentCaller();
  if (caller.site != Site::none) {
    const Context* context = BoundContext();
    if (context == nullptr && !ReadsServerOnly(range_table)) {
      if (!raises) return false;
      RequireContext();
    }
    // Code that runs as another owner has that owner's rights: it was given to be called.
    if (context != nullptr && caller.by_right && !CheckPermissions(context, OPSADMIN_PERMISSION_LIST, raises))
      return false;
  }
  return previous_check_perms == nullptr || previous_check_perms(OPSADMIN_CHECK_PERMS_ARGUMENTS);
}

// ---- Functions ----

static constexpr const char* entry_functions[] = {"accept_invitation", "begin_as", "begin_request", "begin_with_ticket",
                                                  "sign_in",           "sign_out", "touch_session"};

static bool IsEntryFunction(Oid function) {
  const Oid schema = get_func_namespace(function);
  if (!OidIsValid(schema) || schema != get_namespace_oid("opsadmin", true)) return false;
  const char* name = get_func_name(function);
  for (const char* entry : entry_functions)
    if (name != nullptr && strcmp(name, entry) == 0) return true;
  return false;
}

[[noreturn]] static void RaiseNotAllowed(const char* what) {
  ereport(ERROR, (OpsadminErrcode(oa::statement_not_allowed), errmsg("%s is not allowed here", what),
                  errdetail("It would reach beyond the transaction and its tenant."),
                  errhint("Use SELECT, INSERT, UPDATE, DELETE, MERGE, cursors and SET LOCAL.")));
  pg_unreachable();
}

static void CheckFunction(Oid function) {
  const Caller caller = CurrentCaller();
  if (caller.site == Site::none) return;
  const StatementContext context = ContextOf(caller);
  // What initdb has made is the server's own.
  if (context == StatementContext::unbound && function >= FirstNormalObjectId && !IsEntryFunction(function))
    RequireContext();
  if (caller.by_right && context != StatementContext::internal && ReachesOut(function))
    RaiseNotAllowed(psprintf("%s()", get_func_name(function)));
}

static void ObjectAccess(ObjectAccessType access, Oid catalog, Oid object, int column, void* argument) {
  if (access == OAT_FUNCTION_EXECUTE && catalog == ProcedureRelationId) CheckFunction(object);
  if (previous_object_access != nullptr) previous_object_access(access, catalog, object, column, argument);
}

// set_config() is SET by another name; only here are its arguments known.
static bool CheckSetConfig(Node* node, void* context) {
  if (node == nullptr) return false;
  if (IsA(node, Query))
    return query_tree_walker(reinterpret_cast<Query*>(node), OPSADMIN_WALKER(CheckSetConfig), context, 0);
  if (IsA(node, FuncExpr) && reinterpret_cast<FuncExpr*>(node)->funcid == F_SET_CONFIG &&
      IsLastingSetConfig(reinterpret_cast<FuncExpr*>(node), *static_cast<StatementContext*>(context)))
    RaiseNotAllowed("set_config() beyond the transaction");
  return expression_tree_walker(node, OPSADMIN_WALKER(CheckSetConfig), context);
}

static void Analyzed(ParseState* state, Query* query, JumbleState* jumble) {
  if (previous_analyze != nullptr) previous_analyze(state, query, jumble);
  const Caller caller = CurrentCaller();
  if (!caller.by_right || !caller.at_login) return;
  StatementContext context = ContextOf(caller);
  if (context != StatementContext::internal) CheckSetConfig(reinterpret_cast<Node*>(query), &context);
}

// ---- Utility statements ----

static void CheckUtility(const Node* statement) {
  const Caller caller = CurrentCaller();
  if (caller.site == Site::none) return;
  const StatementContext context = ContextOf(caller);
  if (context != StatementContext::unbound && !caller.by_right) return;
  const char* refused = RefusedStatement(statement, context, caller.at_login);
  if (refused == nullptr) return;
  if (context == StatementContext::unbound) RequireContext();
  RaiseNotAllowed(refused);
}

static void Utility(PlannedStmt* statement, const char* text, bool read_only_tree, ProcessUtilityContext context,
                    ParamListInfo parameters, QueryEnvironment* environment, DestReceiver* receiver,
                    QueryCompletion* completion) {
  CheckUtility(statement->utilityStmt);
  if (previous_utility != nullptr)
    previous_utility(statement, text, read_only_tree, context, parameters, environment, receiver, completion);
  else
    standard_ProcessUtility(statement, text, read_only_tree, context, parameters, environment, receiver, completion);
}

void InstallHooks() {
  InitializeSiteRoles();
  previous_check_perms = ExecutorCheckPerms_hook;
  ExecutorCheckPerms_hook = CheckPerms;
  previous_object_access = object_access_hook;
  object_access_hook = ObjectAccess;
  previous_utility = ProcessUtility_hook;
  ProcessUtility_hook = Utility;
  previous_analyze = post_parse_analyze_hook;
  post_parse_analyze_hook = Analyzed;
}

}  // namespace opsadmin
