// Remembers which sessions were seen lately.
#include "presence.h"

#include "text.h"

namespace opsadmin {
namespace {

constexpr auto interval = std::chrono::minutes(5);
constexpr std::size_t many = 10'000;

}  // namespace

bool Presence::due(const std::string& session_token) {
  auto key = sha256(session_token);
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (told_.size() > many) std::erase_if(told_, [now](const auto& item) { return item.second + interval < now; });
  const auto [item, is_new] = told_.try_emplace(std::move(key), now);
  if (!is_new && item->second + interval > now) return false;
  item->second = now;
  return true;
}

}  // namespace opsadmin
