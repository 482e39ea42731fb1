// What a transaction says of itself: annotate_audit() is remembered here for the headers that are still to be
// written, and forgotten with the savepoint that said it. The SQL functions check what they are given.
#include "audit.h"
#include "context.h"

extern "C" {
#include "access/xact.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

namespace opsadmin {

// What has been said up to a subtransaction, the earlier ones behind it. Lives in the transaction's memory.
struct Annotation {
  SubTransactionId subxact;
  char* action;
  Jsonb* meta;  // an object, may be empty
  Annotation* before;
};

static Annotation* annotation = nullptr;

// Frees an annotation that others have replaced, and returns the one behind it.
static Annotation* Forget(Annotation* replaced) {
  Annotation* before = replaced->before;
  pfree(replaced->action);
  pfree(replaced->meta);
  pfree(replaced);
  return before;
}

static void AnnotationXactCallback(XactEvent event, void*) {
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) annotation = nullptr;
}

static void AnnotationSubXactCallback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void*) {
  if (annotation == nullptr || annotation->subxact != id) return;
  if (event == SUBXACT_EVENT_ABORT_SUB) {
    annotation = Forget(annotation);
  } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
    annotation->subxact = parent;
    if (annotation->before != nullptr && annotation->before->subxact == parent)
      annotation->before = Forget(annotation->before);
  }
}

void InitializeAnnotations() {
  RegisterXactCallback(AnnotationXactCallback, nullptr);
  RegisterSubXactCallback(AnnotationSubXactCallback, nullptr);
}

static Jsonb* TextMember(const char* name, const char* value) {
  JsonbParseState* state = nullptr;
  JsonbValue item;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  item.type = jbvString;
  item.val.string.val = const_cast<char*>(name);
  item.val.string.len = strlen(name);
  pushJsonbValue(&state, WJB_KEY, &item);
  item.val.string.val = const_cast<char*>(value);
  item.val.string.len = strlen(value);
  pushJsonbValue(&state, WJB_VALUE, &item);
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

// Both objects in one, the second's members before the first's of the same name; NULL counts for nothing.
static Jsonb* Merge(Jsonb* one, Jsonb* other) {
  if (one == nullptr || other == nullptr) return one == nullptr ? other : one;
  return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(one), JsonbPGetDatum(other)));
}

Stamp MakeStamp(const char* own_action, Jsonb* own_meta) {
  const Context* context = BoundContext();
  Stamp stamp = {own_action, nullptr};
  if (context != nullptr && own_action == nullptr && context->action[0] != '\0') stamp.action = context->action;
  if (annotation != nullptr) {
    stamp.meta = annotation->meta;
    if (stamp.action == nullptr)
      stamp.action = annotation->action;
    else
      stamp.meta = Merge(stamp.meta, TextMember("action", annotation->action));
  }
  stamp.meta = Merge(stamp.meta, own_meta);
  if (context != nullptr && context->reason[0] != '\0')
    stamp.meta = Merge(stamp.meta, TextMember("reason", context->reason));
  if (stamp.meta != nullptr && JB_ROOT_COUNT(stamp.meta) == 0) stamp.meta = nullptr;
  return stamp;
}

// annotate(action, meta) remembers them for this transaction and returns all that its annotations say together: the
// last action holds, and of each member of meta the last.
OPSADMIN_FUNCTION(opsadmin_annotate) {
  const char* action = text_to_cstring(PG_GETARG_TEXT_PP(0));
  Jsonb* meta = PG_GETARG_JSONB_P(1);
  if (annotation != nullptr) meta = Merge(annotation->meta, meta);
  MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
  Annotation* said = static_cast<Annotation*>(palloc(sizeof(Annotation)));
  said->subxact = GetCurrentSubTransactionId();
  said->action = pstrdup(action);
  said->meta = static_cast<Jsonb*>(palloc(VARSIZE(meta)));
  memcpy(said->meta, meta, VARSIZE(meta));
  said->before = annotation;
  MemoryContextSwitchTo(caller);
  meta = static_cast<Jsonb*>(palloc(VARSIZE(said->meta)));
  memcpy(meta, said->meta, VARSIZE(said->meta));
  if (annotation != nullptr && annotation->subxact == said->subxact) said->before = Forget(annotation);
  annotation = said;
  PG_RETURN_JSONB_P(meta);
}

// write_event(action, target_id, row_key, target_pk, meta, tenant_id); the keys and the meta may be NULL. A row is
// named as the trigger does it: by row_key alone, which is its integer, or by target_pk and its hash.
OPSADMIN_FUNCTION(opsadmin_write_event) {
  PreventCommandIfReadOnly("opsadmin.audit_event()");
  RowKey key = {};
  if (!PG_ARGISNULL(2)) {
    key.has_number = true;
    key.number = PG_GETARG_INT64(2);
  } else if (!PG_ARGISNULL(3)) {
    key.object = PG_GETARG_JSONB_P(3);
    key.has_number = true;
    key.number = HashOfKey(key.object);
  }
  WriteAuditEvent(PG_GETARG_INT64(5), text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1), &key,
                  PG_ARGISNULL(4) ? nullptr : PG_GETARG_JSONB_P(4));
  PG_RETURN_VOID();
}

}  // namespace opsadmin
