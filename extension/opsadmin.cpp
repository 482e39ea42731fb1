// The module's start: it must be in shared_preload_libraries, because its settings hold for everybody
// from the first statement on and its shared memory is made when the server starts.
#include "pg/compat.h"
#include "pg/attempts.h"
#include "pg/audit.h"
#include "pg/context.h"
#include "pg/hooks.h"
#include "pg/job.h"
#include "pg/key.h"
#include "pg/page_reuse.h"
#include "pg/settings.h"
#include "pg/statistics.h"
#include "pg/turns.h"
#include "pg/used_tickets.h"
#include "pg/worker.h"

#include "core/error.h"
#include "pg/raise.h"

extern "C" {
#include "storage/ipc.h"
#include "storage/lwlock.h"

PG_MODULE_MAGIC;
void _PG_init(void);
}

namespace opsadmin {

static shmem_request_hook_type previous_request_hook = nullptr;
static shmem_startup_hook_type previous_startup_hook = nullptr;

static void RequestMemory() {
  if (previous_request_hook != nullptr) previous_request_hook();
  RequestAuditMemory();
  RequestContextMemory();
  RequestKeyMemory();
  RequestUsedTicketsMemory();
  RequestWorkerMemory();
  RequestTurnsMemory();
  RequestAttemptsMemory();
}

static void InitializeMemory() {
  if (previous_startup_hook != nullptr) previous_startup_hook();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  InitializeAuditMemory();
  InitializeContextMemory();
  InitializeKeyMemory();
  InitializeUsedTicketsMemory();
  InitializeWorkerMemory();
  InitializeTurnsMemory();
  InitializeAttemptsMemory();
  LWLockRelease(AddinShmemInitLock);
}

}  // namespace opsadmin

void _PG_init(void) {
  if (!process_shared_preload_libraries_in_progress)
    ereport(ERROR, (opsadmin::OpsadminErrcode(opsadmin::oa::not_preloaded),
                    errmsg("opsadmin must be loaded through shared_preload_libraries"),
                    errhint("Add opsadmin to shared_preload_libraries in postgresql.conf and restart the server.")));
  opsadmin::DefineSettings();
  opsadmin::InitializeContext();
  opsadmin::InitializeWorker();
  opsadmin::InitializeJobs();
  opsadmin::InitializePageReuse();
  opsadmin::InitializeAudit();
  opsadmin::InstallHooks();
  opsadmin::InstallStatisticsHooks();
  opsadmin::previous_request_hook = shmem_request_hook;
  shmem_request_hook = opsadmin::RequestMemory;
  opsadmin::previous_startup_hook = shmem_startup_hook;
  shmem_startup_hook = opsadmin::InitializeMemory;
}
