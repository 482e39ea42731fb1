// The reader of small JSON texts: strict grammar, no allocation.
#include "json.h"

#include <charconv>

namespace opsadmin {

namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Writes a code point as UTF-8 and returns what follows it; it is never longer than its escape.
char* PutUtf8(char* out, unsigned code) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
    return out;
  }
  if (code < 0x800) {
    *out++ = static_cast<char>(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    *out++ = static_cast<char>(0xE0 | code >> 12);
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | code >> 18);
    *out++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
  }
  *out++ = static_cast<char>(0x80 | (code & 0x3F));
  return out;
}

}  // namespace

void JsonReader::SkipSpace() noexcept {
  while (next_ < end_ && (*next_ == ' ' || *next_ == '\t' || *next_ == '\n' || *next_ == '\r')) next_++;
}

bool JsonReader::Accept(char c) noexcept {
  SkipSpace();
  if (next_ == end_ || *next_ != c) return false;
  next_++;
  return true;
}

bool JsonReader::AtEnd() noexcept {
  SkipSpace();
  return next_ == end_;
}

// Reads the four digits behind \u.
bool JsonReader::ReadHex(unsigned* value) noexcept {
  if (end_ - next_ < 4) return false;
  const auto [stop, error] = std::from_chars(next_, next_ + 4, *value, 16);
  if (error != std::errc() || stop != next_ + 4) return false;
  next_ += 4;
  return true;
}

// Reads what follows a backslash. A zero byte and half of a surrogate pair are no characters here.
bool JsonReader::ReadEscape(char** out) noexcept {
  static constexpr std::string_view letters = "\"\\/bfnrt";
  static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  if (next_ == end_) return false;
  const char letter = *next_++;
  if (letter != 'u') {
    const size_t place = letters.find(letter);
    if (place == std::string_view::npos) return false;
    *(*out)++ = meanings[place];
    return true;
  }
  unsigned code, low;
  if (!ReadHex(&code) || code == 0 || (code >= 0xDC00 && code < 0xE000)) return false;
  if (code >= 0xD800 && code < 0xDC00) {
    if (end_ - next_ < 2 || *next_++ != '\\' || *next_++ != 'u') return false;
    if (!ReadHex(&low) || low < 0xDC00 || low >= 0xE000) return false;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  *out = PutUtf8(*out, code);
  return true;
}

bool JsonReader::ReadString(std::string_view* value) noexcept {
  if (!Accept('"')) return false;
  char* const begin = next_;
  char* out = begin;
  while (next_ < end_) {
    const char c = *next_++;
    if (c == '"') {
      *value = {begin, static_cast<size_t>(out - begin)};
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return false;
    if (c != '\\')
      *out++ = c;
    else if (!ReadEscape(&out))
      return false;
  }
  return false;
}

// Where the number that comes next ends, NULL when none comes.
const char* JsonReader::EndOfNumber() noexcept {
  SkipSpace();
  const char* p = next_;
  const auto digits = [&] {
    const char* const first = p;
    while (p < end_ && IsDigit(*p)) p++;
    return p > first;
  };
  if (p < end_ && *p == '-') p++;
  if (p < end_ && *p == '0')
    p++;
  else if (!digits())
    return nullptr;
  if (p < end_ && *p == '.' && (p++, !digits())) return nullptr;
  if (p < end_ && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end_ && (*p == '+' || *p == '-')) p++;
    if (!digits()) return nullptr;
  }
  return p;
}

bool JsonReader::ReadNumber(double* value) noexcept {
  const char* const end = EndOfNumber();
  if (end == nullptr) return false;
  const auto [stop, error] = std::from_chars(next_, end, *value);
  if (error != std::errc() || stop != end) return false;
  next_ += end - next_;
  return true;
}

bool JsonReader::Skip(int levels) noexcept {
  std::string_view text;
  SkipSpace();
  if (levels == 0 || next_ == end_) return false;
  switch (*next_) {
    case '{':
      return ReadObject([&](std::string_view) { return Skip(levels - 1); });
    case '[':
      return ReadArray([&] { return Skip(levels - 1); });
    case '"':
      return ReadString(&text);
    default:
      break;
  }
  for (const std::string_view word : {"true", "false", "null"})
    if (std::string_view(next_, end_ - next_).starts_with(word)) {
      next_ += word.size();
      return true;
    }
  const char* const end = EndOfNumber();
  if (end == nullptr) return false;
  next_ += end - next_;
  return true;
}

}  // namespace opsadmin
