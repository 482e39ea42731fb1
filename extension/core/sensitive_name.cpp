// Which names look as if their values were secrets.
#include "sensitive_name.h"

#include <cstddef>

namespace opsadmin {
namespace {

// Words as they stand between underscores, each also in the plural.
constexpr std::string_view sensitive_words[] = {
    "access_key", "account_number", "api_key",     "apikey",        "bearer",          "card_number",
    "credential", "credit_card",    "cvc",         "cvv",           "encryption_key",  "iban",
    "jwt",        "national_id",    "otp",         "pass_phrase",   "passcode",        "passport_number",
    "pin",        "pin_code",       "private_key", "recovery_code", "resident_number", "rrn",
    "secret",     "security_code",  "session_key", "signing_key",   "social_security", "ssn",
    "tax_id",     "token",          "totp",
};

// What is unmistakable anywhere in a name.
constexpr std::string_view sensitive_parts[] = {
    "accesstoken", "cardnumber", "creditcard", "passphrase",   "passwd",   "password", "privatekey",
    "pwd",         "secretkey",  "비밀번호",   "주민등록번호", "주민번호", "카드번호", "계좌번호",
};

constexpr bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}

constexpr bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}

bool BeginsWithWord(std::string_view text, std::string_view word) {
  if (text[0] != word[0] || !text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  if (text.starts_with('s')) text.remove_prefix(1);
  return text.empty() || text[0] == '_';
}

}  // namespace

bool LooksSensitive(std::string_view name) noexcept {
  // A name in PostgreSQL has at most 63 bytes; whoever makes a longer JSON key is not believed to mean well.
  constexpr size_t longest = 256;
  if (name.size() > longest) return true;
  char words[2 * longest];  // in lower case, with one underscore between words
  size_t length = 0;
  for (size_t i = 0; i < name.size(); i++) {
    const char c = name[i];
    const bool is_separator = c == '_' || c == '-' || c == ' ' || c == '.' || c == '/' || c == ':';
    // apiToken and APIToken are two words each.
    const bool begins_word =
        i > 0 && IsUpper(c) &&
        (IsLower(name[i - 1]) || (IsUpper(name[i - 1]) && i + 1 < name.size() && IsLower(name[i + 1])));
    if ((is_separator || begins_word) && length > 0 && words[length - 1] != '_') words[length++] = '_';
    if (!is_separator) words[length++] = IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const std::string_view all(words, length);
  for (const auto part : sensitive_parts)
    if (all.find(part) != std::string_view::npos) return true;
  for (size_t i = 0; i < all.size(); i++) {
    if (all[i] == '_' || (i > 0 && all[i - 1] != '_')) continue;
    for (const auto word : sensitive_words)
      if (BeginsWithWord(all.substr(i), word)) return true;
  }
  return false;
}

}  // namespace opsadmin
