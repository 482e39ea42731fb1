// opsadmin's own error, as core code throws it: plain strings and one of the codes of errors.def.
// The boundary turns it into a PostgreSQL error; nothing here may include a server header.
#pragma once

#include <array>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace opsadmin {

struct ErrorCode {
  std::string_view sqlstate;
  std::string_view condition;
  int http_status;
  std::string_view title;
};

inline constexpr auto error_codes = std::to_array<ErrorCode>({
#define OPSADMIN_ERROR(sqlstate, condition, status, title) {sqlstate, #condition, status, title},
#include "errors.def"
#undef OPSADMIN_ERROR
});

namespace oa {
#define OPSADMIN_ERROR(sqlstate, condition, status, title) inline constexpr const char* condition = sqlstate;
#include "errors.def"
#undef OPSADMIN_ERROR
}  // namespace oa

// An error with an SQLSTATE of five characters. Detail and hint may be empty.
class Error : public std::exception {
 public:
  Error(const char* sqlstate, std::string message, std::string detail = {}, std::string hint = {})
      : sqlstate_(sqlstate), message_(std::move(message)), detail_(std::move(detail)), hint_(std::move(hint)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  const char* sqlstate() const noexcept { return sqlstate_; }
  const std::string& detail() const noexcept { return detail_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  const char* sqlstate_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

}  // namespace opsadmin
