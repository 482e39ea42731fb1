// Password hashes: their format, what verifies and what does not, and the limits of length.
#include "../../extension/core/password.h"

#include "check.h"

using opsadmin::HashPassword;
using opsadmin::VerifyPassword;
using test::Check;
using test::ErrorOf;

int main() {
  using namespace std::literals;
  const std::string_view salt = "0123456789abcdef";
  const std::string_view password = "correct horse battery";
  const std::string hash = HashPassword(password, salt);

  Check(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "the hash is argon2id in PHC format with its costs");
  Check(hash.find('\0') == std::string::npos, "the hash has no trailing bytes");
  Check(HashPassword(password, salt) == hash, "the same password and salt give the same hash");
  Check(HashPassword(password, "fedcba9876543210") != hash, "another salt gives another hash");

  Check(VerifyPassword(password, hash), "the right password verifies");
  Check(!VerifyPassword("correct horse batterx", hash), "a wrong password does not");
  Check(!VerifyPassword("", hash), "an empty password does not");
  Check(!VerifyPassword(std::string(password) + '\0', hash), "a zero byte at the end counts");
  Check(VerifyPassword("zero\0byte inside"sv, HashPassword("zero\0byte inside"sv, salt)),
        "a zero byte inside is a byte as any other");
  Check(VerifyPassword("비밀번호비밀번호", HashPassword("비밀번호비밀번호", salt)), "any bytes will do");

  Check(!VerifyPassword(password, ""), "an empty hash verifies nothing");
  Check(!VerifyPassword(password, "$argon2id$v=19$m=19456"), "a hash cut short verifies nothing");
  Check(!VerifyPassword(password, std::string(hash).replace(1, 8, "argon2xx")), "an unknown kind verifies nothing");

  const auto too_short = ErrorOf([&] { HashPassword("ninechars", salt); });
  Check(too_short && std::string(too_short->sqlstate()) == opsadmin::oa::password_too_weak, "nine bytes are refused");
  Check(too_short && !too_short->detail().empty() && !too_short->hint().empty(), "with detail and hint");
  Check(!ErrorOf([&] { HashPassword("ten chars!", salt); }), "ten bytes are enough");
  const std::string longest(opsadmin::max_password_length, 'x');
  Check(!ErrorOf([&] { HashPassword(longest, salt); }), "1,024 bytes are allowed");
  Check(ErrorOf([&] { HashPassword(longest + 'x', salt); }).has_value(), "1,025 bytes are refused");
  Check(!VerifyPassword(longest + 'x', hash), "verifying 1,025 bytes answers no");
  return test::Finish();
}
