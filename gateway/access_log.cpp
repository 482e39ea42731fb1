// What the gateway says on stderr: one line of JSON for each request and for each event of its life.
#include "access_log.h"

#include <unistd.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "routes.h"

namespace opsadmin {
namespace {

std::string now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  std::tm parts{};
  gmtime_r(&time.tv_sec, &parts);
  char text[32];
  const auto size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof(text) - size, ".%03dZ", static_cast<int>(time.tv_nsec / 1'000'000));
  return text;
}

// One write for each line, so that lines of several threads do not mix.
void write_line(const nlohmann::ordered_json& line) {
  const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

void log_access(const AccessEntry& entry) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(entry.duration).count();
  nlohmann::ordered_json line{
      {"time", now()},          {"request_id", entry.request_id},
      {"method", entry.method}, {"path", entry.path},
      {"status", entry.status}, {"ms", std::round(static_cast<double>(microseconds) / 100) / 10}};
  const auto site = site_of(entry.path);
  line["site"] = site ? nlohmann::ordered_json(site_name(*site)) : nlohmann::ordered_json();
  if (!entry.sqlstate.empty()) line["sqlstate"] = entry.sqlstate;
  write_line(line);
}

void log_event(const std::string& event, const std::string& detail) {
  write_line({{"time", now()}, {"event", event}, {"detail", detail}});
}

}  // namespace opsadmin
