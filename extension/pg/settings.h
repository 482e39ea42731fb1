// opsadmin's settings (GUCs), alphabetical; settings.cpp defines them.
#pragma once

namespace opsadmin {

// opsadmin.audit_on_error: whether a change that cannot be recorded fails, or is let through with an alarm.
enum class AuditOnError : int { fail, warn };
extern int audit_on_error;

// opsadmin.guard: what happens to a change of the schema that takes a protection away. Superusers set it.
enum class Guard : int { off, warn, refuse };
extern int guard;

// opsadmin.job_chunk_rows: how many rows a chunk of a job has at most. Superusers set it.
extern int job_chunk_rows;
// opsadmin.job_lock_budget: how many milliseconds a chunk should keep its locks. Superusers set it.
extern int job_lock_budget;

// opsadmin.key_file: the signing key's file; relative to the data directory. Superusers only.
extern char* key_file;
// opsadmin.ticket_slots: how many used tickets are remembered. Fixed when the server starts.
extern int ticket_slots;

void DefineSettings();

}  // namespace opsadmin
