// The routes of the HTTP interface as data: what is called for which method and path, with which parameters, and
// how the answer is shaped. One handler runs them all.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flight.h"
#include "message.h"

namespace opsadmin {

enum class Source {
  session,  // the session's token
  ip,       // the client's address
  path,     // a {name} of the pattern
  query,
  member,  // a member of the body
  body,    // the whole body, taken apart in SQL so that no number is rewritten on the way
  part     // a member of such a body: its type is checked here, but it is no argument
};

enum class Type { text, integer, bigint, date, moment, json, object };

struct Parameter {
  Source source;
  const char* name = "";
  Type type = Type::text;
  bool required = false;
};

enum class Caller {
  anybody,      // no session yet
  token_owner,  // a session, which the statement itself takes
  session       // a session, bound by begin_request
};

enum class Answer {
  json,           // the first field, untouched
  json_and_csrf,  // and the token that unsafe requests need
  versioned,      // and an ETag
  signed_in,
  signed_out,
  nothing,
  job  // the first field is a job's id
};

struct Route {
  const char* method;
  const char* pattern;
  Caller caller;
  bool read_only;
  Answer answer;
  Statement statement;
  std::vector<Parameter> parameters;
};

struct Match {
  const Route* route;
  Site site;
  std::vector<std::string> path_values;  // decoded, in the order of the pattern
};

// Finds the route of a request below /api/; throws Problem when there is none, or none for this method.
Match find_route(const Request& request);

// The site that a path belongs to.
std::optional<Site> site_of(std::string_view path);

// A site's name in paths, and elsewhere.
const char* site_path(Site site);
const char* site_name(Site site);

}  // namespace opsadmin
