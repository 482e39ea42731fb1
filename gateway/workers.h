// The threads that answer requests, behind a queue with a bound: what does not fit is refused by the caller.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "connection.h"

namespace opsadmin {

class Workers {
 public:
  using Serve = std::function<void(std::unique_ptr<Connection>)>;

  Workers(std::size_t threads, std::size_t queue_limit, Serve serve);
  ~Workers();

  // Queues a connection; false, leaving it with the caller, when the queue is full or closed.
  bool push(std::unique_ptr<Connection>& connection);

  // Takes nothing more and waits for what was taken; false when that lasts too long.
  bool finish(Clock::time_point deadline);

 private:
  void run();

  const std::size_t queue_limit_;
  Serve serve_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::deque<std::unique_ptr<Connection>> queue_;
  std::size_t busy_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace opsadmin
