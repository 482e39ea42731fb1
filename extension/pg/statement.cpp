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

}  // namespace opsadmin
