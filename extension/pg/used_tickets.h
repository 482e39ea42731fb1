// The tickets that were used lately, in shared memory, so that each is good for once in the whole server.
#pragma once

#include <cstddef>

namespace opsadmin {

// Notes that a ticket is used in this database. Returns NULL the first time, or in a few words why not.
// Times are in seconds since 1970.
const char* UseTicket(const char* id, size_t id_length, double issued_at, double expires_at, double now);
// The present time as tickets count it.
double TicketClock();

void RequestUsedTicketsMemory();
void InitializeUsedTicketsMemory();

}  // namespace opsadmin
