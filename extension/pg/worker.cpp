// Lets workers sleep on their latch and wakes those of this database when a transaction that made work
// for them commits. A lost wake-up costs one poll (the caller's time-out), never a job.
#include "compat.h"
#include "worker.h"

extern "C" {
#include "access/xact.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"
}

namespace opsadmin {

static constexpr int max_sleepers = 64;

struct Sleeper {
  Oid database;  // InvalidOid: the slot is free
  int proc;
};

struct Sleepers {
  slock_t lock;
  Sleeper slots[max_sleepers];
};

static Sleepers* sleepers = nullptr;
static bool wake_at_commit = false;
static int own_slot = -1;

static void WakeSleepers() {
  int procs[max_sleepers];
  int count = 0;
  SpinLockAcquire(&sleepers->lock);
  for (const Sleeper& sleeper : sleepers->slots)
    if (sleeper.database == MyDatabaseId) procs[count++] = sleeper.proc;
  SpinLockRelease(&sleepers->lock);
  for (int i = 0; i < count; i++)
    if (PGPROC* proc = ProcAt(procs[i]); proc != nullptr) SetLatch(&proc->procLatch);
}

static void WorkerXactCallback(XactEvent event, void*) {
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE) return;
  if (wake_at_commit && event == XACT_EVENT_COMMIT) WakeSleepers();
  wake_at_commit = false;
}

static void LeaveSlot() {
  if (own_slot < 0) return;
  SpinLockAcquire(&sleepers->lock);
  sleepers->slots[own_slot].database = InvalidOid;
  SpinLockRelease(&sleepers->lock);
  own_slot = -1;
}

static void LeaveSlotAtExit(int, Datum) {
  LeaveSlot();
}

// Takes a free slot; without one the sleeper is woken by its time-out alone.
static void EnterSlot() {
  static bool registered = false;
  if (!registered) {
    before_shmem_exit(LeaveSlotAtExit, 0);
    registered = true;
  }
  SpinLockAcquire(&sleepers->lock);
  for (int i = 0; i < max_sleepers && own_slot < 0; i++)
    if (sleepers->slots[i].database == InvalidOid) {
      sleepers->slots[i] = {MyDatabaseId, ProcIndex(MyProc)};
      own_slot = i;
    }
  SpinLockRelease(&sleepers->lock);
}

void RequestWorkerMemory() {
  RequestAddinShmemSpace(sizeof(Sleepers));
}

void InitializeWorkerMemory() {
  bool found;
  sleepers = static_cast<Sleepers*>(ShmemInitStruct("opsadmin workers", sizeof(Sleepers), &found));
  if (!found) {
    memset(sleepers, 0, sizeof(Sleepers));
    SpinLockInit(&sleepers->lock);
  }
}

void InitializeWorker() {
  RegisterXactCallback(WorkerXactCallback, nullptr);
}

// Wakes the sleeping workers of this database when (and if) this transaction commits.
OPSADMIN_FUNCTION(opsadmin_wake_workers) {
  wake_at_commit = true;
  PG_RETURN_VOID();
}

// An advisory lock of a kind that SQL cannot take, so that nobody can keep the workers away.
static LOCKTAG SlotLock(int32 slot) {
  constexpr uint16 kind = 3;  // SQL's advisory locks are of kind 1 and 2
  constexpr uint32 space = 0x6F707361;
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, space, static_cast<uint32>(slot), kind);
  return tag;
}

// lock_worker_slot(slot): takes the slot for this session; false when another session has it.
OPSADMIN_FUNCTION(opsadmin_lock_worker_slot) {
  const LOCKTAG tag = SlotLock(PG_GETARG_INT32(0));
  PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL);
}

// unlock_worker_slot(slot): gives the slot back; the end of the session does so too.
OPSADMIN_FUNCTION(opsadmin_unlock_worker_slot) {
  const LOCKTAG tag = SlotLock(PG_GETARG_INT32(0));
  (void)LockRelease(&tag, ExclusiveLock, true);
  PG_RETURN_VOID();
}

// wait_for_work(milliseconds): sleeps until woken or until the time is over. A procedure, so that it
// holds no snapshot meanwhile.
OPSADMIN_FUNCTION(opsadmin_wait_for_work) {
  const long timeout = PG_GETARG_INT32(0);
  InvalidateCatalogSnapshot();
  EnterSlot();
  PG_TRY();
  {
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
  PG_FINALLY();
  { LeaveSlot(); }
  PG_END_TRY();
  PG_RETURN_VOID();
}

}  // namespace opsadmin
