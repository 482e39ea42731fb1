// Defines opsadmin's settings. Their prefix is reserved: an unknown opsadmin.* is an error.
#include "compat.h"
#include "settings.h"

extern "C" {
#include "utils/guc.h"
}

namespace opsadmin {

char* key_file = nullptr;
int ticket_slots = 65536;

void DefineSettings() {
  DefineCustomStringVariable("opsadmin.key_file", "File that holds opsadmin's signing key.",
                             "32 random bytes, mode 0600; relative paths start at the data directory.", &key_file,
                             "opsadmin.key", PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("opsadmin.ticket_slots", "Number of used tickets that opsadmin remembers.",
                          "Each is remembered until it expires; when all are taken, tickets are refused.",
                          &ticket_slots, 65536, 64, 16777216, PGC_POSTMASTER, 0, nullptr, nullptr, nullptr);
  MarkGUCPrefixReserved("opsadmin");
}

}  // namespace opsadmin
