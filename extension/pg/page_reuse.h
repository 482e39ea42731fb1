// Gives the space of the row versions that a job has replaced to its next ones.
#pragma once

namespace opsadmin {

void InitializePageReuse();
// Notes the pages that the next statement changes rows of.
void NotePagesOfNextStatement();
// Takes that back when nothing was executed.
void StopNotingPages();

}  // namespace opsadmin
