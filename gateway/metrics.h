// Figures for a monitoring system, in Prometheus' text format: the gateway's own, and those of the database.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "handler.h"
#include "message.h"

namespace opsadmin {

// Answers by the first digit of their status.
class AnswerCounts {
 public:
  void add(int status) noexcept;
  std::uint64_t of(std::size_t digit) const noexcept { return counts_.at(digit); }

 private:
  std::array<std::atomic<std::uint64_t>, 6> counts_{};
};

// Throws Problem for a request that came through the proxy: the figures are for whoever asks the gateway itself.
Reply metrics(const Request& request, Api& api, const AnswerCounts& answers);

}  // namespace opsadmin
