// Defines opsadmin's settings. Their prefix is reserved: an unknown opsadmin.* is an error.
#include "compat.h"
#include "settings.h"

extern "C" {
#include "utils/guc.h"
}

namespace opsadmin {

int audit_on_error = static_cast<int>(AuditOnError::fail);
int guard = static_cast<int>(Guard::warn);
char* key_file = nullptr;
int ticket_slots = 65536;

static const config_enum_entry audit_on_error_options[] = {{"fail", static_cast<int>(AuditOnError::fail), false},
                                                           {"warn", static_cast<int>(AuditOnError::warn), false},
                                                           {nullptr, 0, false}};
static const config_enum_entry guard_options[] = {{"off", static_cast<int>(Guard::off), false},
                                                  {"warn", static_cast<int>(Guard::warn), false},
                                                  {"refuse", static_cast<int>(Guard::refuse), false},
                                                  {nullptr, 0, false}};

void DefineSettings() {
  DefineCustomEnumVariable("opsadmin.audit_on_error", "What happens to a change that cannot be recorded.",
                           "fail, or warn: it is let through, with a warning, an alarm in the log and in health().",
                           &audit_on_error, static_cast<int>(AuditOnError::fail), audit_on_error_options, PGC_SUSET, 0,
                           nullptr, nullptr, nullptr);
  DefineCustomEnumVariable("opsadmin.guard", "What happens to a change of the schema that takes a protection away.",
                           "off, warn or refuse.", &guard, static_cast<int>(Guard::warn), guard_options, PGC_SUSET, 0,
                           nullptr, nullptr, nullptr);
  DefineCustomStringVariable("opsadmin.key_file", "File that holds opsadmin's signing key.",
                             "32 random bytes, mode 0600; relative paths start at the data directory.", &key_file,
                             "opsadmin.key", PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("opsadmin.ticket_slots", "Number of used tickets that opsadmin remembers.",
                          "Each is remembered until it expires; when all are taken, tickets are refused.",
                          &ticket_slots, 65536, 64, 16777216, PGC_POSTMASTER, 0, nullptr, nullptr, nullptr);
  MarkGUCPrefixReserved("opsadmin");
}

}  // namespace opsadmin
