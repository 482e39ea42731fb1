// Which names look as if their values were secrets.
#include "sensitive_name.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace opsadmin {
namespace {

// Words as they stand between underscores, each also in the plural; sorted, as the list below.
constexpr std::string_view sensitive_words[] = {
    "access_key", "account_number", "api_key",     "apikey",        "bearer",          "card_number",
    "credential", "credit_card",    "cvc",         "cvv",           "encryption_key",  "iban",
    "jwt",        "national_id",    "otp",         "pass_phrase",   "passcode",        "passport_number",
    "pin",        "pin_code",       "private_key", "recovery_code", "resident_number", "rrn",
    "secret",     "security_code",  "session_key", "signing_key",   "social_security", "ssn",
    "tax_id",     "token",          "totp"};

// What is unmistakable anywhere in a name.
constexpr std::string_view sensitive_parts[] = {"accesstoken", "cardnumber",   "creditcard", "passphrase", "passwd",
                                                "password",    "privatekey",   "pwd",        "secretkey",  "계좌번호",
                                                "비밀번호",    "주민등록번호", "주민번호",   "카드번호"};

// Where in a sorted list those begin that begin with a byte; asked for each column of each audited statement.
template <size_t size>
class ByFirstByte {
 public:
  explicit constexpr ByFirstByte(const std::string_view (&list)[size]) : list_(list) {
    for (size_t byte = 0, i = 0; byte < 257; byte++) {
      while (i < size && static_cast<unsigned char>(list[i][0]) < byte) i++;
      begin_[byte] = static_cast<unsigned char>(i);
    }
  }

  // Tells whether one of those that begin as the text does fits.
  template <typename Fits>
  bool Any(std::string_view text, Fits fits) const {
    const auto byte = static_cast<unsigned char>(text[0]);
    for (size_t i = begin_[byte]; i < begin_[byte + 1]; i++)
      if (text.starts_with(list_[i]) && fits(list_[i].size())) return true;
    return false;
  }

 private:
  const std::string_view (&list_)[size];
  unsigned char begin_[257] = {};
};

static_assert(std::is_sorted(std::begin(sensitive_words), std::end(sensitive_words)));
static_assert(std::is_sorted(std::begin(sensitive_parts), std::end(sensitive_parts)));
constexpr ByFirstByte words_by_first_byte(sensitive_words);
constexpr ByFirstByte parts_by_first_byte(sensitive_parts);

constexpr bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}

constexpr bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}

// Tells whether a word ends before the text, but for the s of a plural.
bool BeginsAfterWord(std::string_view text) {
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
  std::string_view rest(words, length);
  for (bool at_word = true; !rest.empty(); at_word = rest[0] == '_', rest.remove_prefix(1)) {
    if (parts_by_first_byte.Any(rest, [](size_t) { return true; })) return true;
    if (at_word && words_by_first_byte.Any(rest, [&](size_t size) { return BeginsAfterWord(rest.substr(size)); }))
      return true;
  }
  return false;
}

}  // namespace opsadmin
