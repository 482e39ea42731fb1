// One client's socket: collects the head without blocking, then serves the HTTP library as its stream.
#include "connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "guard.h"

namespace opsadmin {
namespace {

// Users of a unix socket are on this machine.
std::string peer_address(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    if (address.ss_family == AF_INET)
      inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&address)->sin_addr, text, sizeof(text));
    else if (address.ss_family == AF_INET6)
      inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr, text, sizeof(text));
  }
  const std::string_view peer(text);
  if (peer.empty()) return "127.0.0.1";
  constexpr std::string_view mapped = "::ffff:";
  return std::string(peer.starts_with(mapped) ? peer.substr(mapped.size()) : peer);
}

}  // namespace

Connection::Connection(int fd) : fd_(fd), peer_(peer_address(fd)) {}

Connection::~Connection() {
  ::close(fd_);
}

Connection::Arrival Connection::look() const {
  if (input_.empty()) return Arrival::nothing;
  for (auto at = input_.find('\n'); at != std::string::npos; at = input_.find('\n', at + 1)) {
    const bool line_ends_well = at > 0 && input_[at - 1] == '\r';
    const bool head_ends = at >= 3 && input_.compare(at - 3, 4, "\r\n\r\n") == 0;
    if (head_ends || !line_ends_well) return Arrival::ready;
  }
  return input_.size() > max_head_size ? Arrival::ready : Arrival::partial;
}

Connection::Arrival Connection::receive() {
  char buffer[16 * 1024];
  const auto size = ::recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? look() : Arrival::closed;
  if (size == 0) return Arrival::closed;
  input_.append(buffer, static_cast<std::size_t>(size));
  return look();
}

std::string_view Connection::target() const {
  const auto line = std::string_view(input_).substr(0, input_.find('\r'));
  return line.substr(std::min(line.size(), line.find(' ') + 1));
}

std::string Connection::take_head() {
  const auto end = input_.find("\r\n\r\n");
  std::string head = input_.substr(0, end == std::string::npos ? end : end + 4);
  input_.erase(0, head.size());
  return head;
}

bool Connection::await_input(std::size_t size, Clock::time_point deadline) {
  while (input_.size() < size)
    if (!wait_for_input(deadline) || receive() == Arrival::closed) return false;
  return true;
}

bool Connection::discard() {
  char buffer[16 * 1024];
  input_.clear();
  for (;;) {
    const auto size = ::recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (size == 0) return false;
    if (size < 0) return errno == EAGAIN || errno == EINTR;
  }
}

void Connection::begin(std::string head, Clock::time_point deadline, std::size_t budget) {
  head_ = std::move(head);
  deadline_ = deadline;
  budget_ = head_.size() + budget;
  ++requests;
}

bool Connection::wait_for_input(Clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd item{fd_, POLLIN, 0};
    const int count = ::poll(&item, 1, static_cast<int>(left));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

ssize_t Connection::read(char* ptr, size_t size) {
  size = std::min(size, budget_);
  if (size == 0) return -1;
  std::string& source = head_.empty() ? input_ : head_;
  if (!source.empty()) {
    const auto count = std::min(size, source.size());
    budget_ -= count;
    std::memcpy(ptr, source.data(), count);
    source.erase(0, count);
    return static_cast<ssize_t>(count);
  }
  for (;;) {
    const auto count = ::recv(fd_, ptr, size, MSG_DONTWAIT);
    if (count >= 0) {
      budget_ -= static_cast<std::size_t>(count);
      return count;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !wait_for_input(deadline_)) return -1;
  }
}

ssize_t Connection::write(const char* ptr, size_t size) {
  output_.append(ptr, size);
  return static_cast<ssize_t>(size);
}

bool Connection::send() {
  while (sending()) {
    const auto count = ::send(fd_, output_.data() + sent_, output_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return errno == EAGAIN;
    if (count > 0) sent_ += static_cast<std::size_t>(count);
  }
  output_.clear();
  sent_ = 0;
  return true;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = peer_;
  port = 0;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace opsadmin
