#include "chunk_size.h"

#include <algorithm>

namespace opsadmin {

int NextChunkRows(int rows, double milliseconds, double budget, bool others_waited, int most) {
  const double fit = milliseconds > 0 ? budget / milliseconds : 2.0;
  const double next = rows * std::clamp(others_waited ? std::min(fit, 0.5) : fit, 0.5, 2.0);
  return static_cast<int>(std::clamp<double>(next, std::min(least_chunk_rows, most), most));
}

}  // namespace opsadmin
