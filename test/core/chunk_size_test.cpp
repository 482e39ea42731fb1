// The size of the next chunk.
#include "../../extension/core/chunk_size.h"

#include "check.h"

using opsadmin::NextChunkRows;
using test::Check;

int main() {
  Check(NextChunkRows(2000, 50, 100, false, 10000) == 4000, "twice as fast: twice as many");
  Check(NextChunkRows(2000, 1, 100, false, 10000) == 4000, "at most twice");
  Check(NextChunkRows(2000, 0, 100, false, 10000) == 4000, "a clock that stands still");
  Check(NextChunkRows(2000, -5, 100, false, 10000) == 4000, "a clock that was set back");
  Check(NextChunkRows(2000, 125, 100, false, 10000) == 1600, "slower: fewer");
  Check(NextChunkRows(2000, 5000, 100, false, 10000) == 1000, "at least half");
  Check(NextChunkRows(2000, 10, 100, true, 10000) == 1000, "others waited: half, however fast it was");
  Check(NextChunkRows(2000, 500, 100, true, 10000) == 1000, "and not less than half");
  Check(NextChunkRows(9000, 10, 100, false, 10000) == 10000, "never above the limit");
  Check(NextChunkRows(60, 5000, 100, true, 10000) == 50, "never below the least");
  Check(NextChunkRows(20, 5000, 100, true, 10) == 10, "unless the limit is");
  return test::Finish();
}
