// Sends each request to the part that answers it, and turns whatever is thrown into an answer.
#include "gateway.h"

#include "access_log.h"
#include "health.h"
#include "problem.h"

namespace opsadmin {

Reply Gateway::dispatch(const Request& request) {
  if (request.path.starts_with("/api/")) return api_.handle(request);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && request.path == "/healthz") return alive();
  if (reads && request.path == "/readyz") return ready(api_);
  return files_.handle(request);
}

Reply Gateway::handle(const Request& request) noexcept {
  try {
    return dispatch(request);
  } catch (const Problem& problem) {
    return to_reply(problem, request.id);
  } catch (const std::exception& error) {
    log_event("internal_error", request.id + ": " + error.what());
    return to_reply(make_problem("OA109"), request.id);
  }
}

}  // namespace opsadmin
