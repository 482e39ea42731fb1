// One client's socket: collects the head without blocking, then serves the HTTP library as its stream with a
// deadline for the whole body, and sends the answer without blocking. It does not judge what it carries.
#pragma once

#include <httplib.h>

#include <chrono>
#include <string>

namespace opsadmin {

using Clock = std::chrono::steady_clock;

class Connection final : public httplib::Stream {
 public:
  explicit Connection(int fd);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // What a look at the socket found: a head is ready also when it is broken or too large to go on.
  enum class Arrival { nothing, partial, ready, closed };

  Arrival look() const;             // at what was read before
  Arrival receive();                // reads what is there, without waiting
  std::string_view target() const;  // of a head that is ready; nobody has judged it
  std::string take_head();
  bool await_input(std::size_t size, Clock::time_point deadline);  // what follows the head
  bool discard();  // throws away what is there; false at the end of the stream

  // Begins a request: the library reads this head, then what follows on the socket, until the deadline and at most so
  // many bytes: what it skips between chunks has no bound of its own.
  void begin(std::string head, Clock::time_point deadline, std::size_t budget);
  bool send();  // what was written and can be sent without waiting; false when that failed
  bool sending() const { return sent_ < output_.size(); }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* ptr, size_t size) override;
  ssize_t write(const char* ptr, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  int socket() const override { return fd_; }

  const std::string& peer() const { return peer_; }

  int requests = 0;
  // Kept by the reception.
  Clock::time_point expires;
  Clock::time_point waits_since{};
  bool draining = false;

 private:
  bool wait_for_input(Clock::time_point deadline) const;

  int fd_;
  std::string peer_;
  std::string head_;   // for the library
  std::string input_;  // from the socket
  std::string output_;
  std::size_t sent_ = 0;
  Clock::time_point deadline_;
  std::size_t budget_ = 0;
};

}  // namespace opsadmin
