// Turns the columns of a row into jsonb, with the value's own type: numbers stay numbers, times are
// ISO 8601, what JSON lacks (NaN, infinity) is text, exactly as PostgreSQL's to_jsonb() does it.
#include "audit.h"

extern "C" {
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/numeric.h"
#include "utils/relcache.h"
}

namespace opsadmin {

static const char redacted_text[] = "[redacted]";

RowShape* MakeRowShape(Relation relation) {
  RowShape* shape = static_cast<RowShape*>(palloc0(sizeof(RowShape)));
  shape->descriptor = RelationGetDescr(relation);
  shape->context = CurrentMemoryContext;
  const int columns = shape->descriptor->natts;
  shape->rules = static_cast<ColumnRule*>(palloc0(sizeof(ColumnRule) * columns));
  shape->to_jsonb = static_cast<FmgrInfo*>(palloc0(sizeof(FmgrInfo) * columns));
  Bitmapset* key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
  for (int i = 0; i < columns; i++)
    if (bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, key))
      shape->key_columns = bms_add_member(shape->key_columns, i);
  return shape;
}

static void PushScalar(JsonbParseState** state, const RowShape* shape, int column, Datum value) {
  const Oid type = TupleDescAttr(shape->descriptor, column)->atttypid;
  JsonbValue item;
  switch (type) {
    case BOOLOID:
      item.type = jbvBool;
      item.val.boolean = DatumGetBool(value);
      break;
    case INT2OID:
      item.type = jbvNumeric;
      item.val.numeric = int64_to_numeric(DatumGetInt16(value));
      break;
    case INT4OID:
      item.type = jbvNumeric;
      item.val.numeric = int64_to_numeric(DatumGetInt32(value));
      break;
    case INT8OID:
      item.type = jbvNumeric;
      item.val.numeric = int64_to_numeric(DatumGetInt64(value));
      break;
    case TEXTOID:
    case VARCHAROID: {
      const text* string = DatumGetTextPP(value);
      item.type = jbvString;
      item.val.string.val = VARDATA_ANY(string);
      item.val.string.len = VARSIZE_ANY_EXHDR(string);
      break;
    }
    case NUMERICOID: {
      const Numeric number = DatumGetNumeric(value);
      if (!numeric_is_nan(number) && !numeric_is_inf(number)) {
        item.type = jbvNumeric;
        item.val.numeric = number;
        break;
      }
    }
      [[fallthrough]];
    default: {
      FmgrInfo* to_jsonb = &shape->to_jsonb[column];
      if (to_jsonb->fn_oid == InvalidOid) {
        MemoryContext row = MemoryContextSwitchTo(shape->context);
        fmgr_info(F_TO_JSONB, to_jsonb);
        // to_jsonb() learns the type of its argument from the call expression.
        fmgr_info_set_expr(
            reinterpret_cast<Node*>(makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(makeNullConst(type, -1, InvalidOid)),
                                                 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL)),
            to_jsonb);
        MemoryContextSwitchTo(row);
      }
      Jsonb* json = DatumGetJsonbP(FunctionCall1(to_jsonb, value));
      if (JB_ROOT_IS_SCALAR(json)) {
        JsonbIterator* iterator = JsonbIteratorInit(&json->root);
        (void)JsonbIteratorNext(&iterator, &item, true);
        (void)JsonbIteratorNext(&iterator, &item, true);
      } else {
        item.type = jbvBinary;
        item.val.binary.data = &json->root;
        item.val.binary.len = VARSIZE(json) - VARHDRSZ;
      }
    }
  }
  pushJsonbValue(state, WJB_VALUE, &item);
}

static void PushColumn(JsonbParseState** state, const RowShape* shape, int column, TupleTableSlot* slot) {
  const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, column);
  JsonbValue item;
  item.type = jbvString;
  item.val.string.val = NameStr(attribute->attname);
  item.val.string.len = strlen(NameStr(attribute->attname));
  pushJsonbValue(state, WJB_KEY, &item);
  bool is_null;
  const Datum value = slot_getattr(slot, column + 1, &is_null);
  if (is_null) {
    item.type = jbvNull;
    pushJsonbValue(state, WJB_VALUE, &item);
  } else if (shape->rules[column] == ColumnRule::redact) {
    item.val.string.val = const_cast<char*>(redacted_text);
    item.val.string.len = sizeof redacted_text - 1;
    pushJsonbValue(state, WJB_VALUE, &item);
  } else {
    PushScalar(state, shape, column, value);
  }
}

Jsonb* RowKey(const RowShape* shape, TupleTableSlot* slot) {
  if (shape->key_columns == nullptr) return nullptr;
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  for (int column = -1; (column = bms_next_member(shape->key_columns, column)) >= 0;)
    PushColumn(&state, shape, column, slot);
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

Jsonb* WholeRow(const RowShape* shape, TupleTableSlot* slot) {
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  for (int column = 0; column < shape->descriptor->natts; column++)
    if (!TupleDescAttr(shape->descriptor, column)->attisdropped && shape->rules[column] != ColumnRule::ignore)
      PushColumn(&state, shape, column, slot);
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

bool ChangedColumns(const RowShape* shape, TupleTableSlot* before, TupleTableSlot* after, Jsonb** old_values,
                    Jsonb** new_values) {
  JsonbParseState* old_state = nullptr;
  JsonbParseState* new_state = nullptr;
  slot_getallattrs(before);
  slot_getallattrs(after);
  for (int column = 0; column < shape->descriptor->natts; column++) {
    const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, column);
    if (attribute->attisdropped || shape->rules[column] == ColumnRule::ignore) continue;
    const bool old_null = before->tts_isnull[column];
    const bool new_null = after->tts_isnull[column];
    if (old_null && new_null) continue;
    if (!old_null && !new_null &&
        datum_image_eq(before->tts_values[column], after->tts_values[column], attribute->attbyval, attribute->attlen))
      continue;
    if (old_state == nullptr) {
      pushJsonbValue(&old_state, WJB_BEGIN_OBJECT, nullptr);
      pushJsonbValue(&new_state, WJB_BEGIN_OBJECT, nullptr);
    }
    PushColumn(&old_state, shape, column, before);
    PushColumn(&new_state, shape, column, after);
  }
  if (old_state == nullptr) return false;
  *old_values = JsonbValueToJsonb(pushJsonbValue(&old_state, WJB_END_OBJECT, nullptr));
  *new_values = JsonbValueToJsonb(pushJsonbValue(&new_state, WJB_END_OBJECT, nullptr));
  return true;
}

}  // namespace opsadmin
