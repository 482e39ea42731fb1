// Password hashes by libargon2. The cost follows OWASP's recommendation for argon2id
// (19 MiB, two passes, one lane), about 30 ms a hash.
#include "password.h"

#include <argon2.h>

#include <new>

#include "error.h"

namespace opsadmin {

namespace {
constexpr uint32_t time_cost = 2;
constexpr uint32_t memory_kib = 19456;
constexpr uint32_t lanes = 1;
constexpr size_t hash_length = 32;
}  // namespace

std::string HashPassword(std::string_view password, std::string_view salt) {
  if (password.size() < min_password_length || password.size() > max_password_length) {
    throw Error(oa::password_too_weak, "the password does not fit",
                "It has " + std::to_string(password.size()) + " bytes.",
                "Choose a password of at least " + std::to_string(min_password_length) + " and at most " +
                    std::to_string(max_password_length) + " bytes.");
  }
  std::string encoded(
      argon2_encodedlen(time_cost, memory_kib, lanes, static_cast<uint32_t>(salt.size()), hash_length, Argon2_id),
      '\0');
  const int result = argon2id_hash_encoded(time_cost, memory_kib, lanes, password.data(), password.size(), salt.data(),
                                           salt.size(), hash_length, encoded.data(), encoded.size());
  if (result == ARGON2_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
  if (result != ARGON2_OK) throw Error(oa::internal_error, std::string("argon2: ") + argon2_error_message(result));
  encoded.resize(encoded.find('\0'));
  return encoded;
}

bool VerifyPassword(std::string_view password, const std::string& hash) {
  if (password.size() > max_password_length) return false;
  return argon2id_verify(hash.c_str(), password.data(), password.size()) == ARGON2_OK;
}

}  // namespace opsadmin
