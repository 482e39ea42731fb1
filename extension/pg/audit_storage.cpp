// Where the audit log is kept: which id comes next and which partition an id belongs to. A partition is a week
// and has the name of its first day; sql/private/audit.sql makes and drops them by the same rule.
#include "audit.h"

extern "C" {
#include "access/table.h"
#include "catalog/namespace.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}

namespace opsadmin {

static constexpr int time_shift = 20;  // an id is milliseconds since 1970 and, below, what makes it unique
static constexpr int64 day = SECS_PER_DAY * INT64CONST(1000);
static constexpr int64 week = 7 * day;
static constexpr int64 first_monday = 4 * day;  // 1970 began with a Thursday

// The last id that was given, for all databases: one counter keeps the order of ids that of the changes, whatever
// the backend and however short the time between them.
static pg_atomic_uint64* last_id = nullptr;

void RequestAuditMemory() {
  RequestAddinShmemSpace(sizeof(pg_atomic_uint64));
}

void InitializeAuditMemory() {
  bool found;
  last_id = static_cast<pg_atomic_uint64*>(ShmemInitStruct("opsadmin audit ids", sizeof(pg_atomic_uint64), &found));
  if (!found) pg_atomic_init_u64(last_id, 0);
}

// The Monday, in milliseconds since 1970, of the week that an id belongs to.
static int64 WeekOf(int64 id) {
  const int64 time = id >> time_shift;
  return (time - first_monday) / week * week + first_monday;
}

int64 ReserveAuditIds(int64 count) {
  const int64 microseconds = GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
  const int64 now = (microseconds / 1000) << time_shift;
  uint64 last = pg_atomic_read_u64(last_id);
  int64 first;
  do {
    first = Max(now, static_cast<int64>(last) + 1);
    // No more in this week: all of the next one's, which begins within a moment.
    if (WeekOf(first) != WeekOf(first + count - 1)) first = WeekOf(first + count - 1) << time_shift;
  } while (!pg_atomic_compare_exchange_u64(last_id, &last, first + count - 1));
  return first;
}

// A partition that is there but not attached holds nothing that anybody would read.
static Relation OpenIfPartition(Oid relation) {
  if (!OidIsValid(relation)) return nullptr;
  Relation partition = try_table_open(relation, RowExclusiveLock);
  if (partition == nullptr || partition->rd_rel->relispartition) return partition;
  table_close(partition, RowExclusiveLock);
  return nullptr;
}

Relation OpenAuditPartition(const char* table, int64 id) {
  const Oid schema = get_namespace_oid("opsadmin", false);
  char name[NAMEDATALEN];
  int year;
  int month;
  int day_of_month;
  j2date(static_cast<int>(WeekOf(id) / day) + UNIX_EPOCH_JDATE, &year, &month, &day_of_month);
  snprintf(name, sizeof name, "%s_%04d%02d%02d", table, year, month, day_of_month);
  Relation partition = OpenIfPartition(get_relname_relid(name, schema));
  if (partition != nullptr) return partition;
  snprintf(name, sizeof name, "%s_overflow", table);
  const Oid overflow = get_relname_relid(name, schema);
  if (!OidIsValid(overflow))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"opsadmin.%s\" does not exist", name)));
  return table_open(overflow, RowExclusiveLock);
}

}  // namespace opsadmin
