// The statements and functions of the server that site roles may use, as tables.
#pragma once

#include "compat.h"

namespace opsadmin {

enum class StatementContext { unbound, partner, internal };

// Why a utility statement may not run, as the name by which an error calls it; NULL when it may.
const char* RefusedStatement(const Node* statement, StatementContext context, bool at_login);

// Tells whether a function of the server reaches beyond the transaction or into other sessions.
bool ReachesOut(Oid function);

// Tells whether a call of set_config() would outlive its transaction with more than a harmless setting, would show
// plans or raise a limit, or does not say what it sets.
bool IsForbiddenSetConfig(const FuncExpr* call, StatementContext context);

}  // namespace opsadmin
