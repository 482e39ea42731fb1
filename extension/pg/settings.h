// opsadmin's settings (GUCs), alphabetical; settings.cpp defines them.
#pragma once

namespace opsadmin {

// opsadmin.key_file: the signing key's file; relative to the data directory. Superusers only.
extern char* key_file;

void DefineSettings();

}  // namespace opsadmin
