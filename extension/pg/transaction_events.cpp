// What a transaction has said and written of itself so far, for the rules that hold for site roles in
// sql/api/annotation.sql. It changes nothing.
#include "audit.h"

extern "C" {
#include "access/xact.h"
}

namespace opsadmin {

// said() returns the meta of the transaction's annotations, with their action as the member "action" and the context's
// reason; NULL when nothing was said.
OPSADMIN_FUNCTION(opsadmin_said) {
  // A stamp that has an action of its own has the annotation's beside it.
  const Stamp stamp = MakeStamp("", nullptr);
  if (stamp.meta == nullptr) PG_RETURN_NULL();
  PG_RETURN_JSONB_P(stamp.meta);
}

// count_event() returns how many times it was called in this transaction, which must have written something.
OPSADMIN_FUNCTION(opsadmin_count_event) {
  static TransactionId counted = InvalidTransactionId;
  static int32 count = 0;
  const TransactionId transaction = GetTopTransactionIdIfAny();
  if (transaction != counted) count = 0;
  counted = transaction;
  PG_RETURN_INT32(++count);
}

}  // namespace opsadmin
