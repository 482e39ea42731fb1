// Sends each request to the part that answers it, and turns whatever is thrown into an answer.
#pragma once

#include "handler.h"
#include "message.h"
#include "metrics.h"
#include "options.h"
#include "request_log.h"
#include "static_files.h"

namespace opsadmin {

class Gateway {
 public:
  explicit Gateway(const Options& options);

  Reply handle(const Request& request) noexcept;

 private:
  Reply dispatch(const Request& request);
  Reply answer(const Request& request, std::string& code) noexcept;
  void record(const Request& request, Reply& reply, const std::string& code, std::chrono::nanoseconds duration);

  Api api_;
  AnswerCounts answers_;
  RequestLog requests_;
  StaticFiles files_;
};

}  // namespace opsadmin
