// The statements and functions of the server that site roles may use, as tables.
#pragma once

#include "compat.h"

namespace opsadmin {

enum class StatementContext { unbound, partner, internal };

// Why a utility statement may not run, as the name by which an error calls it; NULL when it may.
const char* RefusedStatement(const Node* statement, StatementContext context, bool at_login);

// Tells whether a login may begin its session with a value of its own for a setting.
bool MayStartWith(const char* setting);

// Tells whether a function of the server reaches beyond the transaction or into other sessions.
bool ReachesOut(Oid function);
// Tells whether it takes an advisory lock of the transaction: their keys are everybody's, and they are as many as one
// likes in a table that is everybody's, too.
bool TakesAdvisoryLock(Oid function);

// Tells whether a call of set_config() would outlive its transaction with more than a harmless setting, would show
// plans or raise a limit, or does not say what it sets.
bool IsForbiddenSetConfig(const FuncExpr* call, StatementContext context);

}  // namespace opsadmin
