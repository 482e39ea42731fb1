// The only place where C++ exceptions and PostgreSQL errors meet; docs/develop/error-boundary.md
// explains the rules. Entry door: Boundary(). Exit doors: PgCall() and PgSubtransaction().
//
// Rules that the compiler cannot check: a lambda given to an exit door holds no object with a
// destructor; between a throw and the Boundary() that catches it there is no guard to skip, because
// every server call that can raise goes through an exit door.
#pragma once

#include <exception>
#include <type_traits>

#include "../core/error.h"

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"
}

#include "../pg/subtransaction.h"

namespace opsadmin {

// A PostgreSQL error on its way through C++ frames, with all its fields.
class ServerError : public std::exception {
 public:
  explicit ServerError(ErrorData* data) noexcept : data_(data) {}
  const char* what() const noexcept override { return data_->message ? data_->message : "server error"; }
  ErrorData* data() const noexcept { return data_; }

 private:
  ErrorData* data_;  // lives in the memory context that was current at the exit door
};

namespace detail {

// What is left of an exception after its catch block: plain memory, so that raising it skips nothing.
struct Failure {
  ErrorData* server = nullptr;
  char sqlstate[6] = "";
  char message[1024] = "";
  char detail[1024] = "";
  char hint[1024] = "";
};

// Copies the exception that is being handled into failure; called inside a catch block only.
void Capture(Failure* failure) noexcept;
// Raises the failure as a PostgreSQL error. No C++ object of the failed call is alive any more.
[[noreturn]] void Raise(Failure* failure);

}  // namespace detail

// Runs the body of a SQL-callable function. Every exception becomes a PostgreSQL error: Error with its
// own code, ServerError as it was, bad_alloc as out_of_memory, anything else as internal_error.
template <typename Body>
Datum Boundary(Body body) {
  static_assert(std::is_trivially_destructible_v<Body>,
                "raising the error would skip the destructor of a captured object");
  const MemoryContext caller = CurrentMemoryContext;
  detail::Failure failure;
  try {
    return body();
  } catch (...) {
    detail::Capture(&failure);
  }
  MemoryContextSwitchTo(caller);
  detail::Raise(&failure);
}

// Calls server code that may raise an error from C++ code that has destructors to run; throws
// ServerError. The error must reach Boundary(): only an error that ran in PgSubtransaction() may be
// swallowed.
template <typename Call>
auto PgCall(Call call) {
  static_assert(std::is_trivially_destructible_v<Call>, "a longjmp would skip the destructor of a captured object");
  using Result = decltype(call());
  constexpr bool returns_nothing = std::is_void_v<Result>;
  const MemoryContext caller = CurrentMemoryContext;
  ErrorData* volatile error = nullptr;
  std::conditional_t<returns_nothing, char, Result> volatile result{};
  PG_TRY();
  {
    if constexpr (returns_nothing)
      call();
    else
      result = call();
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    error = CopyErrorData();
    FlushErrorState();
  }
  PG_END_TRY();
  if (error != nullptr) throw ServerError(error);
  if constexpr (!returns_nothing) return static_cast<Result>(result);
}

// As PgCall(), inside an internal subtransaction that is rolled back on an error; the caller may then
// swallow the ServerError and go on.
template <typename Call>
auto PgSubtransaction(Call call) {
  using Result = decltype(call());
  constexpr bool returns_nothing = std::is_void_v<Result>;
  std::conditional_t<returns_nothing, char, Result> result{};
  ErrorData* error = PgCall([&] {
    return InSubtransaction([&] {
      if constexpr (returns_nothing)
        call();
      else
        result = call();
    });
  });
  if (error != nullptr) throw ServerError(error);
  if constexpr (!returns_nothing) return result;
}

}  // namespace opsadmin
