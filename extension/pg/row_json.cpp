// Turns the columns of a row into jsonb, with the value's own type: numbers stay numbers, times are
// ISO 8601 and UTC, what JSON lacks (NaN, infinity) is text, as PostgreSQL's to_jsonb() does it without a session's
// settings.
// It writes the binary form itself, since building it through JsonbValue costs more than all else.
#include "audit.h"

extern "C" {
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
}

namespace opsadmin {

// The last time that a column had and its text: in a statement it is mostly the same one.
struct KnownTime {
  Datum value;
  int length;  // 0: none yet
  char text[MAXDATELEN + 1];
};

// A column that entries may hold.
struct ShapeColumn {
  int index;
  Oid type;
  bool by_value;
  int16 length;
  ColumnRule rule;
  const char* name;
  int name_length;
  FmgrInfo to_jsonb;  // for types without a short cut
  KnownTime* times;   // for dates and timestamps
  ValueTraits traits;
};

// jsonb keeps the keys of an object in the order of their lengths, then of their bytes.
static int CompareNames(const void* a, const void* b) {
  const ShapeColumn* left = static_cast<const ShapeColumn*>(a);
  const ShapeColumn* right = static_cast<const ShapeColumn*>(b);
  if (left->name_length != right->name_length) return left->name_length - right->name_length;
  return memcmp(left->name, right->name, left->name_length);
}

// The columns of the primary key. The relation's cache knows none that is deferrable.
static Bitmapset* KeyColumns(Relation relation) {
  Bitmapset* columns = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
  ListCell* cell;
  if (columns != nullptr || !relation->rd_rel->relhasindex) return columns;
  foreach (cell, RelationGetIndexList(relation)) {
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (!HeapTupleIsValid(tuple)) continue;
    const Form_pg_index index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    for (int i = 0; index->indisprimary && i < index->indnkeyatts; i++)
      columns = bms_add_member(columns, index->indkey.values[i] - FirstLowInvalidHeapAttributeNumber);
    ReleaseSysCache(tuple);
  }
  return columns;
}

RowShape* MakeRowShape(Relation relation) {
  RowShape* shape = static_cast<RowShape*>(palloc0(sizeof(RowShape)));
  shape->descriptor = RelationGetDescr(relation);
  shape->context = CurrentMemoryContext;
  const int columns = shape->descriptor->natts;
  shape->rules = static_cast<ColumnRule*>(palloc0(sizeof(ColumnRule) * columns));
  shape->key_columns = KeyColumns(relation);
  return shape;
}

int FindColumn(TupleDesc descriptor, const char* name) {
  for (int i = 0; i < descriptor->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0) return i;
  }
  return -1;
}

void AddKeyColumn(RowShape* shape, const char* name) {
  const int index = FindColumn(shape->descriptor, name);
  if (index >= 0)
    shape->key_columns = bms_add_member(shape->key_columns, index + 1 - FirstLowInvalidHeapAttributeNumber);
}

static bool HasShortCut(Oid type) {
  switch (type) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
    case NUMERICOID:
    case JSONBOID:
      return true;
    default:
      return false;
  }
}

// Tells whether a key must not show a column's values.
static bool IsHidden(ColumnRule rule) {
  return rule == ColumnRule::redact || rule == ColumnRule::ignore;
}

void FinishRowShape(RowShape* shape, const char* number_key) {
  shape->is_lasting = true;
  const int columns = shape->descriptor->natts;
  shape->columns = static_cast<ShapeColumn*>(palloc0(sizeof(ShapeColumn) * columns));
  shape->chosen = static_cast<int*>(palloc(sizeof(int) * columns));
  for (int i = 0; i < columns; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, i);
    if (attribute->attisdropped) continue;
    ShapeColumn* column = &shape->columns[shape->count++];
    column->index = i;
    column->type = attribute->atttypid;
    column->by_value = attribute->attbyval;
    column->length = attribute->attlen;
    column->rule = shape->rules[i];
    column->name = NameStr(attribute->attname);
    column->name_length = strlen(column->name);
    if (column->rule == ColumnRule::redact || HasShortCut(column->type)) continue;
    column->traits = TraitsOfType(column->type);
    shape->settings |= column->traits.settings;
    if (column->traits.has_members) shape->is_lasting = false;
  }
  qsort(shape->columns, shape->count, sizeof(ShapeColumn), CompareNames);
  shape->number_key = -1;
  if (bms_membership(shape->key_columns) == BMS_SINGLETON) {
    const int index = bms_singleton_member(shape->key_columns) + FirstLowInvalidHeapAttributeNumber - 1;
    const Form_pg_attribute key = TupleDescAttr(shape->descriptor, index);
    if ((key->atttypid == INT8OID || key->atttypid == INT4OID || key->atttypid == INT2OID) &&
        !IsHidden(shape->rules[index]) && strcmp(NameStr(key->attname), number_key) == 0)
      shape->number_key = index;
  }
}

RowShape* CopyRowShape(const RowShape* shape, TupleDesc descriptor) {
  RowShape* copy = static_cast<RowShape*>(palloc0(sizeof(RowShape)));
  copy->descriptor = descriptor;
  copy->context = CurrentMemoryContext;
  copy->key_columns = bms_copy(shape->key_columns);
  copy->settings = shape->settings;
  copy->number_key = shape->number_key;
  copy->count = shape->count;
  copy->is_lasting = shape->is_lasting;
  copy->columns = static_cast<ShapeColumn*>(palloc(sizeof(ShapeColumn) * (shape->count + 1)));
  copy->chosen = static_cast<int*>(palloc(sizeof(int) * (shape->count + 1)));
  for (int i = 0; i < shape->count; i++) {
    ShapeColumn* column = &copy->columns[i];
    *column = shape->columns[i];
    column->name = NameStr(TupleDescAttr(descriptor, column->index)->attname);
    column->to_jsonb = {};
    column->times = nullptr;
  }
  return copy;
}

// ---- The binary form of an object: a header, the entries of all keys and then all values, and their bytes ----

struct ObjectWriter {
  StringInfo out;
  int start;    // where the bytes of keys and values begin
  int entries;  // where the next entry of a key or value goes
  int ordinal;  // which one that is
};

static void Append(StringInfo out, const void* bytes, int length) {
  enlargeStringInfo(out, length);
  memcpy(out->data + out->len, bytes, length);
  out->len += length;
}

static void AlignToInt(StringInfo out) {
  static const char zeros[] = {0, 0, 0};
  Append(out, zeros, INTALIGN(out->len) - out->len);
}

// Notes that what was appended since begin is the next key or value. Every 32nd entry has its end's offset.
static void EndItem(ObjectWriter* writer, JEntry type, int begin) {
  const uint32 total = writer->out->len - writer->start;
  if (total > JENTRY_OFFLENMASK)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("a row of an audited table is too large for an audit entry")));
  JEntry entry = type | (writer->out->len - begin);
  if (writer->ordinal % JB_OFFSET_STRIDE == 0) entry = type | total | JENTRY_HAS_OFF;
  memcpy(writer->out->data + writer->entries, &entry, sizeof entry);
  writer->entries += sizeof entry;
  writer->ordinal++;
}

static void AppendString(ObjectWriter* writer, const char* bytes, int length) {
  const int begin = writer->out->len;
  Append(writer->out, bytes, length);
  EndItem(writer, JENTRY_ISSTRING, begin);
}

// A numeric as it is stored: digits to the base 10,000, without zeros at either end.
static void AppendInteger(ObjectWriter* writer, int64 value) {
  constexpr uint16 short_form = 0x8000;
  constexpr uint16 negative = 0x2000;
  uint64 rest = value < 0 ? 0 - static_cast<uint64>(value) : static_cast<uint64>(value);
  int16 digits[5];
  int first = 5;
  int last = 5;
  int weight = -1;
  for (; rest != 0; rest /= 10000, weight++) digits[--first] = static_cast<int16>(rest % 10000);
  while (last > first && digits[last - 1] == 0) last--;
  const uint16 header = short_form | (value < 0 ? negative : 0) | static_cast<uint16>(weight < 0 ? 0 : weight);
  const int length = VARHDRSZ + sizeof header + (last - first) * sizeof(int16);
  const int begin = writer->out->len;
  AlignToInt(writer->out);
  enlargeStringInfo(writer->out, length);
  char* number = writer->out->data + writer->out->len;
  SET_VARSIZE(number, length);
  memcpy(VARDATA(number), &header, sizeof header);
  memcpy(VARDATA(number) + sizeof header, digits + first, (last - first) * sizeof(int16));
  writer->out->len += length;
  EndItem(writer, JENTRY_ISNUMERIC, begin);
}

// Appends a numeric; false when it is none for JSON: NaN or an infinity.
static bool AppendNumeric(ObjectWriter* writer, Datum value) {
  constexpr uint16 special = 0xC000;
  const struct varlena* number = PG_DETOAST_DATUM_PACKED(value);
  const int bytes = VARSIZE_ANY_EXHDR(number);
  uint16 header;
  memcpy(&header, VARDATA_ANY(number), sizeof header);
  if ((header & special) == special) return false;
  const int begin = writer->out->len;
  AlignToInt(writer->out);
  enlargeStringInfo(writer->out, VARHDRSZ + bytes);
  char* copy = writer->out->data + writer->out->len;
  SET_VARSIZE(copy, VARHDRSZ + bytes);
  memcpy(VARDATA(copy), VARDATA_ANY(number), bytes);
  writer->out->len += VARHDRSZ + bytes;
  EndItem(writer, JENTRY_ISNUMERIC, begin);
  return true;
}

static void AppendTime(ObjectWriter* writer, const RowShape* shape, ShapeColumn* column, Datum value) {
  if (column->times == nullptr)
    column->times = static_cast<KnownTime*>(MemoryContextAllocZero(shape->context, sizeof(KnownTime)));
  KnownTime* known = column->times;
  if (known->length == 0 || known->value != value) {
    const int utc = 0;
    JsonEncodeDateTime(known->text, value, column->type, &utc);
    known->value = value;
    known->length = strlen(known->text);
  }
  AppendString(writer, known->text, known->length);
}

static void AppendJsonb(ObjectWriter* writer, Jsonb* json) {
  const int begin = writer->out->len;
  if (!JB_ROOT_IS_SCALAR(json)) {
    AlignToInt(writer->out);
    Append(writer->out, &json->root, VARSIZE(json) - VARHDRSZ);
    EndItem(writer, JENTRY_ISCONTAINER, begin);
    return;
  }
  // A scalar is an array of one: its entry follows the header, its bytes follow the entry.
  const JEntry entry = json->root.children[0];
  const JEntry type = entry & JENTRY_TYPEMASK;
  if (type == JENTRY_ISNUMERIC) AlignToInt(writer->out);
  Append(writer->out, &json->root.children[1], JBE_OFFLENFLD(entry));
  EndItem(writer, type, begin);
}

// Any other type as to_jsonb() has it.
static void AppendOther(ObjectWriter* writer, const RowShape* shape, ShapeColumn* column, Datum value) {
  FmgrInfo* to_jsonb = &column->to_jsonb;
  if (to_jsonb->fn_oid == InvalidOid && column->type != JSONBOID) {
    MemoryContext row = MemoryContextSwitchTo(shape->context);
    fmgr_info(F_TO_JSONB, to_jsonb);
    // to_jsonb() learns the type of its argument from the call expression.
    fmgr_info_set_expr(reinterpret_cast<Node*>(makeFuncExpr(F_TO_JSONB, JSONBOID,
                                                            list_make1(makeNullConst(column->type, -1, InvalidOid)),
                                                            InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL)),
                       to_jsonb);
    MemoryContextSwitchTo(row);
  }
  Jsonb* json =
      JsonbOfValue(to_jsonb, column->type, column->length, &column->traits, value, column->rule != ColumnRule::keep);
  if (column->length == -1 && writer->out->len - writer->start + VARSIZE(json) > JENTRY_OFFLENMASK)
    json = MarkOfValue(value);
  AppendJsonb(writer, json);
}

static void AppendValue(ObjectWriter* writer, const RowShape* shape, ShapeColumn* column, Datum value, bool is_null) {
  if (is_null) {
    EndItem(writer, JENTRY_ISNULL, writer->out->len);
    return;
  }
  // Of what is ignored only keys have the place.
  if (IsHidden(column->rule)) {
    AppendString(writer, redacted_text, sizeof redacted_text - 1);
    return;
  }
  if (column->length == -1 && IsTooLarge(value, writer->out->len - writer->start)) {
    AppendJsonb(writer, MarkOfValue(value));
    return;
  }
  switch (column->type) {
    case BOOLOID:
      EndItem(writer, DatumGetBool(value) ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE, writer->out->len);
      return;
    case INT2OID:
      AppendInteger(writer, DatumGetInt16(value));
      return;
    case INT4OID:
      AppendInteger(writer, DatumGetInt32(value));
      return;
    case INT8OID:
      AppendInteger(writer, DatumGetInt64(value));
      return;
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID: {
      const text* string = DatumGetTextPP(value);
      AppendString(writer, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
      return;
    }
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
      AppendTime(writer, shape, column, value);
      return;
    case NUMERICOID:
      if (AppendNumeric(writer, value)) return;
      break;
    default:
      break;
  }
  AppendOther(writer, shape, column, value);
}

// The chosen columns of a row as an object, in the buffer, where it stays until the next one.
static Jsonb* WriteObject(const RowShape* shape, int chosen, TupleTableSlot* slot, StringInfo out) {
  // What one large row has taken is not kept for the others.
  constexpr int usual_size = 64 * 1024;
  if (out->maxlen > usual_size) {
    pfree(out->data);
    out->data = nullptr;
  }
  if (out->data == nullptr) {
    MemoryContext row = MemoryContextSwitchTo(shape->context);
    initStringInfo(out);
    MemoryContextSwitchTo(row);
  }
  slot_getallattrs(slot);
  const uint32 header = JB_FOBJECT | chosen;
  ObjectWriter writer = {out, 0, VARHDRSZ + static_cast<int>(sizeof header), 0};
  writer.start = writer.entries + 2 * chosen * static_cast<int>(sizeof(JEntry));
  enlargeStringInfo(out, writer.start);
  out->len = writer.start;
  memcpy(out->data + VARHDRSZ, &header, sizeof header);
  for (int i = 0; i < chosen; i++) {
    const ShapeColumn* column = &shape->columns[shape->chosen[i]];
    AppendString(&writer, column->name, column->name_length);
  }
  for (int i = 0; i < chosen; i++) {
    ShapeColumn* column = &shape->columns[shape->chosen[i]];
    AppendValue(&writer, shape, column, slot->tts_values[column->index], slot->tts_isnull[column->index]);
  }
  SET_VARSIZE(out->data, out->len);
  return reinterpret_cast<Jsonb*>(out->data);
}

int64 HashOfKey(Jsonb* key) {
  return DatumGetInt64(DirectFunctionCall2(jsonb_hash_extended, JsonbPGetDatum(key), Int64GetDatum(0)));
}

RowKey KeyOfRow(RowShape* shape, TupleTableSlot* slot) {
  RowKey key = {};
  if (bms_is_empty(shape->key_columns)) return key;
  key.has_number = true;
  if (shape->number_key >= 0) {
    const Datum value = slot_getattr(slot, shape->number_key + 1, &key.is_null);
    switch (TupleDescAttr(shape->descriptor, shape->number_key)->attlen) {
      case sizeof(int16):
        key.number = DatumGetInt16(value);
        break;
      case sizeof(int32):
        key.number = DatumGetInt32(value);
        break;
      default:
        key.number = DatumGetInt64(value);
    }
    return key;
  }
  int chosen = 0;
  for (int i = 0; i < shape->count; i++)
    if (bms_is_member(shape->columns[i].index + 1 - FirstLowInvalidHeapAttributeNumber, shape->key_columns))
      shape->chosen[chosen++] = i;
  key.object = WriteObject(shape, chosen, slot, &shape->buffers[0]);
  key.number = HashOfKey(key.object);
  return key;
}

Jsonb* WholeRow(RowShape* shape, TupleTableSlot* slot) {
  int chosen = 0;
  for (int i = 0; i < shape->count; i++)
    if (shape->columns[i].rule != ColumnRule::ignore) shape->chosen[chosen++] = i;
  return WriteObject(shape, chosen, slot, &shape->buffers[1]);
}

uint32 ImageHashOfKey(const RowShape* shape, TupleTableSlot* slot) {
  uint32 hash = 0;
  for (int member = -1; (member = bms_next_member(shape->key_columns, member)) >= 0;) {
    bool is_null;
    const int number = member + FirstLowInvalidHeapAttributeNumber;
    const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, number - 1);
    const Datum value = slot_getattr(slot, number, &is_null);
    hash = hash_combine(hash, is_null ? 0 : datum_image_hash(value, attribute->attbyval, attribute->attlen));
  }
  return hash;
}

bool HasSameKey(const RowShape* shape, TupleTableSlot* one, TupleTableSlot* other) {
  for (int member = -1; (member = bms_next_member(shape->key_columns, member)) >= 0;) {
    bool is_null;
    bool other_is_null;
    const int number = member + FirstLowInvalidHeapAttributeNumber;
    const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, number - 1);
    const Datum value = slot_getattr(one, number, &is_null);
    const Datum other_value = slot_getattr(other, number, &other_is_null);
    if (is_null != other_is_null ||
        (!is_null && !datum_image_eq(value, other_value, attribute->attbyval, attribute->attlen)))
      return false;
  }
  return true;
}

// Tells whether two values of a column are the same, byte for byte. A value that is stored out of line and was
// not touched has the same pointer, and is not fetched.
static bool IsSame(const ShapeColumn* column, Datum before, Datum after) {
  if (column->by_value) return before == after;
  if (column->length == -1) {
    const struct varlena* a = reinterpret_cast<struct varlena*>(DatumGetPointer(before));
    const struct varlena* b = reinterpret_cast<struct varlena*>(DatumGetPointer(after));
    if (VARATT_IS_EXTERNAL_ONDISK(a) && VARATT_IS_EXTERNAL_ONDISK(b)) {
      if (memcmp(a, b, VARSIZE_EXTERNAL(a)) == 0) return true;
    } else if (VARATT_IS_SHORT(a) && VARATT_IS_SHORT(b)) {
      return VARSIZE_SHORT(a) == VARSIZE_SHORT(b) && memcmp(a, b, VARSIZE_SHORT(a)) == 0;
    }
  }
  return datum_image_eq(before, after, false, column->length);
}

bool ChangedColumns(RowShape* shape, TupleTableSlot* before, TupleTableSlot* after, Jsonb** old_values,
                    Jsonb** new_values) {
  slot_getallattrs(before);
  slot_getallattrs(after);
  int chosen = 0;
  for (int i = 0; i < shape->count; i++) {
    ShapeColumn* column = &shape->columns[i];
    if (column->rule == ColumnRule::ignore) continue;
    const bool old_null = before->tts_isnull[column->index];
    const bool new_null = after->tts_isnull[column->index];
    if (old_null != new_null ||
        (!old_null && !IsSame(column, before->tts_values[column->index], after->tts_values[column->index])))
      shape->chosen[chosen++] = i;
  }
  if (chosen == 0) return false;
  *old_values = WriteObject(shape, chosen, before, &shape->buffers[1]);
  *new_values = WriteObject(shape, chosen, after, &shape->buffers[2]);
  return true;
}

}  // namespace opsadmin
