// Decides for each statement of a site role whether it may run: the context's permissions on protected tables,
// nothing but signing in without a context, and nothing of a partner that outlives its transaction. Superusers and
// the company's own roles pass at once.
#include "hooks.h"

#include "context.h"
#include "protected_relation.h"
#include "site_role.h"
#include "statement_rules.h"
#include "statistics.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
// Kerberos' headers are not needed to read a Port, whose layout is the same without them.
#undef ENABLE_GSS
#include "libpq/libpq-be.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
}

namespace opsadmin {

static ExecutorCheckPerms_hook_type previous_check_perms = nullptr;
static object_access_hook_type previous_object_access = nullptr;
static ProcessUtility_hook_type previous_utility = nullptr;
static planner_hook_type previous_planner = nullptr;

static StatementContext ContextOf(const Caller& caller) {
  if (BoundContext() == nullptr) return StatementContext::unbound;
  return caller.site == Site::partner ? StatementContext::partner : StatementContext::internal;
}

// ---- The session's beginning ----

// What SET refuses to a login it may not bring along in its start-up packet either: settings that show plans, and with
// them what statistics know of every tenant, or limits of its own instead of those that it has been given.
static void CheckStartUp(const Caller& caller) {
  static bool checked = false;
  if (checked || !caller.at_login || RehearsedSite() != Site::none || MyProcPort == nullptr) return;
  const char* refused =
      MyProcPort->cmdline_options != nullptr && MyProcPort->cmdline_options[0] != '\0' ? "options" : nullptr;
  // Names and values take turns.
  for (int i = 0; refused == nullptr && i < list_length(MyProcPort->guc_options); i += 2) {
    const char* name = static_cast<const char*>(list_nth(MyProcPort->guc_options, i));
    if (!MayStartWith(name)) refused = name;
  }
  if (refused != nullptr)
    ereport(FATAL, (OpsadminErrcode(oa::statement_not_allowed),
                    errmsg("this login may not begin a session with \"%s\"", refused),
                    errhint("ALTER ROLE … SET gives a login its settings.")));
  checked = true;
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

static constexpr const char* entry_functions[] = {"accept_invitation", "begin_as", "begin_request",
                                                  "begin_with_ticket", "metrics",  "record_request",
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

// What initdb has made is the server's own.
static bool MayCallUnbound(Oid function) {
  return function < FirstNormalObjectId || IsEntryFunction(function);
}

static void CheckFunction(Oid function) {
  const Caller caller = CurrentCaller();
  if (caller.site == Site::none) return;
  const StatementContext context = ContextOf(caller);
  if (context == StatementContext::unbound && (!MayCallUnbound(function) || function == F_PG_NOTIFY)) RequireContext();
  if (!caller.by_right || context == StatementContext::internal) return;
  if (ReachesOut(function) || (caller.at_login && TakesAdvisoryLock(function)))
    RaiseNotAllowed(psprintf("%s()", get_func_name(function)));
  // Outside a portal it is a fast-path call, whose arguments nobody has looked at.
  if (function == F_SET_CONFIG && caller.at_login && ActivePortal == nullptr) RaiseNotAllowed("set_config()");
}

static void ObjectAccess(ObjectAccessType access, Oid catalog, Oid object, int column, void* argument) {
  if (access == OAT_FUNCTION_EXECUTE && catalog == ProcedureRelationId) CheckFunction(object);
  if (previous_object_access != nullptr) previous_object_access(access, catalog, object, column, argument);
}

struct Judgement {
  StatementContext context;
  bool at_login;
};

static bool IsNotForUnbound(Oid function, void*) {
  return !MayCallUnbound(function);
}

// Looks for functions that must not run unbound, also where the planner would put a function's body in its place; and
// for set_config(), which is SET by another name, and whose arguments are known only here.
static bool JudgeExpressions(Node* node, void* argument) {
  if (node == nullptr) return false;
  const Judgement* judgement = static_cast<Judgement*>(argument);
  if (IsA(node, Query))
    return query_tree_walker(reinterpret_cast<Query*>(node), OPSADMIN_WALKER(JudgeExpressions), argument, 0);
  if (judgement->context == StatementContext::unbound && check_functions_in_node(node, IsNotForUnbound, nullptr))
    RequireContext();
  if (judgement->at_login && IsA(node, FuncExpr) && reinterpret_cast<FuncExpr*>(node)->funcid == F_SET_CONFIG &&
      IsForbiddenSetConfig(reinterpret_cast<FuncExpr*>(node), judgement->context))
    RaiseNotAllowed("this set_config()");
  return expression_tree_walker(node, OPSADMIN_WALKER(JudgeExpressions), argument);
}

// What is planned has been rewritten: rules, views and cursors are in it.
static PlannedStmt* Plan(Query* query, const char* text, int options, ParamListInfo parameters) {
  const Caller caller = CurrentCaller();
  CheckStartUp(caller);
  if (caller.by_right) {
    Judgement judgement = {ContextOf(caller), caller.at_login};
    if (judgement.context != StatementContext::internal)
      (void)JudgeExpressions(reinterpret_cast<Node*>(query), &judgement);
  }
  ForgetOpenPolicies(query);
  return previous_planner != nullptr ? previous_planner(query, text, options, parameters)
                                     : standard_planner(query, text, options, parameters);
}

// The arguments of EXECUTE are not analyzed when the hook sees them, and no planner sees them.
static bool NamesSetConfig(Node* node, void* context) {
  if (node == nullptr) return false;
  if (IsA(node, FuncCall) && strcmp(strVal(llast(reinterpret_cast<FuncCall*>(node)->funcname)), "set_config") == 0)
    RaiseNotAllowed("set_config() as an argument");
  return raw_expression_tree_walker(node, OPSADMIN_WALKER(NamesSetConfig), context);
}

static void JudgeArguments(Node* statement, const Caller& caller, StatementContext context) {
  if (!caller.at_login) return;
  Judgement judgement = {context, true};
  if (IsA(statement, ExecuteStmt))
    (void)NamesSetConfig(reinterpret_cast<Node*>(reinterpret_cast<ExecuteStmt*>(statement)->params), nullptr);
  if (IsA(statement, CallStmt))
    (void)JudgeExpressions(reinterpret_cast<Node*>(reinterpret_cast<CallStmt*>(statement)->funcexpr), &judgement);
}

// ---- Utility statements ----

static void CheckUtility(Node* statement) {
  // In a transaction that has failed nothing but its end can run, and no catalog be read.
  if (!IsTransactionState()) return;
  const Caller caller = CurrentCaller();
  if (caller.site == Site::none) return;
  CheckStartUp(caller);
  const StatementContext context = ContextOf(caller);
  if (context != StatementContext::unbound && !caller.by_right) return;
  const char* refused = RefusedStatement(statement, context, caller.at_login);
  if (refused != nullptr && context == StatementContext::unbound) RequireContext();
  if (refused != nullptr) RaiseNotAllowed(refused);
  if (context != StatementContext::internal) JudgeArguments(statement, caller, context);
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
  previous_planner = planner_hook;
  planner_hook = Plan;
}

}  // namespace opsadmin
