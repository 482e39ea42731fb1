// The guard: an event trigger that reads the statement before it runs and judges only what it takes away from the
// isolation or the audit of the one table that it changes. It adds nothing up and looks at no state afterwards, so
// that dumps, whose statements only add, pass. After a statement it covers new children and follows renamed columns.
// What the catalog says is asked in SQL (sql/private/guard.sql).
#include "compat.h"
#include "settings.h"

#include "../core/error.h"
#include "raise.h"

extern "C" {
#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
}

namespace opsadmin {

// Tells whether this is pg_restore, or psql with a dump: both begin with these two settings. What a dump with
// --clean drops, it makes again. A superuser could as well set opsadmin.guard, so nobody gains by posing as one.
static bool IsRestore() {
  return !row_security && !check_function_bodies && superuser_arg(GetSessionUserId());
}

static Oid owner;  // the extension's, set at the beginning of each call

// Runs a query of one parameter list as the extension's owner, and leaves SPI connected. The guard itself runs as
// whoever changes the schema, so that CURRENT_USER and names without a schema mean what they mean to the statement. An
// error ends the (sub)transaction, which gives the user back.
static void Query(const char* statement, int count, Oid* types, Datum* values, bool read_only) {
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
  if (SPI_execute_with_args(statement, count, types, values, nullptr, read_only, 0) != SPI_OK_SELECT)
    elog(ERROR, "%s failed", statement);
  SetUserIdAndSecContext(user, context);
}

// Warns of a change, or refuses it, when lost_protection() says that it takes something away. Without a relation it is
// a change of whatever a role has; a parent is one that the relation gets.
static void Judge(Oid relation, const char* change, const char* object_name, bool cascade, Oid parent = InvalidOid) {
  Oid types[] = {OIDOID, TEXTOID, NAMEOID, BOOLOID, OIDOID};
  NameData name;
  namestrcpy(&name, object_name == nullptr ? "" : object_name);
  Datum values[] = {ObjectIdGetDatum(relation), CStringGetTextDatum(change), NameGetDatum(&name), BoolGetDatum(cascade),
                    ObjectIdGetDatum(parent)};
  Query("SELECT opsadmin_private.lost_protection($1, $2, $3, $4, $5)", 5, types, values, true);
  const char* lost = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  if (lost != nullptr)
    ereport(guard == static_cast<int>(Guard::refuse) ? ERROR : WARNING,
            (OpsadminErrcode(oa::guarded_change),
             OidIsValid(relation) ? errmsg("this takes a protection of \"%s\" away", get_rel_name(relation))
                                  : errmsg("this takes the protection of tables away"),
             errdetail("%s", lost),
             errhint("opsadmin.unprotect() and opsadmin.unaudit() take it away as a whole; a superuser can SET "
                     "opsadmin.guard = off.")));
  SPI_finish();
}

// Closes the tables when opsadmin falls with an object.
static void CloseBefore(const char* kind, const char* name) {
  if (name == nullptr) return;
  Oid types[] = {TEXTOID, TEXTOID};
  Datum values[] = {CStringGetTextDatum(kind), CStringGetTextDatum(name)};
  Query("SELECT opsadmin_private.close_tables() WHERE opsadmin_private.falls_with($1, $2)", 2, types, values, false);
  SPI_finish();
}

// A name that does not exist is NULL: the statement itself will say so.
static const char* RoleName(const RoleSpec* role) {
  const Oid found = get_rolespec_oid(role, true);
  return OidIsValid(found) ? GetUserNameFromId(found, true) : nullptr;
}

// What is not there is none of the guard's business: the statement itself will say so.
static Oid RelationOf(const RangeVar* range) {
  return RangeVarGetRelid(range, NoLock, true);
}

// The table of an object that is named after it, as in DROP POLICY: the list is the table's name and the object's.
static Oid TableOf(List* object) {
  return RelationOf(makeRangeVarFromNameList(list_truncate(list_copy(object), list_length(object) - 1)));
}

static void JudgeParent(Oid child, Oid parent) {
  if (!OidIsValid(child) || !OidIsValid(parent)) return;
  Judge(child, "parent", nullptr, false, parent);
  Judge(child, "rows", nullptr, false, parent);
}

static void JudgeLostChild(Oid child, Oid parent) {
  if (OidIsValid(child) && OidIsValid(parent)) Judge(child, "rows", nullptr, false, parent);
}

static void JudgeAlterTable(const AlterTableStmt* statement) {
  const Oid relation = RelationOf(statement->relation);
  if (!OidIsValid(relation)) return;
  ListCell* cell;
  foreach (cell, statement->cmds) {
    const AlterTableCmd* command = lfirst_node(AlterTableCmd, cell);
    switch (command->subtype) {
      case AT_DisableRowSecurity:
        Judge(relation, "row security", nullptr, false);
        break;
      case AT_NoForceRowSecurity:
        Judge(relation, "force", nullptr, false);
        break;
      case AT_AlterColumnType:
        if (castNode(ColumnDef, command->def)->raw_default != nullptr) Judge(relation, "values", nullptr, false);
        Judge(relation, "column", command->name, false);
        break;
      case AT_DropColumn:
        Judge(relation, "column of the key", command->name, false);
        Judge(relation, "column", command->name, false);
        break;
      case AT_DropNotNull:
        Judge(relation, "column", command->name, false);
        break;
      case AT_DropConstraint:
        Judge(relation, "key", command->name, false);
        Judge(relation, "constraint", command->name, command->behavior == DROP_CASCADE);
        break;
      case AT_DisableTrig:
      case AT_EnableReplicaTrig:
      case AT_DisableTrigAll:
      case AT_DisableTrigUser:
        Judge(relation, "trigger", command->name, false);
        break;
      case AT_EnableTrig:
      case AT_EnableTrigAll:
      case AT_EnableTrigUser:
        Judge(relation, "trigger of every session", command->name, false);
        break;
      case AT_AddInherit:
        JudgeParent(relation, RelationOf(castNode(RangeVar, command->def)));
        break;
      case AT_DropInherit:
        JudgeLostChild(relation, RelationOf(castNode(RangeVar, command->def)));
        break;
      case AT_AttachPartition:
        JudgeParent(RelationOf(castNode(PartitionCmd, command->def)->name), relation);
        break;
      case AT_DetachPartition:
        JudgeLostChild(RelationOf(castNode(PartitionCmd, command->def)->name), relation);
        break;
      case AT_ChangeOwner:
        Judge(relation, "owner", RoleName(command->newowner), false);
        break;
      default:
        break;
    }
  }
}

static void JudgeDrop(const DropStmt* statement) {
  ListCell* cell;
  foreach (cell, statement->objects) {
    if (statement->removeType == OBJECT_INDEX) {
      const Oid index = RelationOf(makeRangeVarFromNameList(lfirst_node(List, cell)));
      if (OidIsValid(index) && get_rel_relkind(index) != RELKIND_RELATION)
        Judge(IndexGetRelation(index, true), "index", get_rel_name(index), statement->behavior == DROP_CASCADE);
    } else {
      List* object = lfirst_node(List, cell);
      Judge(TableOf(object), statement->removeType == OBJECT_POLICY ? "policy" : "trigger", strVal(llast(object)),
            false);
    }
  }
}

// Before opsadmin is dropped, the tables are closed: by its name, with a language or extension that it depends on, or
// with all that a role has.
static void CloseBeforeDrop(Node* statement) {
  ListCell* cell;
  if (IsA(statement, DropStmt)) {
    const DropStmt* drop = castNode(DropStmt, statement);
    if (drop->removeType != OBJECT_EXTENSION && drop->removeType != OBJECT_LANGUAGE) return;
    foreach (cell, drop->objects)
      CloseBefore(drop->removeType == OBJECT_EXTENSION ? "extension" : "language", strVal(lfirst(cell)));
  } else if (IsA(statement, DropOwnedStmt)) {
    foreach (cell, castNode(DropOwnedStmt, statement)->roles)
      CloseBefore("role", RoleName(lfirst_node(RoleSpec, cell)));
  }
}

static void JudgeStart(Node* statement) {
  switch (nodeTag(statement)) {
    case T_AlterTableStmt:
      if (castNode(AlterTableStmt, statement)->objtype == OBJECT_TABLE)
        JudgeAlterTable(castNode(AlterTableStmt, statement));
      break;
    case T_AlterPolicyStmt: {
      const AlterPolicyStmt* alter = castNode(AlterPolicyStmt, statement);
      Judge(RelationOf(alter->table), "policy", alter->policy_name, false);
      break;
    }
    case T_RenameStmt: {
      const RenameStmt* rename = castNode(RenameStmt, statement);
      if (rename->renameType == OBJECT_TRIGGER) Judge(RelationOf(rename->relation), "trigger", rename->subname, false);
      if (rename->renameType == OBJECT_POLICY) Judge(RelationOf(rename->relation), "policy", rename->subname, false);
      break;
    }
    case T_CreateTrigStmt: {
      const CreateTrigStmt* create = castNode(CreateTrigStmt, statement);
      if (create->replace) Judge(RelationOf(create->relation), "trigger", create->trigname, false);
      break;
    }
    case T_AlterObjectDependsStmt: {
      const AlterObjectDependsStmt* depends = castNode(AlterObjectDependsStmt, statement);
      if (depends->objectType == OBJECT_TRIGGER && !depends->remove)
        Judge(RelationOf(depends->relation), "trigger", strVal(llast(castNode(List, depends->object))), false);
      break;
    }
    case T_DropOwnedStmt: {
      ListCell* cell;
      foreach (cell, castNode(DropOwnedStmt, statement)->roles)
        Judge(InvalidOid, "policies", RoleName(lfirst_node(RoleSpec, cell)), false);
      break;
    }
    case T_DropStmt: {
      const DropStmt* drop = castNode(DropStmt, statement);
      if (drop->removeType == OBJECT_POLICY || drop->removeType == OBJECT_TRIGGER || drop->removeType == OBJECT_INDEX)
        JudgeDrop(drop);
      break;
    }
    default:
      break;
  }
}

// Tells whether the statement may give a table a parent.
static bool AddsChild(Node* statement) {
  if (IsA(statement, CreateStmt)) return castNode(CreateStmt, statement)->inhRelations != NIL;
  if (IsA(statement, CreateSchemaStmt)) return castNode(CreateSchemaStmt, statement)->schemaElts != NIL;
  if (!IsA(statement, AlterTableStmt)) return false;
  ListCell* cell;
  foreach (cell, castNode(AlterTableStmt, statement)->cmds) {
    const AlterTableType subtype = lfirst_node(AlterTableCmd, cell)->subtype;
    if (subtype == AT_AttachPartition || subtype == AT_AddInherit) return true;
  }
  return false;
}

// The rules of an audited table name its columns.
static void FollowRename(const RenameStmt* rename) {
  if (rename->renameType != OBJECT_COLUMN && rename->renameType != OBJECT_ATTRIBUTE) return;
  Oid types[] = {OIDOID, TEXTOID, TEXTOID};
  Datum values[] = {ObjectIdGetDatum(RelationOf(rename->relation)), CStringGetTextDatum(rename->subname),
                    CStringGetTextDatum(rename->newname)};
  Query("SELECT opsadmin_private.follow_renamed_column($1, $2, $3)", 3, types, values, false);
  SPI_finish();
}

OPSADMIN_FUNCTION(opsadmin_guard) {
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED), errmsg("the guard is an event trigger")));
  HeapTuple function = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
  if (!HeapTupleIsValid(function)) elog(ERROR, "the guard is not in pg_proc");
  owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(function))->proowner;
  ReleaseSysCache(function);
  const EventTriggerData* event = reinterpret_cast<const EventTriggerData*>(fcinfo->context);
  if (strcmp(event->event, "ddl_command_end") == 0) {
    if (AddsChild(event->parsetree)) {
      Query("SELECT opsadmin_private.protect_new_children()", 0, nullptr, nullptr, false);
      SPI_finish();
      Query("SELECT opsadmin_private.audit_new_children()", 0, nullptr, nullptr, false);
      SPI_finish();
      Query("SELECT opsadmin_private.track_new_children()", 0, nullptr, nullptr, false);
      SPI_finish();
    }
    if (IsA(event->parsetree, RenameStmt)) FollowRename(castNode(RenameStmt, event->parsetree));
    PG_RETURN_NULL();
  }
  CloseBeforeDrop(event->parsetree);
  if (guard != static_cast<int>(Guard::off) && !IsRestore()) JudgeStart(event->parsetree);
  PG_RETURN_NULL();
}

}  // namespace opsadmin
