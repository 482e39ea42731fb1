// Tells the database which requests were answered, so that they can be looked up there. It never delays an answer: it
// has a thread and connections of its own, and what its bounded queue cannot hold, or the database does not take, is
// lost, and the log says so.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "flight.h"
#include "message.h"
#include "options.h"
#include "pool.h"

namespace opsadmin {

// The arguments of opsadmin.record_request().
struct RequestRecord {
  Site site;
  std::string session_token;
  Value tenant;
  std::string ip;
  std::string method;
  std::string path;
  std::string request_id;
  std::string action;
  int status;
  std::string code;
  std::chrono::nanoseconds duration;
};

class RequestLog {
 public:
  explicit RequestLog(const Options& options);
  ~RequestLog();  // writes what is queued, unless the database fails

  // Tells whether a request that was answered like this is recorded.
  bool wants(const Request& request, int status) const;
  void push(RequestRecord record) noexcept;

 private:
  void run();
  bool write(const RequestRecord& record) noexcept;
  void fly_with_own(const RequestRecord& record);

  const RecordRequests wanted_;
  Pool internal_;
  Pool partner_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<RequestRecord> queue_;
  bool closed_ = false;
  std::size_t lost_ = 0;
  std::thread thread_;
};

}  // namespace opsadmin
