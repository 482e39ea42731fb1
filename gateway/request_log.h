// Tells the database which requests were answered, so that they can be looked up there. It never delays an answer: what
// its bounded queue cannot hold, or the database does not take, is lost, and the log says so.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "flight.h"
#include "message.h"
#include "options.h"

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
  // Throws Problem when the record was not written.
  using Write = std::function<void(Site, const Flight&)>;

  RequestLog(RecordRequests wanted, Write write);
  ~RequestLog();  // writes what is queued, unless the database fails

  // Tells whether a request that was answered like this is recorded.
  bool wants(const Request& request, int status) const;
  void push(RequestRecord record) noexcept;

 private:
  void run();
  bool write(const RequestRecord& record) noexcept;

  const RecordRequests wanted_;
  Write write_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<RequestRecord> queue_;
  bool closed_ = false;
  std::size_t lost_ = 0;
  std::thread thread_;
};

}  // namespace opsadmin
