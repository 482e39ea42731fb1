// The hooks into PostgreSQL's executor and utility statements.
#pragma once

namespace opsadmin {

void InstallHooks();

}  // namespace opsadmin
