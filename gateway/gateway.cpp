// Sends each request to the part that answers it, and turns whatever is thrown into an answer.
#include "gateway.h"

#include <chrono>
#include <optional>

#include "access_log.h"
#include "health.h"
#include "metrics.h"
#include "problem.h"

namespace opsadmin {

Gateway::Gateway(const Options& options) : api_(options), requests_(options), files_(options.web) {}

Reply Gateway::dispatch(const Request& request) {
  if (request.path.starts_with("/api/")) return api_.handle(request);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && request.path == "/healthz") return alive();
  if (reads && request.path == "/readyz") return ready(api_);
  if (reads && request.path == "/metrics") return metrics(request, api_, answers_);
  return files_.handle(request);
}

// The code is that of the answer's problem, when it is one.
Reply Gateway::answer(const Request& request, std::string& code) noexcept {
  try {
    return dispatch(request);
  } catch (const Problem& problem) {
    code = problem.code;
    return to_reply(problem, request.id);
  } catch (const std::exception& error) {
    log_event("internal_error", request.id + ": " + error.what());
    code = "OA109";
    return to_reply(make_problem("OA109"), request.id);
  }
}

Reply Gateway::handle(const Request& request) noexcept {
  const auto start = std::chrono::steady_clock::now();
  std::string code;
  Reply reply = answer(request, code);
  answers_.add(reply.status);
  if (request.path.starts_with("/api/")) {
    try {
      record(request, reply, code, std::chrono::steady_clock::now() - start);
    } catch (const std::exception& error) {
      log_event("record_request_failed", request.id + ": " + error.what());
    }
  }
  return reply;
}

// Has a request that reached a route recorded, once it was answered.
void Gateway::record(const Request& request, Reply& reply, const std::string& code, std::chrono::nanoseconds duration) {
  if (!requests_.wants(request, reply.status)) return;
  std::optional<Match> match;
  try {
    match = find_route(request);
  } catch (const Problem&) {
    return;
  }
  RequestRecord record{match->site,
                       api_.session_of(request, match->site),
                       api_.tenant_of(request, match->site),
                       request.ip,
                       request.method,
                       request.path,
                       request.id,
                       match->route->statement.name,
                       reply.status,
                       code,
                       duration};
  reply.afterwards = [this, record = std::move(record), before = std::move(reply.afterwards)] {
    requests_.push(record);
    if (before) before();
  };
}

}  // namespace opsadmin
