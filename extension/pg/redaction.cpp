// Keeps what looks like a secret out of the log: columns and JSON members by their names, whatever wrote them.
#include "audit.h"

#include "../core/sensitive_name.h"

extern "C" {
#include "utils/builtins.h"
}

namespace opsadmin {

void RedactSensitiveColumns(RowShape* shape) {
  for (int i = 0; i < shape->descriptor->natts; i++) {
    const Form_pg_attribute attribute = TupleDescAttr(shape->descriptor, i);
    if (!attribute->attisdropped && LooksSensitive(NameStr(attribute->attname))) shape->rules[i] = ColumnRule::redact;
  }
}

// looks_sensitive(name) tells whether the values under a name are redacted until the DBA says otherwise.
OPSADMIN_FUNCTION(opsadmin_looks_sensitive) {
  const text* name = PG_GETARG_TEXT_PP(0);
  PG_RETURN_BOOL(LooksSensitive({VARDATA_ANY(name), static_cast<size_t>(VARSIZE_ANY_EXHDR(name))}));
}

// redact(document) returns the document with "[redacted]" in the place of the members whose names look sensitive, at
// any depth. A null stays: it hides nothing.
OPSADMIN_FUNCTION(opsadmin_redact) {
  Jsonb* document = PG_GETARG_JSONB_P(0);
  if (JB_ROOT_IS_SCALAR(document)) PG_RETURN_JSONB_P(document);
  JsonbIterator* iterator = JsonbIteratorInit(&document->root);
  JsonbParseState* state = nullptr;
  JsonbValue* built = nullptr;
  JsonbValue item;
  bool is_sensitive = false;
  JsonbIteratorToken token;
  while ((token = JsonbIteratorNext(&iterator, &item, is_sensitive)) != WJB_DONE) {
    if (token == WJB_KEY) {
      is_sensitive = LooksSensitive({item.val.string.val, static_cast<size_t>(item.val.string.len)});
    } else if (token == WJB_VALUE && is_sensitive) {
      is_sensitive = false;
      if (item.type != jbvNull) {
        item.type = jbvString;
        item.val.string.val = const_cast<char*>(redacted_text);
        item.val.string.len = sizeof redacted_text - 1;
      }
    }
    const bool has_value = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;
    built = pushJsonbValue(&state, token, has_value ? &item : nullptr);
  }
  PG_RETURN_JSONB_P(JsonbValueToJsonb(built));
}

}  // namespace opsadmin
