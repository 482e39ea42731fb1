// The two non-template halves of the boundary: take an exception apart, and raise what is left of it.
#include <new>

#include "boundary.h"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace opsadmin::detail {

namespace {

template <size_t size>
void Copy(char (&to)[size], const char* from) noexcept {
  strlcpy(to, from, size);
}

// Cuts what Copy() may have left in the middle of a multibyte character.
char* Clipped(char (&text)[1024]) {
  const int length = static_cast<int>(strlen(text));
  return pnstrdup(text, pg_mbcliplen(text, length, length));
}

}  // namespace

void Capture(Failure* failure) noexcept {
  try {
    throw;
  } catch (const ServerError& e) {
    failure->server = e.data();
  } catch (const Error& e) {
    Copy(failure->sqlstate, e.sqlstate());
    Copy(failure->message, e.what());
    Copy(failure->detail, e.detail().c_str());
    Copy(failure->hint, e.hint().c_str());
  } catch (const std::bad_alloc&) {
    Copy(failure->sqlstate, "53200");
    Copy(failure->message, "out of memory");
  } catch (const std::exception& e) {
    Copy(failure->sqlstate, "XX000");
    Copy(failure->message, e.what());
  } catch (...) {
    Copy(failure->sqlstate, "XX000");
    Copy(failure->message, "an exception of unknown type");
  }
}

void Raise(Failure* failure) {
  if (failure->server != nullptr) ReThrowError(failure->server);
  const char* s = failure->sqlstate;
  ereport(ERROR,
          (errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])), errmsg_internal("%s", Clipped(failure->message)),
           failure->detail[0] != '\0' ? errdetail_internal("%s", Clipped(failure->detail)) : 0,
           failure->hint[0] != '\0' ? errhint("%s", Clipped(failure->hint)) : 0));
  pg_unreachable();
}

}  // namespace opsadmin::detail
