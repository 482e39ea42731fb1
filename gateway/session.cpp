// Cookies, and the defence against requests that other sites make in a user's name.
#include "session.h"

#include <algorithm>

#include "problem.h"
#include "routes.h"
#include "text.h"

namespace opsadmin {
namespace {

constexpr std::size_t max_token_size = 512;

// The __Host- prefix makes browsers refuse the cookie unless it is Secure, so plain http needs another name.
std::string cookie_name(Site site, bool behind_tls) {
  return std::string(behind_tls ? "__Host-" : "") + "opsadmin-" + site_path(site);
}

std::string cookie_attributes(bool behind_tls) {
  return std::string("; Path=/; HttpOnly; SameSite=Lax") + (behind_tls ? "; Secure" : "");
}

bool looks_like_token(std::string_view text) {
  return !text.empty() && text.size() <= max_token_size &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

std::string session_token(const Request& request, Site site, bool behind_tls) {
  const auto name = cookie_name(site, behind_tls);
  for (const auto& [key, value] : request.headers) {
    if (key != "cookie") continue;
    for (const auto item : split(value, ';')) {
      const auto pair = trim(item);
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      const auto token = pair.substr(equals + 1);
      return looks_like_token(token) ? std::string(token) : std::string();
    }
  }
  return {};
}

std::string session_cookie(const std::string& token, Site site, bool behind_tls) {
  return cookie_name(site, behind_tls) + "=" + token + cookie_attributes(behind_tls);
}

std::string cleared_cookie(Site site, bool behind_tls) {
  return cookie_name(site, behind_tls) + "=; Max-Age=0" + cookie_attributes(behind_tls);
}

std::string csrf_token(const std::string& session_token) {
  return base64url(sha256("opsadmin-csrf:" + session_token));
}

void require_same_origin(const Request& request, bool behind_tls) {
  const auto fetch_site = request.header("sec-fetch-site");
  if (request.has_header("sec-fetch-site") && fetch_site != "same-origin") throw make_problem("OA104");
  const auto own = std::string(behind_tls ? "https://" : "http://") + std::string(request.header("host"));
  if (request.has_header("origin") && !equal_ignoring_case(request.header("origin"), own)) throw make_problem("OA104");
}

void require_csrf_token(const Request& request, const std::string& session_token) {
  if (!equal_in_constant_time(request.header("x-csrf-token"), csrf_token(session_token)))
    throw make_problem("OA104", "the X-CSRF-Token header is missing or belongs to another session");
}

}  // namespace opsadmin
