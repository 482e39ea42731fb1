// opsadmin's settings (GUCs), alphabetical; settings.cpp defines them.
#pragma once

namespace opsadmin {

// opsadmin.guard: what happens to a change of the schema that takes a protection away. Superusers set it.
enum class Guard : int { off, warn, refuse };
extern int guard;

// opsadmin.key_file: the signing key's file; relative to the data directory. Superusers only.
extern char* key_file;
// opsadmin.ticket_slots: how many used tickets are remembered. Fixed when the server starts.
extern int ticket_slots;

void DefineSettings();

}  // namespace opsadmin
