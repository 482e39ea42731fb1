// Defines opsadmin's settings. Their prefix is reserved: an unknown opsadmin.* is an error.
#include "compat.h"
#include "settings.h"

extern "C" {
#include "utils/guc.h"
}

namespace opsadmin {

char* key_file = nullptr;

void DefineSettings() {
  DefineCustomStringVariable("opsadmin.key_file", "File that holds opsadmin's signing key.",
                             "32 random bytes, mode 0600; relative paths start at the data directory.", &key_file,
                             "opsadmin.key", PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
  MarkGUCPrefixReserved("opsadmin");
}

}  // namespace opsadmin
