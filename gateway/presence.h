// Remembers which sessions were seen lately, so that the database is told once in some minutes and not with each
// request. To lose this memory costs nothing but a few more calls.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

namespace opsadmin {

class Presence {
 public:
  // Whether the database should hear of this session again; the caller then tells it.
  bool due(const std::string& session_token);

 private:
  using Clock = std::chrono::steady_clock;

  std::mutex mutex_;
  std::unordered_map<std::string, Clock::time_point> told_;  // by the token's hash
};

}  // namespace opsadmin
