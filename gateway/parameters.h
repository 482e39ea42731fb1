// Takes a route's parameters out of path, query and body, and refuses what does not parse or is not known: a
// misspelt filter must not show everything. Whether a value makes sense is for the database to say.
#pragma once

#include <string>
#include <vector>

#include "flight.h"
#include "routes.h"

namespace opsadmin {

// What the parameters are taken from, beside the request itself.
struct Origin {
  const Request& request;
  const std::vector<std::string>& path_values;
  const std::string& session_token;
};

// Reads the body if the route has one. Throws Problem.
Values take_parameters(const Route& route, const Origin& origin);

}  // namespace opsadmin
