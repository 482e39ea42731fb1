// The routes of the HTTP interface as data.
#include "routes.h"

#include <algorithm>

#include "problem.h"
#include "text.h"

namespace opsadmin {
namespace {

// A table, whose rows begin with method and path.
// clang-format off
const std::vector<Route> routes = {
    {"POST", "/session", Caller::anybody, false, Answer::signed_in,
     {"sign_in",
      "SELECT outcome, session_token, json_build_object('expires_at', expires_at), retry_after "
      "FROM opsadmin.sign_in($1, $2, $3)"},
     {{Source::member, "email", Type::text, true}, {Source::member, "password", Type::text, true}, {Source::ip}}},

    {"DELETE", "/session", Caller::token_owner, false, Answer::signed_out,
     {"sign_out", "SELECT opsadmin.sign_out($1)"},
     {{Source::session}}},

    {"PUT", "/session/tenant", Caller::session, false, Answer::json,
     {"choose_tenant", "SELECT opsadmin.choose_tenant($1, $2)"},
     {{Source::member, "tenant"}, {Source::member, "reason"}}},

    {"POST", "/invitation", Caller::anybody, false, Answer::nothing,
     {"accept_invitation", "SELECT opsadmin.accept_invitation($1, $2)"},
     {{Source::member, "token", Type::text, true}, {Source::member, "password", Type::text, true}}},

    {"GET", "/me", Caller::session, true, Answer::json_and_csrf, {"me", "SELECT opsadmin.me()"}, {}},

    {"GET", "/resources", Caller::session, true, Answer::json,
     {"list_resources", "SELECT opsadmin.list_resources()"},
     {}},

    {"GET", "/resources/{resource}/rows", Caller::session, true, Answer::versioned,
     {"list_rows", "SELECT opsadmin.list_rows($1, $2, $3, $4, $5, $6)"},
     {{Source::path, "resource"},
      {Source::query, "filter", Type::json},
      {Source::query, "search"},
      {Source::query, "sort"},
      {Source::query, "cursor"},
      {Source::query, "page_size", Type::integer}}},

    {"GET", "/resources/{resource}/count", Caller::session, true, Answer::json,
     {"count_rows", "SELECT opsadmin.count_rows($1, $2, $3)"},
     {{Source::path, "resource"}, {Source::query, "filter", Type::json}, {Source::query, "search"}}},

    {"POST", "/actions/{action}/run", Caller::session, false, Answer::job,
     {"run_action",
      "SELECT opsadmin.run_action($1, ($2::jsonb) -> 'params', ($2::jsonb) -> 'selection', ($2::jsonb) ->> 'token')"},
     {{Source::path, "action"},
      {Source::body},
      {Source::part, "params", Type::object, true},
      {Source::part, "selection", Type::object, true},
      {Source::part, "token"}}},

    {"GET", "/jobs", Caller::session, true, Answer::json,
     {"list_jobs", "SELECT opsadmin.list_jobs($1, $2)"},
     {{Source::query, "cursor"}, {Source::query, "page_size", Type::integer}}},

    {"GET", "/jobs/{id}", Caller::session, true, Answer::versioned,
     {"get_job", "SELECT opsadmin.get_job($1)"},
     {{Source::path, "id", Type::bigint}}},

    {"POST", "/jobs/{id}/pause", Caller::session, false, Answer::nothing,
     {"pause_job", "SELECT opsadmin.pause_job($1)"},
     {{Source::path, "id", Type::bigint}}},

    {"POST", "/jobs/{id}/resume", Caller::session, false, Answer::nothing,
     {"resume_job", "SELECT opsadmin.resume_job($1)"},
     {{Source::path, "id", Type::bigint}}},

    {"POST", "/jobs/{id}/cancel", Caller::session, false, Answer::nothing,
     {"cancel_job", "SELECT opsadmin.cancel_job($1)"},
     {{Source::path, "id", Type::bigint}}},

    {"POST", "/jobs/{id}/retry", Caller::session, false, Answer::nothing,
     {"retry_job", "SELECT opsadmin.retry_job($1)"},
     {{Source::path, "id", Type::bigint}}},

    {"GET", "/jobs/{id}/errors", Caller::session, true, Answer::versioned,
     {"list_job_errors", "SELECT opsadmin.list_job_errors($1, $2, $3)"},
     {{Source::path, "id", Type::bigint}, {Source::query, "cursor"}, {Source::query, "page_size", Type::integer}}},

    {"GET", "/resources/{resource}/rows/{key}/history", Caller::session, true, Answer::versioned,
     {"row_history", "SELECT opsadmin.row_history($1, to_jsonb($2::text), $3, $4)"},
     {{Source::path, "resource"},
      {Source::path, "key"},
      {Source::query, "cursor"},
      {Source::query, "page_size", Type::integer}}},

    {"GET", "/resources/{resource}/rows/{key}/as-of", Caller::session, true, Answer::json,
     {"row_as_of", "SELECT opsadmin.row_as_of($1, to_jsonb($2::text), $3)"},
     {{Source::path, "resource"}, {Source::path, "key"}, {Source::query, "at", Type::moment, true}}},

    {"GET", "/audit", Caller::session, true, Answer::versioned,
     {"list_audit", "SELECT opsadmin.list_audit($1, $2, $3)"},
     {{Source::query, "filter", Type::json},
      {Source::query, "cursor"},
      {Source::query, "page_size", Type::integer}}},

    {"GET", "/requests", Caller::session, true, Answer::json,
     {"list_requests", "SELECT opsadmin.list_requests($1, $2, $3)"},
     {{Source::query, "filter", Type::json},
      {Source::query, "cursor"},
      {Source::query, "page_size", Type::integer}}},

    {"GET", "/audit/histogram", Caller::session, true, Answer::json,
     {"audit_histogram", "SELECT opsadmin.audit_histogram($1, $2)"},
     {{Source::query, "filter", Type::json}, {Source::query, "buckets", Type::integer}}},

    {"GET", "/kpi", Caller::session, true, Answer::json,
     {"kpi_summary", "SELECT opsadmin.kpi_summary($1, $2, $3, coalesce($4, 'day'))"},
     {{Source::query, "first_day", Type::date},
      {Source::query, "last_day", Type::date},
      {Source::query, "tenant"},
      {Source::query, "by"}}},

    {"GET", "/kpi/{kpi}/series", Caller::session, true, Answer::json,
     {"kpi_series",
      "SELECT json_build_object('rows', json_agg(json_build_object('day', day, 'value', value::text, 'final', final, "
      "'as_of', as_of) ORDER BY day)) FROM opsadmin.kpi_series($1, $2, $3, $4, coalesce($5, 'day'))"},
     {{Source::path, "kpi"},
      {Source::query, "first_day", Type::date, true},
      {Source::query, "last_day", Type::date, true},
      {Source::query, "tenant"},
      {Source::query, "by"}}},

    {"GET", "/kpi/{kpi}/ranking", Caller::session, true, Answer::json,
     {"kpi_ranking", "SELECT opsadmin.kpi_ranking($1, $2, $3, coalesce($4, 20))"},
     {{Source::path, "kpi"},
      {Source::query, "first_day", Type::date, true},
      {Source::query, "last_day", Type::date, true},
      {Source::query, "page_size", Type::integer}}},

    {"GET", "/findings", Caller::session, true, Answer::json,
     {"list_findings", "SELECT opsadmin.list_findings()"},
     {}},
};
// clang-format on

constexpr std::string_view api_prefix = "/api/v1/";

// The values of the pattern's {names} when the path fits.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  const auto wanted = split(pattern, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> values;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      auto value = percent_decode(given[i], false);
      if (!value || value->empty()) return std::nullopt;
      values.push_back(std::move(*value));
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return values;
}

}  // namespace

Match find_route(const Request& request) {
  const auto site = site_of(request.path);
  if (!site || !request.path.starts_with(api_prefix)) throw make_problem("OA102");
  const auto site_end = api_prefix.size() + std::string_view(site_path(*site)).size();
  const auto path = std::string_view(request.path).substr(site_end);
  const auto method = request.method == "HEAD" ? std::string("GET") : request.method;
  std::string allowed;
  for (const auto& route : routes) {
    auto values = match(route.pattern, path);
    if (!values) continue;
    if (route.method == method) return {&route, *site, std::move(*values)};
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (allowed.ends_with("GET")) allowed += ", HEAD";
  }
  if (allowed.empty()) throw make_problem("OA102");
  Problem problem = make_problem("OA103");
  problem.headers.emplace_back("Allow", allowed);
  throw problem;
}

std::optional<Site> site_of(std::string_view path) {
  path.remove_prefix(path.starts_with(api_prefix) ? api_prefix.size() : std::min<std::size_t>(1, path.size()));
  const auto first = path.substr(0, path.find('/'));
  for (const Site site : {Site::internal, Site::partner})
    if (first == site_path(site)) return site;
  return std::nullopt;
}

const char* site_path(Site site) {
  return site == Site::internal ? "admin" : "partner";
}

const char* site_name(Site site) {
  return site == Site::internal ? "internal" : "partner";
}

}  // namespace opsadmin
