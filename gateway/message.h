// A request and a reply as the handlers see them, after the guard and independent of the HTTP library.
// Plain data: nothing here touches a socket or the database.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace opsadmin {

enum class Site { internal, partner };

// A list, not a map: order is kept and duplicates are visible.
using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string path;    // as sent, still percent-encoded
  std::string query;   // as sent, without the question mark
  HeaderList headers;  // names in lower case
  std::string ip;      // the client's address
  std::string id;      // made by the gateway for each request
  bool has_body = false;
  std::function<std::string()> read_body;  // throws Problem

  bool safe() const { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

  // Returns the first value of a header, or an empty text.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }

  bool has_header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return true;
    return false;
  }
};

struct Reply {
  int status = 200;
  HeaderList headers;
  std::string body;
  std::string sqlstate;              // for the log, when the database refused
  std::function<void()> afterwards;  // what to do once the client has the answer; must not throw

  void set(std::string name, std::string value) { headers.emplace_back(std::move(name), std::move(value)); }
};

}  // namespace opsadmin
