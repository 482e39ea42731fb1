// Holds the connections that wait: for a request's head, for a client to take its answer, or to take notice that we
// are done.
#include "reception.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace opsadmin {
namespace {

constexpr std::size_t max_connections = 512;
constexpr auto idle_time = std::chrono::seconds(60);
constexpr auto head_time = std::chrono::seconds(10);
constexpr auto send_time = std::chrono::seconds(10);
constexpr auto drain_time = std::chrono::seconds(2);
constexpr int sweep_interval_ms = 250;

}  // namespace

Reception::Reception(Ready ready) : ready_(std::move(ready)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::runtime_error("cannot create an epoll instance");
  thread_ = std::thread([this] { run(); });
}

Reception::~Reception() {
  stop();
  thread_.join();
  ::close(epoll_);
}

void Reception::add(std::unique_ptr<Connection> connection) {
  if (!connection->sending() && connection->look() == Connection::Arrival::ready) {
    ready_(std::move(connection));
    return;
  }
  const std::lock_guard lock(mutex_);
  connection->expires = Clock::now() + (connection->sending() ? send_time : idle_time);
  watch(std::move(connection));
}

void Reception::drain(std::unique_ptr<Connection> connection) {
  if (!connection->sending()) ::shutdown(connection->socket(), SHUT_WR);
  connection->draining = true;
  connection->expires = Clock::now() + (connection->sending() ? send_time : drain_time);
  const std::lock_guard lock(mutex_);
  watch(std::move(connection));
}

void Reception::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  waiting_.clear();
}

// Called with the lock held. When there are too many, the one that has waited longest has to go: whoever opens
// many and says nothing loses them, and nobody is kept out.
void Reception::watch(std::unique_ptr<Connection> connection) {
  if (stopped_) return;
  if (waiting_.size() >= max_connections)
    waiting_.erase(std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) {
      return a.second->waits_since < b.second->waits_since;
    }));
  connection->waits_since = Clock::now();
  const int fd = connection->socket();
  epoll_event event{};
  event.events = connection->sending() ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) waiting_[fd] = std::move(connection);
}

void Reception::run() {
  epoll_event events[64];
  for (;;) {
    const int count = epoll_wait(epoll_, events, std::size(events), sweep_interval_ms);
    for (int i = 0; i < count; ++i) look_at(events[i].data.fd);
    sweep();
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
  }
}

void Reception::look_at(int fd) {
  std::unique_lock lock(mutex_);
  const auto found = waiting_.find(fd);
  if (found == waiting_.end()) return;
  Connection& connection = *found->second;
  const auto take = [&] {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    auto taken = std::move(found->second);
    waiting_.erase(found);
    lock.unlock();
    return taken;
  };
  if (connection.sending()) {
    if (!connection.send())
      waiting_.erase(found);
    else if (!connection.sending())
      connection.draining ? drain(take()) : add(take());
    return;
  }
  if (connection.draining) {
    if (!connection.discard()) waiting_.erase(found);
    return;
  }
  const bool was_idle = connection.look() == Connection::Arrival::nothing;
  switch (connection.receive()) {
    case Connection::Arrival::nothing:
      break;
    case Connection::Arrival::partial:
      if (was_idle) connection.expires = Clock::now() + head_time;
      break;
    case Connection::Arrival::closed:
      waiting_.erase(found);
      break;
    case Connection::Arrival::ready:
      ready_(take());
      break;
  }
}

void Reception::sweep() {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [now](const auto& item) { return item.second->expires <= now; });
}

}  // namespace opsadmin
