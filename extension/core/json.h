// A reader of small JSON texts (RFC 8259) that allocates nothing and never throws: strings are unescaped in
// place, so a text is read once. It expects valid UTF-8 and is safe, but says nothing useful, for other bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace opsadmin {

class JsonReader {
 public:
  JsonReader(char* text, size_t length) noexcept : next_(text), end_(text + length) {}

  // Each consumes one value of its type and returns false when the next value is none.
  bool ReadString(std::string_view* value) noexcept;
  bool ReadNumber(double* value) noexcept;  // false, too, for one that a double cannot hold
  // Consumes any value; objects and arrays up to 32 levels.
  bool Skip(int levels = 32) noexcept;

  // Calls member(name), which consumes the value and returns whether it could.
  template <typename Member>
  bool ReadObject(Member member) noexcept {
    return ReadList('{', '}', [&] {
      std::string_view name;
      return ReadString(&name) && Accept(':') && member(name);
    });
  }

  // Calls element(), which consumes the value and returns whether it could.
  template <typename Element>
  bool ReadArray(Element element) noexcept {
    return ReadList('[', ']', element);
  }

  // Tells whether nothing but white space is left.
  bool AtEnd() noexcept;

 private:
  template <typename Item>
  bool ReadList(char open, char close, Item item) noexcept {
    if (!Accept(open)) return false;
    if (Accept(close)) return true;
    do
      if (!item()) return false;
    while (Accept(','));
    return Accept(close);
  }

  void SkipSpace() noexcept;
  bool Accept(char c) noexcept;
  const char* EndOfNumber() noexcept;
  bool ReadHex(unsigned* value) noexcept;
  bool ReadEscape(char** out) noexcept;

  char* next_;
  char* end_;
};

}  // namespace opsadmin
