// Fails in every way that the boundary knows, at the bottom of C++ frames that own objects, and tells
// how many of those objects are still alive.
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../../extension/boundary/boundary.h"
#include "../../extension/pg/compat.h"

extern "C" {
#include "executor/spi.h"
#include "utils/builtins.h"
PG_MODULE_MAGIC;
}

namespace {

using opsadmin::Boundary;
using opsadmin::Error;
using opsadmin::PgCall;
using opsadmin::PgSubtransaction;
using opsadmin::ServerError;

int64 live_objects = 0;

// An object that owns memory, so that a skipped destructor shows as a live object and as a leak.
class Live {
 public:
  Live() { live_objects++; }
  ~Live() { live_objects--; }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

 private:
  std::string ballast_ = std::string(1000, 'x');
};

void RaiseServerError() {
  ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg("a server error"), errdetail("The detail of the server."),
                  errhint("The hint of the server."), errcontext("the context of the server")));
}

// Writes a row, then fails: what a subtransaction must undo.
void FailInSql() {
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  if (SPI_execute("INSERT INTO boundary_log VALUES ('written before the error')", false, 0) != SPI_OK_INSERT)
    elog(ERROR, "INSERT failed");
  (void)SPI_execute("SELECT 1 / 0", false, 0);
  SPI_finish();
}

// Runs the server call bare, in a subtransaction, or in one whose error is swallowed.
void CallServer(std::string_view where, void (*call)()) {
  if (where == "bare") {
    PgCall([call] { call(); });
  } else if (where == "subtransaction") {
    PgSubtransaction([call] { call(); });
  } else {
    try {
      PgSubtransaction([call] { call(); });
    } catch (const ServerError&) {
    }
  }
}

void Fail(std::string_view how, std::string_view where) {
  const Live at_the_bottom;
  if (how == "runtime_error") throw std::runtime_error("a runtime error");
  if (how == "bad_alloc") throw std::bad_alloc();
  if (how == "int") throw 42;
  if (how == "error") throw Error("OA420", "an error of opsadmin", "The detail of opsadmin.", "The hint of opsadmin.");
  if (how == "long") throw Error("OA420", std::string(2000, 'm'), std::string(1022, 'd') + "비밀");
  if (how == "server") CallServer(where, RaiseServerError);
  if (how == "sql") CallServer(where, FailInSql);
}

void Descend(int depth, std::string_view how, std::string_view where) {
  const Live in_each_frame;
  if (depth > 0)
    Descend(depth - 1, how, where);
  else
    Fail(how, where);
}

}  // namespace

// boundary_fail(how, where, depth) fails below depth frames; true when it came back.
OPSADMIN_FUNCTION(opsadmin_boundary_fail) {
  const text* how = PG_GETARG_TEXT_PP(0);
  const text* where = PG_GETARG_TEXT_PP(1);
  const int depth = PG_GETARG_INT32(2);
  return Boundary([how, where, depth]() -> Datum {
    const Live in_the_body;
    Descend(depth, std::string(VARDATA_ANY(how), VARSIZE_ANY_EXHDR(how)),
            std::string(VARDATA_ANY(where), VARSIZE_ANY_EXHDR(where)));
    return BoolGetDatum(true);
  });
}

// boundary_swallow(rounds) swallows that many server errors in one call. Their texts stay in the current
// memory context, FreeErrorData() leaves some of them behind: hence a context for each round.
OPSADMIN_FUNCTION(opsadmin_boundary_swallow) {
  const int rounds = PG_GETARG_INT32(0);
  return Boundary([rounds]() -> Datum {
    const MemoryContext round = PgCall(
        [] { return AllocSetContextCreate(CurrentMemoryContext, "opsadmin swallowed errors", ALLOCSET_SMALL_SIZES); });
    const MemoryContext caller = MemoryContextSwitchTo(round);
    for (int i = 0; i < rounds; i++) {
      Descend(3, "server", "swallowed");
      MemoryContextReset(round);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(round);
    return BoolGetDatum(true);
  });
}

// boundary_live_objects() returns the number of objects whose destructors have not run.
OPSADMIN_FUNCTION(opsadmin_boundary_live_objects) {
  PG_RETURN_INT64(live_objects);
}

// boundary_resident_bytes() returns the memory that is this process's own: shared buffers do not count.
OPSADMIN_FUNCTION(opsadmin_boundary_resident_bytes) {
  long total = 0, resident = 0, shared = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr || fscanf(file, "%ld %ld %ld", &total, &resident, &shared) != 3)
    elog(ERROR, "/proc/self/statm is unreadable");
  fclose(file);
  PG_RETURN_INT64((resident - shared) * sysconf(_SC_PAGESIZE));
}
