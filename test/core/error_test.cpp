// The table of error codes: well-formed, without duplicates, with a status that HTTP knows as an error.
#include <algorithm>
#include <set>

#include "check.h"

using opsadmin::error_codes;
using test::Check;

int main() {
  std::set<std::string_view> codes, conditions;
  for (const auto& code : error_codes) {
    codes.insert(code.sqlstate);
    conditions.insert(code.condition);
  }
  Check(codes.size() == error_codes.size(), "each SQLSTATE stands once");
  Check(conditions.size() == error_codes.size(), "each condition stands once");
  Check(std::ranges::all_of(error_codes,
                            [](const auto& code) {
                              return code.sqlstate.size() == 5 && code.sqlstate.starts_with("OA") &&
                                     code.sqlstate.find_first_not_of("0123456789", 2) == std::string_view::npos;
                            }),
        "each SQLSTATE is OA and three digits");
  Check(std::ranges::all_of(error_codes,
                            [](const auto& code) { return code.http_status >= 400 && code.http_status <= 599; }),
        "each HTTP status is one of an error");
  Check(std::ranges::none_of(error_codes, [](const auto& code) { return code.title.empty(); }),
        "each code has a title");
  Check(std::ranges::is_sorted(error_codes, {}, &opsadmin::ErrorCode::sqlstate), "the table is sorted by SQLSTATE");

  const opsadmin::Error error("OA109", "message", "Detail.", "Hint.");
  Check(error.what() == std::string("message") && error.detail() == "Detail." && error.hint() == "Hint.",
        "an Error keeps its message, detail and hint");
  return test::Finish();
}
