// Tickets: JSON Web Tokens (RFC 7519) in their compact form, signed with HS256. This part reads and judges
// them; it knows neither keys nor clocks. Nothing here allocates or throws, so the pg zone may call it.
#pragma once

#include <cstddef>
#include <string_view>

namespace opsadmin {

inline constexpr size_t max_ticket_length = 16384;
inline constexpr double max_ticket_seconds = 60;  // from iat to exp
inline constexpr double max_clock_skew = 5;       // by which the issuer's clock may be ahead

// The three parts of a compact token, still encoded.
struct TicketParts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view Signed() const { return {header.data(), header.size() + 1 + payload.size()}; }
};

// What a ticket says. A text that it does not say has no data().
struct TicketClaims {
  static constexpr int max_permissions = 256;
  static constexpr size_t max_permission_bytes = 4000;

  std::string_view audience;
  std::string_view database;
  std::string_view id;
  std::string_view subject;
  std::string_view tenant;
  std::string_view name;
  std::string_view ip;
  std::string_view method;
  std::string_view path;
  std::string_view request_id;
  std::string_view reason;
  double issued_at;
  double expires_at;
  double not_before;     // 0: not said
  int permission_count;  // -1: not said
  std::string_view permissions[max_permissions];
};

// Splits a token; false when it has not three parts, or is too long.
bool SplitTicket(std::string_view token, TicketParts* parts) noexcept;
// Decodes base64url without padding, in its one canonical form, into as many bytes as the text has at most.
bool DecodeBase64Url(std::string_view text, char* bytes, size_t* length) noexcept;

// These return NULL, or in a few words why the ticket is refused. The JSON texts are changed.
const char* ReadTicketHeader(char* json, size_t length, std::string_view* key_id) noexcept;
const char* ReadTicketClaims(char* json, size_t length, TicketClaims* claims) noexcept;
// Judges the claims at a time, in seconds since 1970.
const char* JudgeTicket(const TicketClaims& claims, std::string_view audience, std::string_view database,
                        double now) noexcept;

}  // namespace opsadmin
