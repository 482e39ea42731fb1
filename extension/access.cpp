// SQL-callable functions whose bodies are C++ of the core zone: passwords and the table of error codes.
#include "core/error.h"
#include "core/password.h"

#include "boundary/boundary.h"
#include "pg/compat.h"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"
}

namespace opsadmin {

static std::string_view TextView(const text* value) {
  return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
}

// hash_password(password) returns an argon2id hash in PHC format; OA014 for one too short or too long.
OPSADMIN_FUNCTION(opsadmin_hash_password) {
  const text* password = PG_GETARG_TEXT_PP(0);
  return Boundary([password]() -> Datum {
    char salt[16];
    if (!pg_strong_random(salt, sizeof salt)) throw Error("XX000", "no random bytes are available");
    const std::string hash = HashPassword(TextView(password), {salt, sizeof salt});
    const char* characters = hash.c_str();
    return PgCall([characters] { return PointerGetDatum(cstring_to_text(characters)); });
  });
}

// verify_password(password, hash) tells whether they belong together.
OPSADMIN_FUNCTION(opsadmin_verify_password) {
  const text* password = PG_GETARG_TEXT_PP(0);
  const text* hash = PG_GETARG_TEXT_PP(1);
  return Boundary([password, hash]() -> Datum {
    return BoolGetDatum(VerifyPassword(TextView(password), std::string(TextView(hash))));
  });
}

// error_codes() returns (sqlstate, condition, http_status, title) of every error of opsadmin.
OPSADMIN_FUNCTION(opsadmin_error_codes) {
  InitMaterializedSRF(fcinfo, 0);
  ReturnSetInfo* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (const ErrorCode& code : error_codes) {
    Datum values[4] = {CStringGetTextDatum(code.sqlstate.data()), CStringGetTextDatum(code.condition.data()),
                       Int32GetDatum(code.http_status), CStringGetTextDatum(code.title.data())};
    bool nulls[4] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  return Datum{0};
}

}  // namespace opsadmin
