// Defines opsadmin's settings. Their prefix is reserved: an unknown opsadmin.* is an error.
#include "compat.h"
#include "settings.h"

extern "C" {
#include "utils/guc.h"
}

namespace opsadmin {

int audit_on_error = static_cast<int>(AuditOnError::fail);
int guard = static_cast<int>(Guard::warn);
int job_chunk_rows = 10000;
int job_lock_budget = 100;
static int job_max_replica_lag = 30000;
static int job_max_retained_wal = 0;
static char* job_throttle_query = nullptr;
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
  DefineCustomIntVariable("opsadmin.job_chunk_rows", "How many rows a chunk of a job has at most.",
                          "A chunk is one transaction.", &job_chunk_rows, 10000, 1, 1000000, PGC_SUSET, 0, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("opsadmin.job_lock_budget", "How long a chunk of a job should keep its locks.",
                          "The next chunk has fewer or more rows accordingly.", &job_lock_budget, 100, 1, 60000,
                          PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
  // SQL reads these three.
  DefineCustomIntVariable("opsadmin.job_max_replica_lag", "Jobs wait while a replica is further behind.",
                          "0: they do not.", &job_max_replica_lag, 30000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("opsadmin.job_max_retained_wal", "Jobs wait while a replication slot retains more WAL.",
                          "0: they do not.", &job_max_retained_wal, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MB, nullptr,
                          nullptr, nullptr);
  DefineCustomStringVariable("opsadmin.job_throttle_query", "Jobs wait while this query returns a text: the reason.",
                             "It runs as opsadmin_worker, at most four times a second.", &job_throttle_query, "",
                             PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
  DefineCustomStringVariable("opsadmin.key_file", "File that holds opsadmin's signing key.",
                             "32 random bytes, mode 0600; relative paths start at the data directory.", &key_file,
                             "opsadmin.key", PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("opsadmin.ticket_slots", "Number of used tickets that opsadmin remembers.",
                          "Each is remembered until it expires; when all are taken, tickets are refused.",
                          &ticket_slots, 65536, 64, 16777216, PGC_POSTMASTER, 0, nullptr, nullptr, nullptr);
  MarkGUCPrefixReserved("opsadmin");
}

}  // namespace opsadmin
