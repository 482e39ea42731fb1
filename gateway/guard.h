// Judges a request's head before any of its body is read and before the HTTP library sees it: cpp-httplib 0.11
// accepts contradicting lengths, skips broken lines, percent-decodes header values and lets a header pose as the
// client's address. The library is then handed a head that says nothing but the method and the body's length.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "message.h"

namespace opsadmin {

constexpr std::size_t max_head_size = 16 * 1024;
constexpr std::size_t max_body_size = 1024 * 1024;

struct Head {
  std::string method;
  std::string path;
  std::string query;
  HeaderList headers;  // names in lower case
  std::size_t length = 0;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return chunked || length > 0; }
};

// Reads a head that ends with an empty line; throws Problem.
Head read_head(std::string_view raw);

// The head that the HTTP library gets instead of the client's.
std::string forwarded_head(const Head& head);

}  // namespace opsadmin
