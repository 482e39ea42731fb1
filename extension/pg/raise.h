// ereport() with a code of errors.def, for the pg zone.
#pragma once

#include "compat.h"

namespace opsadmin {

// errcode() of a five-character SQLSTATE, such as oa::no_context.
inline int OpsadminErrcode(const char* s) {
  return errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]));
}

}  // namespace opsadmin
