// Gives the space of the row versions that a job has replaced to its next ones.
#pragma once

namespace opsadmin {

void InitializePageReuse();
// Notes the pages that the next statement changes rows of, until the (sub)transaction's statement has ended.
void NotePagesOfNextStatement();
void StopNotingPages();

}  // namespace opsadmin
