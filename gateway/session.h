// Cookies, and the defence against requests that other sites make in a user's name. Sessions themselves live in the
// database; nothing about them is kept here.
#pragma once

#include <string>

#include "message.h"

namespace opsadmin {

constexpr const char* csrf_header = "X-CSRF-Token";

// The session token that a request brings, or an empty text.
std::string session_token(const Request& request, Site site, bool behind_tls);

// Values of Set-Cookie.
std::string session_cookie(const std::string& token, Site site, bool behind_tls);
std::string cleared_cookie(Site site, bool behind_tls);

std::string csrf_token(const std::string& session_token);

// Both throw Problem.
void require_same_origin(const Request& request, bool behind_tls);
void require_csrf_token(const Request& request, const std::string& session_token);

}  // namespace opsadmin
