// The little that unit tests of the core need: each Check() is one line of TAP.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "../../extension/core/error.h"

namespace test {

inline int checks = 0;
inline int failures = 0;

inline void Check(bool passed, const char* name) {
  std::printf("%sok %d - %s\n", passed ? "" : "not ", ++checks, name);
  if (!passed) failures++;
}

// Returns the Error that the call throws, if it throws one.
template <typename Call>
std::optional<opsadmin::Error> ErrorOf(Call call) {
  try {
    call();
  } catch (const opsadmin::Error& error) {
    return error;
  }
  return std::nullopt;
}

// Prints the plan; what main() returns.
inline int Finish() {
  std::printf("1..%d\n", checks);
  return failures > 0;
}

}  // namespace test
