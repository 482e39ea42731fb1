// One request to PostgreSQL as one pipelined flight: BEGIN, begin_request, one call, COMMIT. It leaves the
// connection outside of a transaction or marks it as broken, whatever happens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pool.h"

namespace opsadmin {

using Value = std::optional<std::string>;
using Values = std::vector<Value>;

// A statement with a name of its own, prepared on each connection at its first use.
struct Statement {
  const char* name;
  const char* sql;
};

struct Flight {
  bool read_only = true;
  std::optional<Values> context;  // the arguments of begin_request
  Statement call{};
  Values arguments;
};

// The connection broke before the whole answer was there.
struct ConnectionLost {
  bool timed_out;
  bool outcome_unknown;  // the transaction may have been committed
};

// Returns the fields of the call's first row. Throws PgError or ConnectionLost.
Values fly(PgConnection& connection, const Flight& flight);

}  // namespace opsadmin
