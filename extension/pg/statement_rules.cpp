// Decides by kind what site roles may run besides SELECT, INSERT, UPDATE, DELETE and MERGE: what is not listed is
// refused, so that a statement of a later version is, too.
#include "statement_rules.h"

#include <algorithm>
#include <iterator>

extern "C" {
#include "access/transam.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
}

namespace opsadmin {

// Settings that drivers and poolers make for a session. None changes what a statement may do.
static constexpr const char* harmless_settings[] = {"application_name",
                                                    "bytea_output",
                                                    "client_encoding",
                                                    "client_min_messages",
                                                    "datestyle",
                                                    "default_transaction_isolation",
                                                    "default_transaction_read_only",
                                                    "extra_float_digits",
                                                    "idle_in_transaction_session_timeout",
                                                    "intervalstyle",
                                                    "lock_timeout",
                                                    "row_security",
                                                    "search_path",
                                                    "standard_conforming_strings",
                                                    "statement_timeout",
                                                    "timezone"};

static bool IsHarmlessSetting(const char* name) {
  return std::any_of(std::begin(harmless_settings), std::end(harmless_settings),
                     [name](const char* setting) { return pg_strcasecmp(setting, name) == 0; });
}

// Settings that show the plans of statements, and with them what statistics know of every tenant's rows.
static bool IsRevealing(const char* name) {
  return pg_strncasecmp(name, "debug_", 6) == 0 || pg_strncasecmp(name, "trace_", 6) == 0;
}

// Limits that the login has been given, so that no statement keeps a connection of the pool, or locks, for ever.
static constexpr const char* limits[] = {"idle_in_transaction_session_timeout", "idle_session_timeout",
                                         "statement_timeout", "transaction_timeout"};

static bool IsLimit(const char* name) {
  return std::any_of(std::begin(limits), std::end(limits),
                     [name](const char* limit) { return pg_strcasecmp(limit, name) == 0; });
}

// Tells whether a value is beyond what the session began with; 0 is no limit. What is no value, SET itself refuses.
static bool RaisesLimit(const char* name, const char* value) {
  int wanted;
  int given;
  if (!IsLimit(name) || value == nullptr || !parse_int(value, &wanted, GUC_UNIT_MS, nullptr) ||
      !parse_int(GetConfigOptionResetString(name), &given, GUC_UNIT_MS, nullptr))
    return false;
  return given != 0 && (wanted == 0 || wanted > given);
}

bool MayStartWith(const char* setting) {
  return IsHarmlessSetting(setting) && !IsLimit(setting);
}

static bool IsRole(const char* name) {
  return name != nullptr && (pg_strcasecmp(name, "role") == 0 || pg_strcasecmp(name, "session_authorization") == 0);
}

// SET without LOCAL outlives the transaction, and with it the tenant: at the login of a pool it would meet the
// next one.
static bool MaySet(const VariableSetStmt* set, StatementContext context, bool at_login) {
  const bool resets = set->kind == VAR_RESET || set->kind == VAR_RESET_ALL || set->kind == VAR_SET_DEFAULT;
  // SET TRANSACTION is of the transaction; SET SESSION CHARACTERISTICS and snapshots of others are not.
  if (set->kind == VAR_SET_MULTI) return strcmp(set->name, "TRANSACTION") == 0;
  if (at_login && set->kind == VAR_SET_VALUE &&
      RaisesLimit(set->name, ExtractSetVariableArgs(const_cast<VariableSetStmt*>(set))))
    return false;
  if (context == StatementContext::unbound)
    return resets || (IsRole(set->name) ? set->is_local : IsHarmlessSetting(set->name));
  if (!at_login) return true;
  return set->is_local ? resets || !IsRevealing(set->name) : resets && IsRole(set->name);
}

static bool MayControl(TransactionStmtKind kind) {
  return kind != TRANS_STMT_PREPARE && kind != TRANS_STMT_COMMIT_PREPARED && kind != TRANS_STMT_ROLLBACK_PREPARED;
}

static bool MayRunUnbound(const Node* statement) {
  switch (nodeTag(statement)) {
    case T_TransactionStmt:
      return MayControl(reinterpret_cast<const TransactionStmt*>(statement)->kind);
    case T_VariableSetStmt:
      return MaySet(reinterpret_cast<const VariableSetStmt*>(statement), StatementContext::unbound, true);
    case T_VariableShowStmt:
    case T_DiscardStmt:
    case T_ExecuteStmt:
    case T_DeallocateStmt:
    case T_ClosePortalStmt:
    case T_UnlistenStmt:
      return true;
    default:
      return false;
  }
}

static bool MayRunAsPartner(const Node* statement, bool at_login) {
  switch (nodeTag(statement)) {
    case T_TransactionStmt:
      return MayControl(reinterpret_cast<const TransactionStmt*>(statement)->kind);
    case T_VariableSetStmt:
      return MaySet(reinterpret_cast<const VariableSetStmt*>(statement), StatementContext::partner, at_login);
    case T_DeclareCursorStmt:
      return (reinterpret_cast<const DeclareCursorStmt*>(statement)->options & CURSOR_OPT_HOLD) == 0;
    case T_CopyStmt:
      return !reinterpret_cast<const CopyStmt*>(statement)->is_program;
    // Its estimates come from the rows of all tenants; whoever has only taken the role on may look.
    case T_ExplainStmt:
      return !at_login;
    case T_VariableShowStmt:
    case T_FetchStmt:
    case T_ClosePortalStmt:
    case T_ConstraintsSetStmt:
    case T_CallStmt:
    case T_DeallocateStmt:
    case T_ExecuteStmt:
    case T_NotifyStmt:
    case T_UnlistenStmt:
      return true;
    default:
      return false;
  }
}

// Internal staff work with the company's rows; what their login itself may do is not for them to change. A function of
// their own could say that it costs nothing, and so be called before the conditions of a view.
static bool MayRunAsInternal(const Node* statement, bool at_login) {
  switch (nodeTag(statement)) {
    case T_CreateFunctionStmt:
    case T_AlterFunctionStmt:
      return !at_login;
    case T_AlterRoleStmt:
    case T_AlterRoleSetStmt:
    case T_AlterDatabaseSetStmt:
      return false;
    default:
      return true;
  }
}

const char* RefusedStatement(const Node* statement, StatementContext context, bool at_login) {
  bool may_run = false;
  switch (context) {
    case StatementContext::unbound:
      may_run = MayRunUnbound(statement);
      break;
    case StatementContext::partner:
      may_run = MayRunAsPartner(statement, at_login);
      break;
    case StatementContext::internal:
      may_run = MayRunAsInternal(statement, at_login);
      break;
  }
  return may_run ? nullptr : GetCommandTagName(CreateCommandTag(const_cast<Node*>(statement)));
}

// Sorted. The seed of random() and advisory locks of a session outlive the transaction; large objects belong to the
// login, so that all tenants would share them; currtid2() follows rows that policies hide; the two OIDs without a name
// are those of pg_logical_emit_message(), whose names differ between versions.
static constexpr Oid reaching_out[] = {F_LO_CREATE,
                                       F_LO_IMPORT_TEXT,
                                       F_LO_EXPORT,
                                       F_LO_IMPORT_TEXT_OID,
                                       F_LO_OPEN,
                                       F_LO_CLOSE,
                                       F_LOREAD,
                                       F_LOWRITE,
                                       F_LO_LSEEK,
                                       F_LO_CREAT,
                                       F_LO_TELL,
                                       F_LO_UNLINK,
                                       F_LO_TRUNCATE,
                                       F_CURRTID2,
                                       F_SETSEED,
                                       F_PG_TERMINATE_BACKEND,
                                       F_PG_CANCEL_BACKEND,
                                       F_PG_ADVISORY_LOCK_INT8,
                                       F_PG_ADVISORY_LOCK_SHARED_INT8,
                                       F_PG_TRY_ADVISORY_LOCK_INT8,
                                       F_PG_TRY_ADVISORY_LOCK_SHARED_INT8,
                                       F_PG_ADVISORY_LOCK_INT4_INT4,
                                       F_PG_ADVISORY_LOCK_SHARED_INT4_INT4,
                                       F_PG_TRY_ADVISORY_LOCK_INT4_INT4,
                                       F_PG_TRY_ADVISORY_LOCK_SHARED_INT4_INT4,
                                       F_LO_LSEEK64,
                                       F_LO_TELL64,
                                       F_LO_TRUNCATE64,
                                       F_LO_FROM_BYTEA,
                                       F_LO_GET_OID,
                                       F_LO_GET_OID_INT8_INT4,
                                       F_LO_PUT,
                                       3577,
                                       3578,
                                       F_PG_EXPORT_SNAPSHOT};
static_assert(std::is_sorted(std::begin(reaching_out), std::end(reaching_out)));

// Statistics count what was read before policies sifted it; locks and prepared transactions are other sessions'.
static bool IsStatistics(const char* name) {
  return strncmp(name, "pg_stat_", 8) == 0 || strcmp(name, "pg_lock_status") == 0 ||
         strcmp(name, "pg_prepared_xact") == 0;
}

bool ReachesOut(Oid function) {
  // By function of the server: 0 not looked at yet, 1 no, 2 yes.
  static uint8 verdicts[FirstNormalObjectId];
  if (function >= FirstNormalObjectId) return false;
  uint8& verdict = verdicts[function];
  if (verdict == 0) {
    const char* name = get_func_name(function);
    verdict = std::binary_search(std::begin(reaching_out), std::end(reaching_out), function) ||
                      (name != nullptr && IsStatistics(name))
                  ? 2
                  : 1;
  }
  return verdict == 2;
}

bool TakesAdvisoryLock(Oid function) {
  return function >= F_PG_ADVISORY_XACT_LOCK_INT8 && function <= F_PG_TRY_ADVISORY_XACT_LOCK_SHARED_INT4_INT4;
}

// A constant argument of a call, NULL for anything else.
static const Const* ConstantArgument(const FuncExpr* call, int number) {
  const Node* argument = static_cast<const Node*>(list_nth(call->args, number));
  if (!IsA(argument, Const) || reinterpret_cast<const Const*>(argument)->constisnull) return nullptr;
  return reinterpret_cast<const Const*>(argument);
}

bool IsForbiddenSetConfig(const FuncExpr* call, StatementContext context) {
  const Const* name = ConstantArgument(call, 0);
  if (name == nullptr) return true;
  const char* setting = TextDatumGetCString(name->constvalue);
  if (IsLimit(setting)) {
    const Const* limit = ConstantArgument(call, 1);
    // NULL is the value that the session began with.
    if (!IsA(lsecond(call->args), Const) ||
        (limit != nullptr && RaisesLimit(setting, TextDatumGetCString(limit->constvalue))))
      return true;
  }
  const Const* is_local = ConstantArgument(call, 2);
  if (is_local != nullptr && DatumGetBool(is_local->constvalue)) return IsRevealing(setting);
  return context != StatementContext::unbound || !IsHarmlessSetting(setting);
}

}  // namespace opsadmin
