// Fair turns: whose jobs have had the least of the workers' time comes next. Start-time fair queueing (Goyal, Vin,
// Cheng, 1996): a turn starts at the later of its last one's end and the start of the one that is served now, and ends
// a chunk's milliseconds later. Tenants have turns, and so has each of a tenant's tables. What is forgotten, because
// the server started or the table is full, starts with the others.
#include "compat.h"
#include "turns.h"

extern "C" {
#include "common/hashfn.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
}

namespace opsadmin {

static constexpr int turn_count = 1024;
static constexpr int probes = 8;

struct Turn {
  Oid database;
  int32 target;  // 0: of all the tenant's tables
  int64 tenant;
  double end;  // milliseconds of work
};

struct Turns {
  slock_t lock;
  double started[2];  // of the turns of tenants, and of their tables
  Turn turns[turn_count];
};

static Turns* turns = nullptr;

void RequestTurnsMemory() {
  RequestAddinShmemSpace(sizeof(Turns));
}

void InitializeTurnsMemory() {
  bool found;
  turns = static_cast<Turns*>(ShmemInitStruct("opsadmin turns", sizeof(Turns), &found));
  if (!found) {
    memset(turns, 0, sizeof(Turns));
    SpinLockInit(&turns->lock);
  }
}

// The turn of a tenant and table, NULL when it is not known; *oldest is where to put it then.
static Turn* FindTurn(int64 tenant, int32 target, Turn** oldest) {
  struct {
    int64 tenant;
    int32 target;
    Oid database;
  } const key = {tenant, target, MyDatabaseId};
  const uint32 first = hash_bytes(reinterpret_cast<const unsigned char*>(&key), sizeof key);
  *oldest = nullptr;
  for (uint32 i = 0; i < probes; i++) {
    Turn* turn = &turns->turns[(first + i) % turn_count];
    if (turn->database == MyDatabaseId && turn->tenant == tenant && turn->target == target) return turn;
    if (*oldest == nullptr || turn->end < (*oldest)->end) *oldest = turn;
  }
  return nullptr;
}

// job_turn(tenant_id, target_id) returns when the next turn starts, in milliseconds of work; the smallest comes next.
// target_id 0: the tenant's.
OPSADMIN_FUNCTION(opsadmin_job_turn) {
  const int32 target = PG_GETARG_INT32(1);
  Turn* oldest;
  SpinLockAcquire(&turns->lock);
  const Turn* turn = FindTurn(PG_GETARG_INT64(0), target, &oldest);
  const double started = turns->started[target != 0];
  const double start = turn == nullptr ? started : Max(turn->end, started);
  SpinLockRelease(&turns->lock);
  PG_RETURN_FLOAT8(start);
}

// take_turn(tenant_id, target_id, milliseconds) counts work for the tenant and for its table.
OPSADMIN_FUNCTION(opsadmin_take_turn) {
  const int64 tenant = PG_GETARG_INT64(0);
  const int32 targets[] = {0, PG_GETARG_INT32(1)};
  const double milliseconds = Max(PG_GETARG_FLOAT8(2), 0.0);
  SpinLockAcquire(&turns->lock);
  for (int i = 0; i < 2; i++) {
    Turn* oldest;
    Turn* turn = FindTurn(tenant, targets[i], &oldest);
    if (turn == nullptr) {
      turn = oldest;
      *turn = {MyDatabaseId, targets[i], tenant, 0};
    }
    const double start = Max(turn->end, turns->started[i]);
    turns->started[i] = start;
    turn->end = start + milliseconds;
  }
  SpinLockRelease(&turns->lock);
  PG_RETURN_VOID();
}

}  // namespace opsadmin
