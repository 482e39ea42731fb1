// What the gateway says on stderr: one line of JSON for each request and for each event of its life. No query
// string, header or body gets here: they may hold secrets.
#pragma once

#include <chrono>
#include <string>

namespace opsadmin {

struct AccessEntry {
  std::string request_id;
  std::string method;
  std::string path;
  int status;
  std::string sqlstate;
  std::chrono::nanoseconds duration;
};

void log_access(const AccessEntry& entry);
void log_event(const std::string& event, const std::string& detail);

}  // namespace opsadmin
