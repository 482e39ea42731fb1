// Errors as RFC 9457 problem details: the one table from SQLSTATE to HTTP and the one place that shapes the JSON.
// Nothing of the server's own texts passes through here unless the code is one of opsadmin's.
#include "problem.h"

#include <nlohmann/json.hpp>

namespace opsadmin {
namespace {

struct OwnError {
  std::string_view code;
  int status;
  const char* title;
};

constexpr OwnError own_errors[] = {
#define OPSADMIN_ERROR(code, condition, status, title) {code, status, title},
#include "../extension/core/errors.def"
#undef OPSADMIN_ERROR
};

// SQLSTATEs that are not ours, by prefix; the first match counts. Where none of our codes says what happened,
// the SQLSTATE itself is the code.
struct ForeignError {
  std::string_view prefix;
  std::string_view own;
  int status;
  const char* title;
};

constexpr ForeignError foreign_errors[] = {
    {"08", "OA105", 0, nullptr},
    {"22", "OA108", 0, nullptr},
    {"23", "", 409, "the change conflicts with other data"},
    {"25P03", "OA110", 0, nullptr},
    {"40", "", 503, "the request collided with another one"},
    {"42501", "OA403", 0, nullptr},
    {"53", "", 503, "the database is short of resources"},
    {"54", "OA108", 0, nullptr},
    {"55P03", "", 503, "the data is locked by another transaction"},
    {"57014", "OA110", 0, nullptr},
    {"57P", "OA105", 0, nullptr},
    {"P0001", "", 422, "the database refused the change"},
};

const OwnError* find_own(std::string_view code) {
  for (const auto& row : own_errors)
    if (row.code == code) return &row;
  return nullptr;
}

// Whoever gets a 503 is told when to come back.
void add_retry_after(Problem& problem) {
  if (problem.status == 503) problem.headers.emplace_back("Retry-After", "1");
}

}  // namespace

Problem make_problem(std::string_view code, std::string detail) {
  const OwnError* row = find_own(code);
  if (row == nullptr) row = find_own("OA109");
  Problem problem;
  problem.status = row->status;
  problem.code = row->code;
  problem.title = row->title;
  problem.detail = std::move(detail);
  add_retry_after(problem);
  return problem;
}

Problem bad_parameter(std::string pointer, std::string detail) {
  Problem problem = make_problem("OA108");
  problem.errors.push_back({std::move(pointer), std::move(detail)});
  return problem;
}

Problem make_problem(const PgError& error) {
  Problem problem;
  if (find_own(error.sqlstate) != nullptr) {
    problem = make_problem(error.sqlstate, error.message);
    if (!error.detail.empty()) problem.detail += ". " + error.detail;
    problem.hint = error.hint;
    if (error.column.starts_with('/')) problem.errors.push_back({error.column, error.message});
  } else {
    problem = make_problem("OA109");
    for (const auto& row : foreign_errors) {
      if (!error.sqlstate.starts_with(row.prefix)) continue;
      if (!row.own.empty()) {
        problem = make_problem(row.own);
      } else {
        problem.status = row.status;
        problem.code = error.sqlstate;
        problem.title = row.title;
        add_retry_after(problem);
      }
      break;
    }
  }
  problem.sqlstate = error.sqlstate;
  return problem;
}

Reply to_reply(const Problem& problem, const std::string& request_id) {
  nlohmann::ordered_json body;
  body["type"] = "/problems/" + problem.code;
  body["title"] = problem.title;
  body["status"] = problem.status;
  if (!problem.detail.empty()) body["detail"] = problem.detail;
  if (!problem.hint.empty()) body["hint"] = problem.hint;
  body["code"] = problem.code;
  body["instance"] = request_id;
  if (!problem.errors.empty()) {
    auto& errors = body["errors"];
    for (const auto& error : problem.errors) errors.push_back({{"pointer", error.pointer}, {"detail", error.detail}});
  }
  Reply reply;
  reply.status = problem.status;
  reply.headers = problem.headers;
  reply.set("Content-Type", "application/problem+json");
  reply.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  reply.sqlstate = problem.sqlstate;
  return reply;
}

}  // namespace opsadmin
