// The headers that every answer carries, whoever made it.
#include "headers.h"

#include <ctime>

namespace opsadmin {
namespace {

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

}  // namespace

void add_common_headers(httplib::Response& response, const std::string& request_id, bool behind_tls) {
  const std::pair<const char*, const char*> fixed[] = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
       "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
       "require-trusted-types-for 'script'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Referrer-Policy", "same-origin"},
      {"Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"},
  };
  for (const auto& [name, value] : fixed) response.set_header(name, value);
  if (behind_tls) response.set_header("Strict-Transport-Security", "max-age=31536000");
  // Only what the page is made of says that it may be kept.
  if (!response.has_header("Cache-Control")) response.set_header("Cache-Control", "no-store");
  response.set_header("Date", http_date());
  response.set_header("X-Request-Id", request_id);
}

}  // namespace opsadmin
