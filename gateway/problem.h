// Errors as RFC 9457 problem details: the one table from SQLSTATE to HTTP and the one place that shapes the JSON.
// Nothing of the server's own texts passes through here unless the code is one of opsadmin's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "message.h"

namespace opsadmin {

// The fields of a server error that the gateway reads.
struct PgError {
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
  std::string column;
};

struct FieldError {
  std::string pointer;
  std::string detail;
};

// Thrown by whatever refuses a request; becomes the answer.
struct Problem {
  int status = 500;
  std::string code;
  std::string title;
  std::string detail;
  std::string hint;
  std::vector<FieldError> errors;
  HeaderList headers;
  std::string sqlstate;
};

// Makes the problem of one of opsadmin's own codes.
Problem make_problem(std::string_view code, std::string detail = {});

// Makes the problem of a request that is not well formed, pointing at the parameter that is wrong.
Problem bad_parameter(std::string pointer, std::string detail);

// Makes the problem of a server error.
Problem make_problem(const PgError& error);

Reply to_reply(const Problem& problem, const std::string& request_id);

}  // namespace opsadmin
