// Holds the connections that wait: for a request's head, for a client to take its answer, or to take notice that we
// are done. One thread watches them all, so that neither an idle nor a slow client keeps a worker busy.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "connection.h"

namespace opsadmin {

class Reception {
 public:
  using Ready = std::function<void(std::unique_ptr<Connection>)>;

  // Calls `ready` with each connection whose head has arrived.
  explicit Reception(Ready ready);
  ~Reception();

  // Takes a connection, new or back from a worker, which may have left a part of the answer to be sent.
  void add(std::unique_ptr<Connection> connection);

  // Takes a connection that had its last answer, and closes it once the client is done: to close it at once would
  // reset it when part of a request is unread, and that can destroy the answer.
  void drain(std::unique_ptr<Connection> connection);

  // Closes what waits and takes nothing any more.
  void stop();

 private:
  void run();
  void watch(std::unique_ptr<Connection> connection);
  void look_at(int fd);
  void sweep();

  Ready ready_;
  int epoll_;
  std::mutex mutex_;
  std::map<int, std::unique_ptr<Connection>> waiting_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace opsadmin
