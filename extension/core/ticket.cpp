// Reads and judges tickets. What is not understood is refused, but for claims with other names, which are the
// application's own.
#include "ticket.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "json.h"

namespace opsadmin {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr auto digit_values = [] {
  std::array<int, 256> values;
  values.fill(-1);
  for (size_t i = 0; i < alphabet.size(); i++) values[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
  return values;
}();

// Consumes a string that is said once.
bool ReadOnce(JsonReader* json, std::string_view* value) {
  return value->data() == nullptr && json->ReadString(value);
}

// As above, for a time, which is never 0.
bool ReadTime(JsonReader* json, double* value) {
  return *value == 0 && json->ReadNumber(value) && *value > 0;
}

bool ReadPermissions(JsonReader* json, TicketClaims* claims) {
  if (claims->permission_count >= 0) return false;
  claims->permission_count = 0;
  size_t bytes = 0;
  return json->ReadArray([&] {
    if (claims->permission_count == TicketClaims::max_permissions) return false;
    std::string_view* permission = &claims->permissions[claims->permission_count++];
    if (!json->ReadString(permission) || permission->empty()) return false;
    bytes += permission->size() + 1;
    return bytes <= TicketClaims::max_permission_bytes;
  });
}

struct TextClaim {
  std::string_view name;
  std::string_view TicketClaims::*value;
};

constexpr TextClaim text_claims[] = {
    {"aud", &TicketClaims::audience},  {"db", &TicketClaims::database},
    {"jti", &TicketClaims::id},        {"sub", &TicketClaims::subject},
    {"tenant", &TicketClaims::tenant}, {"name", &TicketClaims::name},
    {"ip", &TicketClaims::ip},         {"method", &TicketClaims::method},
    {"path", &TicketClaims::path},     {"request_id", &TicketClaims::request_id},
    {"reason", &TicketClaims::reason},
};

struct TimeClaim {
  std::string_view name;
  double TicketClaims::*value;
};

constexpr TimeClaim time_claims[] = {
    {"iat", &TicketClaims::issued_at}, {"exp", &TicketClaims::expires_at}, {"nbf", &TicketClaims::not_before}};

bool IsAddress(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  unsigned char address[sizeof(in6_addr)];
  if (text.size() >= sizeof terminated) return false;
  memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  return inet_pton(AF_INET, terminated, address) == 1 || inet_pton(AF_INET6, terminated, address) == 1;
}

size_t CharactersOf(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

bool SplitTicket(std::string_view token, TicketParts* parts) noexcept {
  if (token.size() > max_ticket_length) return false;
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return false;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return false;
  parts->header = token.substr(0, first);
  parts->payload = token.substr(first + 1, second - first - 1);
  parts->signature = token.substr(second + 1);
  return true;
}

bool DecodeBase64Url(std::string_view text, char* bytes, size_t* length) noexcept {
  *length = 0;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = digit_values[static_cast<unsigned char>(c)];
    if (digit < 0) return false;
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes[(*length)++] = static_cast<char>(bits >> count);
    }
  }
  // Left-over bits are zero and fewer than a digit's: otherwise several texts would mean the same bytes.
  return count < 6 && (bits & ((1U << count) - 1)) == 0;
}

const char* ReadTicketHeader(char* json, size_t length, std::string_view* key_id) noexcept {
  std::string_view algorithm, type, key;
  bool critical = false;
  JsonReader reader(json, length);
  const bool read = reader.ReadObject([&](std::string_view name) {
    if (name == "alg") return ReadOnce(&reader, &algorithm);
    if (name == "typ") return ReadOnce(&reader, &type);
    if (name == "kid") return ReadOnce(&reader, &key);
    if (name == "crit") critical = true;
    return reader.Skip();
  });
  if (!read || !reader.AtEnd()) return "its header is not well formed";
  if (algorithm != "HS256") return "its algorithm is not HS256";
  if (type.data() != nullptr && type != "JWT") return "its type is not JWT";
  if (critical) return "its header has critical extensions";
  if (key.data() == nullptr) return "it names no key";
  *key_id = key;
  return nullptr;
}

const char* ReadTicketClaims(char* json, size_t length, TicketClaims* claims) noexcept {
  *claims = {};
  claims->permission_count = -1;
  JsonReader reader(json, length);
  const bool read = reader.ReadObject([&](std::string_view name) {
    for (const TextClaim& claim : text_claims)
      if (name == claim.name) return ReadOnce(&reader, &(claims->*claim.value));
    for (const TimeClaim& claim : time_claims)
      if (name == claim.name) return ReadTime(&reader, &(claims->*claim.value));
    if (name == "permissions") return ReadPermissions(&reader, claims);
    return reader.Skip();
  });
  return read && reader.AtEnd() ? nullptr : "its claims are not well formed";
}

const char* JudgeTicket(const TicketClaims& claims, std::string_view audience, std::string_view database,
                        double now) noexcept {
  if (claims.audience != audience) return "it is for another audience";
  if (claims.database != database) return "it is for another database";
  if (claims.issued_at == 0 || claims.expires_at == 0) return "it has no iat or no exp";
  if (claims.expires_at - claims.issued_at > max_ticket_seconds) return "it lives too long";
  if (claims.expires_at <= now) return "it has expired";
  if (claims.issued_at > now + max_clock_skew || claims.not_before > now + max_clock_skew)
    return "it lies in the future";
  const size_t characters = CharactersOf(claims.id);
  if (characters < 16 || characters > 128) return "its jti has not 16 to 128 characters";
  if (claims.subject.data() != nullptr && claims.permission_count >= 0) return "it has both sub and permissions";
  if (claims.ip.data() != nullptr && !IsAddress(claims.ip)) return "its ip is no address";
  return nullptr;
}

}  // namespace opsadmin
