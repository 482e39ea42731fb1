// Password hashes: argon2id in the PHC string format, by libargon2.
#pragma once

#include <string>
#include <string_view>

namespace opsadmin {

inline constexpr std::size_t min_password_length = 10;
inline constexpr std::size_t max_password_length = 1024;

// Returns the argon2id hash of a password under a salt of 16 random bytes, in PHC format.
// Throws Error OA014 when the password is shorter than 10 or longer than 1,024 bytes.
std::string HashPassword(std::string_view password, std::string_view salt);

// Tells whether the password belongs to a hash made by HashPassword. Never throws for a wrong or
// malformed password; the time does not depend on where they differ.
bool VerifyPassword(std::string_view password, const std::string& hash);

}  // namespace opsadmin
