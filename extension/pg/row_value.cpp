// What values of other types than the common ones need on their way into jsonb: settings that no session can change,
// a form for what jsonb cannot hold, and a mark for what is too large. Never raises an error because of a value.
#include "audit.h"
#include "subtransaction.h"

#include "../core/sensitive_name.h"

extern "C" {
#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "utils/xml.h"
}

namespace opsadmin {

// ---- Settings that the text of a value depends on ----

static constexpr struct {
  int bit;
  const char* name;
  const char* value;
} fixed_settings[] = {{setting_time_zone, "TimeZone", "UTC"},
                      {setting_date_style, "DateStyle", "ISO, MDY"},
                      {setting_interval_style, "IntervalStyle", "postgres"},
                      {setting_float_digits, "extra_float_digits", "1"},
                      {setting_bytea_output, "bytea_output", "hex"},
                      {setting_money, "lc_monetary", "C"},
                      {setting_xml_binary, "xmlbinary", "base64"}};

static bool HasFixedValue(int setting) {
  switch (setting) {
    case setting_time_zone:
      return strcmp(pg_get_timezone_name(session_timezone), "UTC") == 0;
    case setting_date_style:
      return DateStyle == USE_ISO_DATES && DateOrder == DATEORDER_MDY;
    case setting_interval_style:
      return IntervalStyle == INTSTYLE_POSTGRES;
    case setting_float_digits:
      return extra_float_digits == 1;
    case setting_bytea_output:
      return bytea_output == BYTEA_OUTPUT_HEX;
    case setting_money:
      return strcmp(locale_monetary, "C") == 0;
    default:
      return xmlbinary == XMLBINARY_BASE64;
  }
}

int FixSettings(int settings) {
  int level = 0;
  for (const auto& setting : fixed_settings) {
    if ((settings & setting.bit) == 0 || HasFixedValue(setting.bit)) continue;
    if (level == 0) level = NewGUCNestLevel();
    (void)set_config_option(setting.name, setting.value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  }
  return level;
}

void RestoreSettings(int level) {
  if (level != 0) AtEOXact_GUC(true, level);
}

static void AddTraits(ValueTraits* traits, const ValueTraits& others) {
  traits->settings |= others.settings;
  traits->has_json |= others.has_json;
  traits->has_sensitive_member |= others.has_sensitive_member;
  traits->has_members |= others.has_members;
}

static void AddTraitsOfMembers(ValueTraits* traits, Oid type) {
  check_stack_depth();
  traits->has_members = true;
  TupleDesc members = lookup_rowtype_tupdesc(type, -1);
  for (int i = 0; i < members->natts; i++) {
    const Form_pg_attribute member = TupleDescAttr(members, i);
    if (member->attisdropped) continue;
    if (LooksSensitive(NameStr(member->attname))) traits->has_sensitive_member = true;
    AddTraits(traits, TraitsOfType(member->atttypid));
  }
  ReleaseTupleDesc(members);
}

ValueTraits TraitsOfType(Oid type) {
  ValueTraits traits = {};
  if (get_typtype(type) == TYPTYPE_DOMAIN) type = getBaseType(type);
  switch (type) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case NUMERICOID:
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
    case NAMEOID:
    case CHAROID:
    case UUIDOID:
    case INETOID:
    case CIDROID:
    case OIDOID:
    case JSONBOID:
    case DATEOID:
    case TIMEOID:
    case TIMESTAMPOID:
      return traits;
    case JSONOID:
      traits.has_json = true;
      return traits;
    case TIMESTAMPTZOID:
      traits.settings = setting_time_zone;
      return traits;
    case INTERVALOID:
      traits.settings = setting_interval_style;
      return traits;
    case FLOAT4OID:
    case FLOAT8OID:
      traits.settings = setting_float_digits;
      return traits;
    case BYTEAOID:
      traits.settings = setting_bytea_output;
      return traits;
    case CASHOID:
      traits.settings = setting_money;
      return traits;
    default:
      break;
  }
  const Oid element = get_base_element_type(type);
  if (OidIsValid(element)) return TraitsOfType(element);
  if (type_is_rowtype(type) && type != RECORDOID) {
    AddTraitsOfMembers(&traits, type);
    return traits;
  }
  if (get_typtype(type) == TYPTYPE_ENUM) return traits;
  const Oid subtype = get_range_subtype(type);
  // In the text of a range times are not as JSON has them.
  if (OidIsValid(subtype) && subtype != DATEOID && subtype != TIMESTAMPOID && subtype != TIMESTAMPTZOID)
    return TraitsOfType(subtype);
  traits.settings = setting_all;
  return traits;
}

// ---- Values that are too large ----

// Several values have to fit into an entry, and their text may be twice as long.
static constexpr Size largest_value = 64 * 1024 * 1024;
static constexpr Size largest_values = 2 * largest_value;

bool IsTooLarge(Datum value, Size written) {
  const void* bytes = DatumGetPointer(value);
  if (VARATT_IS_SHORT(bytes) && !VARATT_IS_EXTERNAL(bytes)) return false;
  const Size size = toast_raw_datum_size(value);
  return size > largest_value || size + written > largest_values;
}

static void PushText(JsonbParseState** state, JsonbIteratorToken token, const char* text) {
  JsonbValue item;
  item.type = jbvString;
  item.val.string.val = const_cast<char*>(text);
  item.val.string.len = strlen(text);
  pushJsonbValue(state, token, &item);
}

Jsonb* MarkOfValue(Datum value) {
  const Datum bytes = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
  const struct varlena* hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, bytes));
  char text[2 * 32 + 1] = {};
  (void)hex_encode(VARDATA_ANY(hash), VARSIZE_ANY_EXHDR(hash), text);
  JsonbParseState* state = nullptr;
  JsonbValue length;
  length.type = jbvNumeric;
  length.val.numeric = int64_to_numeric(VARSIZE_ANY_EXHDR(DatumGetPointer(bytes)));
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  PushText(&state, WJB_KEY, "length");
  pushJsonbValue(&state, WJB_VALUE, &length);
  PushText(&state, WJB_KEY, "sha256");
  PushText(&state, WJB_VALUE, text);
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

// ---- Values that jsonb cannot hold ----

// Tells whether a conversion has failed because of the value, and not of the server or the company's code.
static bool IsOfValue(int code) {
  const int category = ERRCODE_TO_CATEGORY(code);
  return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
         category == ERRCODE_FEATURE_NOT_SUPPORTED || code == ERRCODE_OUT_OF_MEMORY ||
         code == ERRCODE_INTERNAL_ERROR;  // what palloc() says of sizes beyond its limit
}

// Converts in a subtransaction of its own; NULL when jsonb cannot hold the value.
static Jsonb* TryConversion(FmgrInfo* to_jsonb, Datum value) {
  Jsonb* json = nullptr;
  ErrorData* error =
      InSubtransaction([&json, to_jsonb, value] { json = DatumGetJsonbP(FunctionCall1(to_jsonb, value)); });
  if (error == nullptr) return json;
  if (!IsOfValue(error->sqlerrcode)) ReThrowError(error);
  FreeErrorData(error);
  return nullptr;
}

// Tells whether jsonb may refuse the text of a json value: escapes (\u0000, half a surrogate pair), exponents, or
// numbers and nesting without end.
static bool IsSuspicious(const char* text, int length) {
  constexpr int short_enough = 4096;
  if (length > short_enough || memchr(text, '\\', length) != nullptr) return true;
  for (int i = 1; i < length; i++)
    if ((text[i] == 'e' || text[i] == 'E') && text[i - 1] >= '0' && text[i - 1] <= '9') return true;
  return false;
}

// Tells whether a member's name looks sensitive in the text of json, which may be within the text of arrays and
// composites, whose quotes and backslashes surround the names. A name that is spelt with escapes counts as one.
static bool NamesSecret(const char* text, int length) {
  for (int colon = 0; colon < length; colon++) {
    if (text[colon] != ':') continue;
    int end = colon;
    while (end > 0 && strchr(" \t\r\n\"\\", text[end - 1]) != nullptr) end--;
    int begin = end;
    while (begin > 0 && text[begin - 1] != '"') begin--;
    const char* name = text + begin;
    const size_t size = end - begin;
    if (memchr(name, '\\', size) != nullptr || LooksSensitive({name, size})) return true;
  }
  return false;
}

// The text of a value as a jsonb string, for json that jsonb cannot hold.
static Jsonb* TextOfValue(Oid type, const ValueTraits* traits, Datum value, bool redacts) {
  Oid output;
  bool is_varlena;
  JsonbValue item;
  getTypeOutputInfo(type, &output, &is_varlena);
  item.type = jbvString;
  item.val.string.val = OidOutputFunctionCall(output, value);
  item.val.string.len = strlen(item.val.string.val);
  if (redacts && (traits->has_sensitive_member || NamesSecret(item.val.string.val, item.val.string.len))) {
    item.val.string.val = const_cast<char*>(redacted_text);
    item.val.string.len = sizeof redacted_text - 1;
  }
  if (static_cast<Size>(item.val.string.len) > largest_values) return MarkOfValue(value);
  return JsonbValueToJsonb(&item);
}

Jsonb* JsonbOfValue(FmgrInfo* to_jsonb, Oid type, int length, const ValueTraits* traits, Datum value, bool redacts) {
  constexpr Size safe_size = 1024 * 1024;
  Jsonb* json;
  if (type == JSONBOID) {
    json = DatumGetJsonbP(value);
  } else {
    bool is_safe = length != -1 || toast_raw_datum_size(value) <= safe_size;
    if (is_safe && traits->has_json) {
      is_safe = false;
      if (getBaseType(type) == JSONOID) {
        const text* document = DatumGetTextPP(value);
        is_safe = !IsSuspicious(VARDATA_ANY(document), VARSIZE_ANY_EXHDR(document));
      }
    }
    json = is_safe ? DatumGetJsonbP(FunctionCall1(to_jsonb, value)) : TryConversion(to_jsonb, value);
    if (json == nullptr && traits->has_json) return TextOfValue(type, traits, value, redacts);
    if (json == nullptr) return MarkOfValue(value);
  }
  return redacts ? RedactMembers(json) : json;
}

}  // namespace opsadmin
