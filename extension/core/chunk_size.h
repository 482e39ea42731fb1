// How many rows a chunk of a job has, so that nobody waits long for its locks.
#pragma once

namespace opsadmin {

// The chunk a job begins with, and the smallest one.
inline constexpr int first_chunk_rows = 2000;
inline constexpr int least_chunk_rows = 50;

// The next chunk's rows after one of `rows` rows took so many milliseconds, for a budget in milliseconds. It at most
// doubles or halves. others_waited: somebody was waiting for the chunk's locks. Never above `most`; at least
// least_chunk_rows, or `most` if that is less.
int NextChunkRows(int rows, double milliseconds, double budget, bool others_waited, int most);

}  // namespace opsadmin
