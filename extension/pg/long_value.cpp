// The beginning of long values, for lists and the audit log: what a value may be on a page is its length as it is read,
// and not as it is stored, since a number of a few bytes may have 130,000 digits.
#include "compat.h"

extern "C" {
#include "access/detoast.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
}

namespace opsadmin {

static constexpr int longest_bytes = 4000;
static constexpr int shown_characters = 1000;

static void AppendString(StringInfo out, const JsonbValue* value) {
  // Of a longer one the rest is not shown; clipping takes less than a character.
  const int length = pg_mbcliplen(value->val.string.val, value->val.string.len, longest_bytes + 10);
  escape_json(out, pnstrdup(value->val.string.val, length));
}

static void AppendScalar(StringInfo out, const JsonbValue* value) {
  switch (value->type) {
    case jbvNull:
      appendStringInfoString(out, "null");
      break;
    case jbvBool:
      appendStringInfoString(out, value->val.boolean ? "true" : "false");
      break;
    case jbvNumeric:
      appendStringInfoString(out,
                             DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
      break;
    default:
      AppendString(out, value);
  }
}

// Writes a document as its output function does, until it is longer than what is shown in full.
static void AppendDocument(StringInfo out, Jsonb* json) {
  JsonbIterator* iterator = JsonbIteratorInit(&json->root);
  JsonbValue value;
  JsonbIteratorToken token;
  bool is_first = true;
  const bool is_scalar = JB_ROOT_IS_SCALAR(json);
  while (out->len <= longest_bytes && (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE) {
    const bool ends = token == WJB_END_ARRAY || token == WJB_END_OBJECT;
    if (is_scalar && token != WJB_ELEM) continue;
    if (!ends && token != WJB_VALUE && !is_first) appendStringInfoString(out, ", ");
    is_first = token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT || token == WJB_KEY;
    if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
      appendStringInfoChar(out, token == WJB_BEGIN_ARRAY ? '[' : '{');
    else if (ends)
      appendStringInfoChar(out, token == WJB_END_ARRAY ? ']' : '}');
    else
      AppendScalar(out, &value);
    if (token == WJB_KEY) appendStringInfoString(out, ": ");
  }
}

// A document whose text is long becomes the beginning of it, as a text; any other stays as it is.
OPSADMIN_FUNCTION(opsadmin_beginning) {
  Jsonb* json = PG_GETARG_JSONB_P(0);
  StringInfoData text;
  JsonbValue scalar;
  initStringInfo(&text);
  if (JsonbExtractScalar(&json->root, &scalar) && scalar.type == jbvString)
    appendBinaryStringInfo(&text, scalar.val.string.val, Min(scalar.val.string.len, longest_bytes + 1));
  else
    AppendDocument(&text, json);
  if (text.len <= longest_bytes) PG_RETURN_JSONB_P(json);
  text.len = pg_mbcharcliplen(text.data, text.len, shown_characters);
  const char* dots = "\xE2\x80\xA6";
  appendStringInfoString(&text, pg_any_to_server(dots, strlen(dots), PG_UTF8));
  JsonbValue beginning;
  beginning.type = jbvString;
  beginning.val.string.val = text.data;
  beginning.val.string.len = text.len;
  PG_RETURN_JSONB_P(JsonbValueToJsonb(&beginning));
}

// How many bytes a value has that is neither compressed nor kept elsewhere, without reading it.
OPSADMIN_FUNCTION(opsadmin_raw_size) {
  const int16 length = get_typlen(get_fn_expr_argtype(fcinfo->flinfo, 0));
  if (length != -1) PG_RETURN_INT64(length);
  PG_RETURN_INT64(static_cast<int64>(toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ));
}

}  // namespace opsadmin
