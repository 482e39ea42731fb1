// Tells the database which requests were answered.
#include "request_log.h"

#include <utility>

#include "access_log.h"
#include "problem.h"

namespace opsadmin {
namespace {

constexpr std::size_t queue_limit = 1000;

Flight record_flight(const RequestRecord& record) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(record.duration).count();
  char milliseconds[32];
  std::snprintf(milliseconds, sizeof milliseconds, "%.1f", static_cast<double>(microseconds) / 1000);
  Flight flight;
  flight.read_only = false;
  flight.call = {"record_request", "SELECT opsadmin.record_request($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"};
  flight.arguments = {record.session_token,
                      record.tenant,
                      record.ip,
                      record.method,
                      record.path,
                      record.request_id,
                      record.action,
                      std::to_string(record.status),
                      record.code.empty() ? Value() : Value(record.code),
                      milliseconds};
  return flight;
}

}  // namespace

RequestLog::RequestLog(const Options& options)
    : wanted_(options.record_requests),
      internal_(options.dsn, Site::internal, 1),
      partner_(options.dsn, Site::partner, 1),
      thread_([this] { run(); }) {}

RequestLog::~RequestLog() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool RequestLog::wants(const Request& request, int status) const {
  switch (wanted_) {
    case RecordRequests::none:
      return false;
    case RecordRequests::all:
      return true;
    case RecordRequests::writes:
      break;
  }
  return !request.safe() || status == 401 || status == 403 || status == 429;
}

void RequestLog::push(RequestRecord record) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < queue_limit)
      queue_.push_back(std::move(record));
    else
      ++lost_;
  } catch (const std::exception&) {
    return;  // no memory: the record is lost, the answer is not
  }
  wake_.notify_one();
}

void RequestLog::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const auto record = std::move(queue_.front());
    queue_.pop_front();
    const auto lost = std::exchange(lost_, 0);
    lock.unlock();
    if (lost > 0) log_event("request_records_lost", std::to_string(lost));
    const bool written = write(record);
    lock.lock();
    if (!written && closed_) return;
  }
}

bool RequestLog::write(const RequestRecord& record) noexcept {
  try {
    fly_with_own(record);
    return true;
  } catch (const Problem& problem) {
    log_event("record_request_failed", record.request_id + ": " + problem.title);
  } catch (const PgError& error) {
    log_event("record_request_failed", record.request_id + ": " + error.sqlstate);
  } catch (const ConnectionLost&) {
    log_event("record_request_failed", record.request_id + ": the connection broke");
  } catch (const std::exception& error) {
    log_event("record_request_failed", record.request_id + ": " + error.what());
  }
  return false;
}

void RequestLog::fly_with_own(const RequestRecord& record) {
  const auto lease = (record.site == Site::internal ? internal_ : partner_).acquire();
  fly(*lease, record_flight(record));
}

}  // namespace opsadmin
