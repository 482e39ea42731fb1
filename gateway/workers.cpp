// The threads that answer requests, behind a queue with a bound.
#include "workers.h"

namespace opsadmin {

Workers::Workers(std::size_t threads, std::size_t queue_limit, Serve serve)
    : queue_limit_(queue_limit), serve_(std::move(serve)) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool Workers::push(std::unique_ptr<Connection>& connection) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() >= queue_limit_) return false;
    queue_.push_back(std::move(connection));
  }
  wake_.notify_one();
  return true;
}

bool Workers::finish(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  wake_.notify_all();
  return done_.wait_until(lock, deadline, [this] { return queue_.empty() && busy_ == 0; });
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto connection = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    serve_(std::move(connection));
    lock.lock();
    --busy_;
    done_.notify_all();
  }
}

}  // namespace opsadmin
