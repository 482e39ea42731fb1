// Remembers used tickets until they have expired: a hash table tells whether one is there, a ring in the order
// of use tells which may be forgotten. Whatever might have been used before the memory began is refused.
#include "compat.h"
#include "settings.h"
#include "used_tickets.h"

#include "../core/ticket.h"

#include <unistd.h>

extern "C" {
#include "access/xlog.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "datatype/timestamp.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
}

namespace opsadmin {

// What the hash table holds: nothing but its key.
struct UsedTicket {
  Oid database;
  uint8 id_hash[16];
};

struct RingSlot {
  UsedTicket ticket;
  double expires_at;
};

struct Ring {
  double began_at;         // tickets from before may have been used, too
  double forgotten_until;  // the latest expiry of a forgotten ticket: the clock may have been set back since
  bool on_standby;         // the memory began on a standby, which has not been promoted as far as we know
  int32 first;
  int32 count;
  RingSlot slots[FLEXIBLE_ARRAY_MEMBER];
};

static constexpr const char* lock_name = "opsadmin tickets";
static LWLock* lock = nullptr;
static HTAB* used = nullptr;
static Ring* ring = nullptr;

static Size RingSize() {
  return add_size(offsetof(Ring, slots), mul_size(sizeof(RingSlot), ticket_slots));
}

double TicketClock() {
  constexpr double epoch = static_cast<double>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
  return static_cast<double>(GetCurrentTimestamp()) / USECS_PER_SEC + epoch;
}

void RequestUsedTicketsMemory() {
  RequestNamedLWLockTranche(lock_name, 1);
  RequestAddinShmemSpace(add_size(RingSize(), hash_estimate_size(ticket_slots, sizeof(UsedTicket))));
}

// Also runs when the server starts anew after a crash; its memory is then empty again.
void InitializeUsedTicketsMemory() {
  bool found;
  lock = &GetNamedLWLockTranche(lock_name)->lock;
  ring = static_cast<Ring*>(ShmemInitStruct("opsadmin used tickets", RingSize(), &found));
  if (!found) {
    memset(ring, 0, offsetof(Ring, slots));
    ring->began_at = TicketClock();
    ring->on_standby = access(STANDBY_SIGNAL_FILE, F_OK) == 0;
  }
  HASHCTL control = {};
  control.keysize = sizeof(UsedTicket);
  control.entrysize = sizeof(UsedTicket);
  used = ShmemInitHash("opsadmin used ticket hash", ticket_slots, ticket_slots, &control,
                       HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

static void HashId(const char* id, size_t length, uint8 (&hash)[16]) {
  uint8 digest[PG_SHA256_DIGEST_LENGTH];
  pg_cryptohash_ctx* context = pg_cryptohash_create(PG_SHA256);
  const bool done = context != nullptr && pg_cryptohash_init(context) == 0 &&
                    pg_cryptohash_update(context, reinterpret_cast<const uint8*>(id), length) == 0 &&
                    pg_cryptohash_final(context, digest, sizeof digest) == 0;
  if (context != nullptr) pg_cryptohash_free(context);
  if (!done) elog(ERROR, "SHA-256 failed");
  memcpy(hash, digest, sizeof hash);
}

static void ForgetExpired(double now) {
  while (ring->count > 0 && ring->slots[ring->first].expires_at <= now) {
    const RingSlot* slot = &ring->slots[ring->first];
    (void)hash_search(used, &slot->ticket, HASH_REMOVE, nullptr);
    if (slot->expires_at > ring->forgotten_until) ring->forgotten_until = slot->expires_at;
    ring->first = (ring->first + 1) % ticket_slots;
    ring->count--;
  }
}

const char* UseTicket(const char* id, size_t id_length, double issued_at, double expires_at, double now) {
  // What was used on the primary is not known here.
  if (RecoveryInProgress()) return "this server is a standby";
  RingSlot slot = {};
  slot.ticket.database = MyDatabaseId;
  slot.expires_at = expires_at;
  HashId(id, id_length, slot.ticket.id_hash);

  LWLockAcquire(lock, LW_EXCLUSIVE);
  const char* refusal = nullptr;
  if (ring->on_standby) {
    ring->on_standby = false;
    ring->began_at = now;
  }
  ForgetExpired(now);
  // A ticket that was used before the memory began may have been issued by a clock that was ahead.
  if (issued_at <= ring->began_at + max_clock_skew) {
    refusal = "it was issued before the server started, or less than 5 seconds after";
  } else if (expires_at <= ring->forgotten_until) {
    refusal = "the clock was set back, so that it may have been used";
  } else if (hash_search(used, &slot.ticket, HASH_FIND, nullptr) != nullptr) {
    refusal = "it was used before";
  } else if (ring->count == ticket_slots || hash_search(used, &slot.ticket, HASH_ENTER_NULL, nullptr) == nullptr) {
    refusal = "opsadmin.ticket_slots are all taken";
  } else {
    ring->slots[(ring->first + ring->count) % ticket_slots] = slot;
    ring->count++;
  }
  LWLockRelease(lock);
  return refusal;
}

}  // namespace opsadmin
