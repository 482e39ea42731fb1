// Keeps what looks like a secret out of the log: columns and JSON members by their names, whatever wrote them.
#include "audit.h"

#include "../core/sensitive_name.h"

extern "C" {
#include "access/sysattr.h"
#include "optimizer/optimizer.h"
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

// The columns that the expression of a generated column refers to, as attribute numbers.
static Bitmapset* SourcesOf(TupleDesc descriptor, AttrNumber number) {
  Bitmapset* sources = nullptr;
  for (int i = 0; i < descriptor->constr->num_defval; i++) {
    if (descriptor->constr->defval[i].adnum != number) continue;
    Node* expression = static_cast<Node*>(stringToNode(descriptor->constr->defval[i].adbin));
    pull_varattnos(expression, 1, &sources);
  }
  return sources;
}

void RedactGeneratedColumns(RowShape* shape) {
  TupleDesc descriptor = shape->descriptor;
  Bitmapset* redacted = nullptr;
  if (descriptor->constr == nullptr || !descriptor->constr->has_generated_stored) return;
  for (int i = 0; i < descriptor->natts; i++)
    if (shape->rules[i] == ColumnRule::redact)
      redacted = bms_add_member(redacted, i + 1 - FirstLowInvalidHeapAttributeNumber);
  if (redacted == nullptr) return;
  for (int i = 0; i < descriptor->natts; i++)
    if (TupleDescAttr(descriptor, i)->attgenerated != '\0' && shape->rules[i] == ColumnRule::plain &&
        bms_overlap(redacted, SourcesOf(descriptor, i + 1)))
      shape->rules[i] = ColumnRule::redact;
}

static bool HasSensitiveMember(Jsonb* document) {
  JsonbIterator* iterator = JsonbIteratorInit(&document->root);
  JsonbValue item;
  JsonbIteratorToken token;
  while ((token = JsonbIteratorNext(&iterator, &item, false)) != WJB_DONE)
    if (token == WJB_KEY && LooksSensitive({item.val.string.val, static_cast<size_t>(item.val.string.len)}))
      return true;
  return false;
}

// A null stays: it hides nothing.
Jsonb* RedactMembers(Jsonb* document) {
  if (JB_ROOT_IS_SCALAR(document) || !HasSensitiveMember(document)) return document;
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
  return JsonbValueToJsonb(built);
}

// redact(document) returns the document without the values of members whose names look sensitive, at any depth.
OPSADMIN_FUNCTION(opsadmin_redact) {
  PG_RETURN_JSONB_P(RedactMembers(PG_GETARG_JSONB_P(0)));
}

}  // namespace opsadmin
