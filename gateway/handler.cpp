// The one handler of all routes.
#include "handler.h"

#include "access_log.h"
#include "conditional.h"
#include "parameters.h"
#include "problem.h"
#include "session.h"
#include "text.h"

namespace opsadmin {
namespace {

constexpr const char* json_type = "application/json";

void require_json(const Request& request) {
  const auto type = request.header("content-type");
  if (!equal_ignoring_case(trim(type.substr(0, type.find(';'))), json_type)) throw make_problem("OA107");
}

// The answer to a sign-in that failed; sign_in() returns it as a row, so that it can commit what it counted.
[[noreturn]] void refuse_sign_in(const std::string& outcome, const Value& retry_after) {
  if (outcome != "throttled") throw make_problem("OA011");
  Problem problem = make_problem("OA012");
  problem.headers.emplace_back("Retry-After", retry_after.value_or("60"));
  throw problem;
}

}  // namespace

Api::Api(const Options& options)
    : partner_domain_(options.partner_domain),
      behind_tls_(options.behind_tls),
      internal_(options.dsn, Site::internal, static_cast<std::size_t>(options.pool)),
      partner_(options.dsn, Site::partner, static_cast<std::size_t>(options.pool)) {}

Reply Api::handle(const Request& request) {
  const Match match = find_route(request);
  const auto token = session_of(request, match.site);
  try {
    return handle(request, match, token);
  } catch (Problem& problem) {
    // A cookie that opens nothing any more is taken back.
    if (problem.code == "OA010" && request.has_header("cookie"))
      problem.headers.emplace_back("Set-Cookie", cleared_cookie(match.site, behind_tls_));
    // The session is good: whoever is shut out by the tenant's suspension can sign out.
    if (problem.code == "OA412") problem.headers.emplace_back(csrf_header, csrf_token(token));
    throw;
  }
}

Reply Api::handle(const Request& request, const Match& match, const std::string& token) {
  const Route& route = *match.route;
  if (!request.safe()) require_same_origin(request, behind_tls_);
  if (route.caller != Caller::anybody) {
    if (token.empty()) throw make_problem("OA010");
    if (!request.safe()) require_csrf_token(request, token);
  }
  if (request.has_body) require_json(request);

  Flight flight;
  flight.read_only = route.read_only;
  flight.call = route.statement;
  flight.arguments = take_parameters(route, {request, match.path_values, token});
  if (route.caller == Caller::session)
    flight.context =
        Values{token, tenant_of(request, match.site), request.ip, request.method, request.path, request.id};
  Reply reply = shape(request, match, token, run(match.site, flight));
  if (flight.context && presence_.due(token))
    reply.afterwards = [this, site = match.site, token] { touch(site, token); };
  return reply;
}

Values Api::run(Site site, const Flight& flight) {
  Pool& pool = site == Site::internal ? internal_ : partner_;
  for (bool retried = false;; retried = true) {
    const auto lease = pool.acquire();
    try {
      return fly(*lease, flight);
    } catch (const PgError& error) {
      throw make_problem(error);
    } catch (const ConnectionLost& lost) {
      pool.close_idle();
      if (flight.read_only && !lost.timed_out && !retried) continue;
      throw make_problem(lost.timed_out ? "OA110" : "OA105",
                         lost.outcome_unknown ? "the connection to the database broke while the change was being "
                                                "committed: look whether it happened before trying again"
                                              : "");
    }
  }
}

Reply Api::shape(const Request& request, const Match& match, const std::string& token, Values row) {
  if (row.empty()) throw make_problem("OA109");
  Reply reply;
  switch (match.route->answer) {
    case Answer::nothing:
      reply.status = 204;
      return reply;
    case Answer::signed_out:
      reply.status = 204;
      reply.set("Set-Cookie", cleared_cookie(match.site, behind_tls_));
      return reply;
    case Answer::signed_in:
      if (row.size() != 4 || row[0] != "ok" || !row[1] || !row[2])
        refuse_sign_in(row[0].value_or(""), row.size() == 4 ? row[3] : Value());
      reply.set("Set-Cookie", session_cookie(*row[1], match.site, behind_tls_));
      reply.set(csrf_header, csrf_token(*row[1]));
      reply.body = std::move(*row[2]);
      break;
    case Answer::job:
      reply.status = 202;
      reply.set("Location", std::string("/api/v1/") + site_path(match.site) + "/jobs/" + row[0].value_or(""));
      reply.body = "{\"job_id\":\"" + row[0].value_or("") + "\"}";
      break;
    case Answer::json_and_csrf:
      reply.set(csrf_header, csrf_token(token));
      [[fallthrough]];
    case Answer::json:
    case Answer::versioned:
      if (!row[0]) throw make_problem("OA109");
      reply.body = std::move(*row[0]);
  }
  reply.set("Content-Type", json_type);
  if (match.route->answer == Answer::versioned) apply_entity_tag(request, entity_tag(reply.body), reply);
  return reply;
}

// Tells the database that a session is in use. When that fails, a later request will say it.
void Api::touch(Site site, const std::string& token) noexcept {
  Flight flight;
  flight.read_only = false;
  flight.call = {"touch_session", "SELECT opsadmin.touch_session($1)"};
  flight.arguments = {token};
  try {
    run(site, flight);
  } catch (const Problem& problem) {
    log_event("touch_session_failed", problem.title);
  }
}

std::string Api::session_of(const Request& request, Site site) const {
  return session_token(request, site, behind_tls_);
}

// The tenant that the host name states: never on the internal site, where the session chooses.
Value Api::tenant_of(const Request& request, Site site) const {
  if (site != Site::partner || partner_domain_.empty()) return std::nullopt;
  const auto host = lower(request.header("host"));
  auto name = std::string_view(host).substr(0, host.rfind(':'));
  if (name.ends_with('.')) name.remove_suffix(1);  // the same name, fully qualified
  const auto suffix = "." + partner_domain_;
  if (!name.ends_with(suffix)) return std::nullopt;
  return std::string(name.substr(0, name.size() - suffix.size()));
}

}  // namespace opsadmin
