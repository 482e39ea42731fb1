// What the server's own parser says of a statement, so that no pattern has to guess at SQL.
#include "compat.h"

extern "C" {
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace opsadmin {

// updated_columns(statement) returns the columns that an UPDATE sets. Anything but exactly one UPDATE
// without WITH and RETURNING is a syntax error.
OPSADMIN_FUNCTION(opsadmin_updated_columns) {
  const char* statement = text_to_cstring(PG_GETARG_TEXT_PP(0));
  List* parsed = pg_parse_query(statement);
  Node* node = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed)->stmt : nullptr;
  if (node == nullptr || !IsA(node, UpdateStmt) || castNode(UpdateStmt, node)->withClause != nullptr ||
      castNode(UpdateStmt, node)->returningList != NIL)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("the text is not exactly one UPDATE")));
  const UpdateStmt* update = castNode(UpdateStmt, node);
  Datum* names = static_cast<Datum*>(palloc(sizeof(Datum) * list_length(update->targetList)));
  int count = 0;
  ListCell* cell;
  foreach (cell, update->targetList) {
    const ResTarget* target = lfirst_node(ResTarget, cell);
    names[count++] = DirectFunctionCall1(namein, CStringGetDatum(target->name));
  }
  PG_RETURN_ARRAYTYPE_P(construct_array(names, count, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

// single_call(expression) returns the function's name, with " distinct" behind it, when the expression is one call
// without FILTER and OVER; NULL for everything else.
OPSADMIN_FUNCTION(opsadmin_single_call) {
  List* parsed = pg_parse_query(psprintf("SELECT %s", text_to_cstring(PG_GETARG_TEXT_PP(0))));
  Node* node = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed)->stmt : nullptr;
  if (node == nullptr || !IsA(node, SelectStmt)) PG_RETURN_NULL();
  const SelectStmt* select = castNode(SelectStmt, node);
  if (list_length(select->targetList) != 1 || select->fromClause != NIL || select->whereClause != nullptr ||
      select->groupClause != NIL || select->havingClause != nullptr || select->op != SETOP_NONE)
    PG_RETURN_NULL();
  const ResTarget* target = linitial_node(ResTarget, select->targetList);
  if (!IsA(target->val, FuncCall) || target->name != nullptr) PG_RETURN_NULL();
  const FuncCall* call = castNode(FuncCall, target->val);
  if (call->agg_filter != nullptr || call->over != nullptr) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(
      cstring_to_text(psprintf("%s%s", strVal(llast(call->funcname)), call->agg_distinct ? " distinct" : "")));
}

}  // namespace opsadmin
