// Takes a route's parameters out of path, query and body, and refuses what does not parse or is not known.
#include "parameters.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "problem.h"
#include "text.h"

namespace opsadmin {
namespace {

using Json = nlohmann::json;

constexpr int max_depth = 32;

struct TooDeep {};

// Parses JSON of a bounded depth; discarded when it is malformed.
Json parse_json(std::string_view text) {
  const auto check_depth = [](int depth, Json::parse_event_t, Json&) {
    if (depth > max_depth) throw TooDeep();
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check_depth, false);
  } catch (const TooDeep&) {
    return Json(Json::value_t::discarded);
  }
}

Json parse_body(const std::string& body) {
  if (!valid_utf8(body)) throw make_problem("OA108", "the body is not valid UTF-8");
  Json json = parse_json(body);
  if (json.is_discarded()) throw make_problem("OA100");
  if (!json.is_object()) throw make_problem("OA100", "the body must be an object");
  return json;
}

std::map<std::string, std::string> parse_query(std::string_view query) {
  std::map<std::string, std::string> values;
  if (query.empty()) return values;
  for (const auto pair : split(query, '&')) {
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) throw make_problem("OA108", "the query is malformed");
    if (!values.emplace(*name, std::move(*value)).second) throw bad_parameter("/" + *name, "given more than once");
  }
  return values;
}

template <typename Number>
bool is_number(std::string_view text) {
  Number value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  int year = 0;
  unsigned month = 0, day = 0;
  const char* start = text.data();
  if (std::from_chars(start, start + 4, year).ptr != start + 4 ||
      std::from_chars(start + 5, start + 7, month).ptr != start + 7 ||
      std::from_chars(start + 8, start + 10, day).ptr != start + 10)
    return false;
  return year > 0 &&
         std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)).ok();
}

// A moment as RFC 3339 has it, such as 2026-01-31T12:00:00.5Z.
bool is_moment(std::string_view text) {
  static constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= form.size() || !is_date(text.substr(0, 10))) return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 10; i < form.size(); ++i)
    if (form[i] == 'd' ? !digit(text[i]) : text[i] != form[i]) return false;
  auto rest = text.substr(form.size());
  if (rest.starts_with('.')) {
    const auto digits = rest.find_first_not_of("0123456789", 1);
    if (digits == 1 || digits == std::string_view::npos || digits > 7) return false;
    rest.remove_prefix(digits);
  }
  if (text.substr(11, 2) > "23" || text.substr(14, 2) > "59" || text.substr(17, 2) > "59") return false;
  if (rest == "Z") return true;
  return rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && digit(rest[1]) && digit(rest[2]) && rest[3] == ':' &&
         digit(rest[4]) && digit(rest[5]) && rest.substr(1, 2) <= "15" && rest.substr(4, 2) <= "59";
}

void check_text(const Parameter& parameter, const std::string& value) {
  const auto refuse = [&parameter](const char* what) { throw bad_parameter(std::string("/") + parameter.name, what); };
  switch (parameter.type) {
    case Type::integer:
      if (!is_number<std::int32_t>(value)) refuse("must be an integer");
      break;
    case Type::bigint:
      if (!is_number<std::int64_t>(value)) refuse("must be an integer");
      break;
    case Type::date:
      if (!is_date(value)) refuse("must be a date like 2026-01-31");
      break;
    case Type::moment:
      if (!is_moment(value)) refuse("must be a moment like 2026-01-31T12:00:00Z");
      break;
    case Type::json:
      if (parse_json(value).is_discarded()) refuse("must be valid JSON");
      break;
    case Type::text:
    case Type::object:
      break;
  }
}

// Returns a member of the body as text, or nothing where it is absent or null.
Value take_member(const Parameter& parameter, const Json& body) {
  const auto pointer = std::string("/") + parameter.name;
  const auto found = body.find(parameter.name);
  if (found == body.end() || found->is_null()) {
    if (parameter.required) throw bad_parameter(pointer, "is missing");
    return std::nullopt;
  }
  if (parameter.type == Type::object) {
    if (!found->is_object()) throw bad_parameter(pointer, "must be an object");
    return std::nullopt;
  }
  if (!found->is_string()) throw bad_parameter(pointer, "must be text");
  auto text = found->get<std::string>();
  if (text.find('\0') != std::string::npos) throw bad_parameter(pointer, "must not hold NUL");
  return text;
}

template <typename Names>
void refuse_unknown(const Route& route, std::initializer_list<Source> sources, const Names& names) {
  for (const auto& [name, value] : names) {
    // clang 14 captures no structured binding by itself.
    const auto is_this = [&sources, &name = name](const Parameter& parameter) {
      return std::find(sources.begin(), sources.end(), parameter.source) != sources.end() && parameter.name == name;
    };
    if (std::none_of(route.parameters.begin(), route.parameters.end(), is_this))
      throw bad_parameter("/" + name, "is not known here");
  }
}

}  // namespace

Values take_parameters(const Route& route, const Origin& origin) {
  const auto query = parse_query(origin.request.query);
  refuse_unknown(route, {Source::query}, query);

  const auto in_body = [](const Parameter& parameter) {
    return parameter.source == Source::member || parameter.source == Source::body;
  };
  const bool wants_body = std::any_of(route.parameters.begin(), route.parameters.end(), in_body);
  const std::string text = wants_body || origin.request.has_body ? origin.request.read_body() : std::string();
  const Json body = wants_body || !text.empty() ? parse_body(text) : Json::object();
  refuse_unknown(route, {Source::member, Source::part}, body.items());

  Values values;
  auto path_value = origin.path_values.begin();
  for (const auto& parameter : route.parameters) {
    switch (parameter.source) {
      case Source::session:
        values.emplace_back(origin.session_token);
        break;
      case Source::ip:
        values.emplace_back(origin.request.ip);
        break;
      case Source::path:
        check_text(parameter, *path_value);
        values.emplace_back(*path_value++);
        break;
      case Source::query:
        if (const auto found = query.find(parameter.name); found == query.end()) {
          if (parameter.required) throw bad_parameter(std::string("/") + parameter.name, "is missing");
          values.emplace_back();
        } else {
          check_text(parameter, found->second);
          values.emplace_back(found->second);
        }
        break;
      case Source::member:
        values.push_back(take_member(parameter, body));
        break;
      case Source::body:
        values.emplace_back(text);
        break;
      case Source::part:
        take_member(parameter, body);
        break;
    }
  }
  return values;
}

}  // namespace opsadmin
