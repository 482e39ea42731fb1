// Where the audit log is kept: which id comes next and which partition an id belongs to. A partition is a week
// and has the name of its first day; sql/private/audit.sql makes and drops them by the same rule.
#include "audit.h"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace opsadmin {

static constexpr int time_shift = 20;  // an id is milliseconds since 1970 and, below, what makes it unique
static constexpr int64 day = SECS_PER_DAY * INT64CONST(1000);
static constexpr int64 week = 7 * day;
static constexpr int64 first_monday = 4 * day;  // 1970 began with a Thursday

static constexpr int most_databases = 64;  // of others each backend looks for itself

struct AuditIds {
  // The last id that was given, for all databases: one counter keeps the order of ids, whatever the backend and however
  // short the time between them.
  pg_atomic_uint64 last;
  // The databases whose highest id it is above, 0: none. It is lost with the server, and the clock may be set back.
  pg_atomic_uint32 databases[most_databases];
};

static AuditIds* ids = nullptr;

void RequestAuditMemory() {
  RequestAddinShmemSpace(sizeof(AuditIds));
}

void InitializeAuditMemory() {
  bool found;
  ids = static_cast<AuditIds*>(ShmemInitStruct("opsadmin audit ids", sizeof(AuditIds), &found));
  if (found) return;
  pg_atomic_init_u64(&ids->last, 0);
  for (pg_atomic_uint32& database : ids->databases) pg_atomic_init_u32(&database, 0);
}

// The Monday, in milliseconds since 1970, of the week that an id belongs to.
static int64 WeekOf(int64 id) {
  const int64 time = id >> time_shift;
  return (time - first_monday) / week * week + first_monday;
}

// The lowest id of this moment.
static int64 IdOfNow() {
  const int64 microseconds = GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
  return (microseconds / 1000) << time_shift;
}

static void MakePartitionName(char* name, const char* table, int64 week_begin) {
  int year;
  int month;
  int day_of_month;
  j2date(static_cast<int>(week_begin / day) + UNIX_EPOCH_JDATE, &year, &month, &day_of_month);
  snprintf(name, NAMEDATALEN, "%s_%04d%02d%02d", table, year, month, day_of_month);
}

// A partition that is there but not attached holds nothing that anybody would read.
static Relation OpenIfPartition(Oid relation) {
  if (!OidIsValid(relation)) return nullptr;
  Relation partition = try_table_open(relation, RowExclusiveLock);
  if (partition == nullptr || partition->rd_rel->relispartition) return partition;
  table_close(partition, RowExclusiveLock);
  return nullptr;
}

// The highest id in a partition, by its index; 0 when there is none.
static int64 HighestIn(Relation partition) {
  int64 highest = 0;
  ListCell* cell;
  foreach (cell, RelationGetIndexList(partition)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indkey.values[0] == 1 &&
        RelationGetIndexPredicate(index) == NIL) {
      Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
      TupleTableSlot* slot = table_slot_create(partition, nullptr);
      const IndexScanDesc scan = index_beginscan(partition, index, snapshot, 0, 0);
      index_rescan(scan, nullptr, 0, nullptr, 0);
      bool is_null;
      if (index_getnext_slot(scan, BackwardScanDirection, slot))
        highest = DatumGetInt64(slot_getattr(slot, 1, &is_null));
      index_endscan(scan);
      ExecDropSingleTupleTableSlot(slot);
      UnregisterSnapshot(snapshot);
    }
    index_close(index, AccessShareLock);
    if (highest != 0) break;
  }
  return highest;
}

// The highest id of this database from this week on, 0 when there is none. Entries come after their headers.
static int64 HighestId() {
  constexpr int weeks_ahead = 104;
  const Oid schema = get_namespace_oid("opsadmin", false);
  const int64 this_week = WeekOf(IdOfNow());
  int64 highest = 0;
  for (int n = weeks_ahead; n >= 0 && highest == 0; n--) {
    char name[NAMEDATALEN];
    MakePartitionName(name, "audit_entry", this_week + n * week);
    Relation partition = OpenIfPartition(get_relname_relid(name, schema));
    if (partition == nullptr) continue;
    highest = HighestIn(partition);
    table_close(partition, RowExclusiveLock);
  }
  return highest;
}

// Raises the counter above what the database has, once after the server's start.
static void SeedIds() {
  static bool is_seeded = false;
  if (is_seeded) return;
  for (pg_atomic_uint32& database : ids->databases)
    if (pg_atomic_read_u32(&database) == MyDatabaseId) is_seeded = true;
  if (is_seeded) return;
  const uint64 highest = HighestId();
  uint64 last = pg_atomic_read_u64(&ids->last);
  while (last < highest && !pg_atomic_compare_exchange_u64(&ids->last, &last, highest)) continue;
  for (pg_atomic_uint32& database : ids->databases) {
    uint32 known = 0;
    if (pg_atomic_compare_exchange_u32(&database, &known, MyDatabaseId) || known == MyDatabaseId) break;
  }
  is_seeded = true;
}

int64 ReserveAuditIds(int64 count) {
  SeedIds();
  const int64 now = IdOfNow();
  uint64 last = pg_atomic_read_u64(&ids->last);
  int64 first;
  do {
    first = Max(now, static_cast<int64>(last) + 1);
    // No more in this week: all of the next one's, which begins within a moment.
    if (WeekOf(first) != WeekOf(first + count - 1)) first = WeekOf(first + count - 1) << time_shift;
  } while (!pg_atomic_compare_exchange_u64(&ids->last, &last, first + count - 1));
  return first;
}

// A partition that has been found, to be looked at before it is looked for by its name.
struct KnownPartition {
  const char* table;
  int64 week;
  Oid schema;
  Oid relation;
  char name[NAMEDATALEN];
};

static KnownPartition known_partitions[] = {{"audit_header", 0, InvalidOid, InvalidOid, ""},
                                            {"audit_entry", 0, InvalidOid, InvalidOid, ""}};

// Opens the partition that was found for the week the last time, if it still is that one.
static Relation OpenKnown(const KnownPartition* known, int64 week_begin) {
  if (known->week != week_begin) return nullptr;
  Relation partition = OpenIfPartition(known->relation);
  if (partition == nullptr || (RelationGetNamespace(partition) == known->schema &&
                               strcmp(RelationGetRelationName(partition), known->name) == 0))
    return partition;
  table_close(partition, RowExclusiveLock);
  return nullptr;
}

Relation OpenAuditPartition(const char* table, int64 id) {
  KnownPartition* known = &known_partitions[strcmp(table, known_partitions[0].table) == 0 ? 0 : 1];
  const int64 week_begin = WeekOf(id);
  Relation partition = OpenKnown(known, week_begin);
  if (partition != nullptr) return partition;
  const Oid schema = get_namespace_oid("opsadmin", false);
  char name[NAMEDATALEN];
  MakePartitionName(name, table, week_begin);
  partition = OpenIfPartition(get_relname_relid(name, schema));
  if (partition != nullptr) {
    known->week = week_begin;
    known->schema = schema;
    known->relation = RelationGetRelid(partition);
    strlcpy(known->name, name, NAMEDATALEN);
    return partition;
  }
  snprintf(name, sizeof name, "%s_overflow", table);
  const Oid overflow = get_relname_relid(name, schema);
  if (!OidIsValid(overflow))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"opsadmin.%s\" does not exist", name)));
  return table_open(overflow, RowExclusiveLock);
}

}  // namespace opsadmin
