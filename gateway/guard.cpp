// Judges a request's head before any of its body is read and before the HTTP library sees it.
#include "guard.h"

#include <algorithm>
#include <charconv>

#include "problem.h"
#include "text.h"

namespace opsadmin {
namespace {

constexpr std::size_t max_headers = 100;
constexpr std::size_t max_target_size = 8000;
constexpr std::string_view known_methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
constexpr std::string_view forbidden_headers[] = {"remote_addr", "remote_port", "local_addr", "local_port"};

[[noreturn]] void refuse(std::string detail) {
  throw make_problem("OA108", std::move(detail));
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

bool has_encoded_break(std::string_view value) {
  for (auto at = value.find('%'); at != std::string_view::npos; at = value.find('%', at + 1)) {
    const auto code = lower(value.substr(at + 1, 2));
    if (code == "0d" || code == "0a" || code == "00") return true;
  }
  return false;
}

void read_request_line(std::string_view line, Head& head) {
  const auto parts = split(line, ' ');
  if (parts.size() != 3 || !is_token(parts[0])) refuse("the request line is malformed");
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") refuse("only HTTP/1.1 and HTTP/1.0 are spoken here");
  const auto target = parts[1];
  if (target.size() > max_target_size) refuse("the address is too long");
  if (!target.starts_with('/') ||
      !std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7F && c != '#'; }))
    refuse("the address is malformed");
  head.method = parts[0];
  head.keep_alive = parts[2] == "HTTP/1.1";
  const auto mark = target.find('?');
  head.path = target.substr(0, mark);
  if (mark != std::string_view::npos) head.query = target.substr(mark + 1);
}

void read_header(std::string_view line, Head& head) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) refuse("a header line is malformed");
  auto name = lower(line.substr(0, colon));
  const auto value = trim(line.substr(colon + 1));
  if (std::find(std::begin(forbidden_headers), std::end(forbidden_headers), name) != std::end(forbidden_headers))
    refuse("a client cannot state addresses");
  // Cookies and the address of the page may hold other people's text.
  if (name != "cookie" && name != "referer" && has_encoded_break(value)) refuse("a header holds an encoded line break");
  head.headers.emplace_back(std::move(name), value);
}

void read_length(const HeaderList& headers, Head& head) {
  int lengths = 0, encodings = 0;
  for (const auto& [name, value] : headers) {
    if (name == "content-length") {
      ++lengths;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), head.length);
      if (error != std::errc() || end != value.data() + value.size()) refuse("the length is malformed");
    } else if (name == "transfer-encoding") {
      ++encodings;
      if (!equal_ignoring_case(value, "chunked")) refuse("the transfer encoding is unknown");
      head.chunked = true;
    }
  }
  if (lengths + encodings > 1) refuse("the length is stated more than once");
  if (head.length > max_body_size) throw make_problem("OA101");
}

void read_fields(Head& head) {
  int hosts = 0;
  for (const auto& [name, value] : head.headers) {
    if (name == "host") {
      ++hosts;
      if (value.find_first_of(" \t,/?@\\") != std::string::npos) refuse("the host is malformed");
    } else if (name == "connection") {
      for (const auto option : split(value, ','))
        if (equal_ignoring_case(trim(option), "close")) head.keep_alive = false;
    } else if (name == "content-encoding") {
      throw make_problem("OA107", "an encoded body is not accepted");
    } else if (name == "expect") {
      head.expects_continue = equal_ignoring_case(value, "100-continue");
    }
  }
  if (hosts != 1) refuse("exactly one host is needed");
}

}  // namespace

Head read_head(std::string_view raw) {
  if (raw.size() > max_head_size) refuse("the head is too large");
  if (!raw.ends_with("\r\n\r\n")) refuse("the head is malformed");
  raw.remove_suffix(2);
  Head head;
  for (bool first = true; !raw.empty(); first = false) {
    const auto line = raw.substr(0, raw.find("\r\n"));
    raw.remove_prefix(line.size() + 2);
    if (std::any_of(line.begin(), line.end(), is_control)) refuse("the head holds a control character");
    if (first)
      read_request_line(line, head);
    else
      read_header(line, head);
    if (head.headers.size() > max_headers) refuse("there are too many headers");
  }
  read_length(head.headers, head);
  read_fields(head);
  if (std::find(std::begin(known_methods), std::end(known_methods), head.method) == std::end(known_methods)) {
    Problem problem = make_problem("OA103");
    problem.headers.emplace_back("Allow", "GET, HEAD, POST, PUT, DELETE");
    throw problem;
  }
  const bool may_have_body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if (head.has_body() && !may_have_body) refuse("this method has no body");
  return head;
}

std::string forwarded_head(const Head& head) {
  std::string out = head.method + " / HTTP/1.1\r\n";
  if (head.chunked)
    out += "Transfer-Encoding: chunked\r\n";
  else if (head.length > 0)
    out += "Content-Length: " + std::to_string(head.length) + "\r\n";
  return out + "\r\n";
}

}  // namespace opsadmin
