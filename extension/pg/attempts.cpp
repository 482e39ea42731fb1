// Counts attempts to sign in by person, whatever becomes of their transactions. The table is of fixed size: persons
// whose hashes meet in a slot share its count, which can only throttle too early.
#include "compat.h"
#include "attempts.h"

extern "C" {
#include "common/hashfn.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
}

namespace opsadmin {

static constexpr int attempt_slots = 4096;
static constexpr int64 attempt_window = 15 * 60 * USECS_PER_SEC;

struct AttemptSlot {
  TimestampTz began;
  int32 count;
};

struct Attempts {
  slock_t lock;
  AttemptSlot slots[attempt_slots];
};

static Attempts* attempts = nullptr;

void RequestAttemptsMemory() {
  RequestAddinShmemSpace(sizeof(Attempts));
}

void InitializeAttemptsMemory() {
  bool found;
  attempts = static_cast<Attempts*>(ShmemInitStruct("opsadmin sign-in attempts", sizeof(Attempts), &found));
  if (found) return;
  memset(attempts, 0, sizeof(Attempts));
  SpinLockInit(&attempts->lock);
}

static AttemptSlot* SlotOf(const text* person) {
  const uint64 hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(VARDATA_ANY(person)),
                                          VARSIZE_ANY_EXHDR(person), MyDatabaseId);
  return &attempts->slots[hash % attempt_slots];
}

// count_attempt(person) counts an attempt and returns how many there were in this quarter of an hour.
OPSADMIN_FUNCTION(opsadmin_count_attempt) {
  AttemptSlot* slot = SlotOf(PG_GETARG_TEXT_PP(0));
  const TimestampTz now = GetCurrentTimestamp();
  SpinLockAcquire(&attempts->lock);
  if (now < slot->began || now - slot->began > attempt_window) *slot = {now, 0};
  const int32 count = ++slot->count;
  SpinLockRelease(&attempts->lock);
  PG_RETURN_INT32(count);
}

// forget_attempts(person): who has signed in has guessed nothing.
OPSADMIN_FUNCTION(opsadmin_forget_attempts) {
  AttemptSlot* slot = SlotOf(PG_GETARG_TEXT_PP(0));
  SpinLockAcquire(&attempts->lock);
  slot->count = 0;
  SpinLockRelease(&attempts->lock);
  PG_RETURN_VOID();
}

}  // namespace opsadmin
