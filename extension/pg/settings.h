// opsadmin's settings (GUCs), alphabetical; settings.cpp defines them.
#pragma once

namespace opsadmin {

// opsadmin.key_file: the signing key's file; relative to the data directory. Superusers only.
extern char* key_file;
// opsadmin.ticket_slots: how many used tickets are remembered. Fixed when the server starts.
extern int ticket_slots;

void DefineSettings();

}  // namespace opsadmin
