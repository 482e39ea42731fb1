// Small pure functions on text: encodings, hashes, validity. No state, no I/O but the random source.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace opsadmin {

std::string random_hex(std::size_t bytes);
std::string sha256(std::string_view data);  // 32 raw bytes
std::string hex(std::string_view data);
std::string base64url(std::string_view data);  // without padding

bool valid_utf8(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
bool equal_in_constant_time(std::string_view a, std::string_view b);
std::string lower(std::string_view text);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);

// Decodes %XX (and + as a space in queries); nothing when the encoding is broken, holds NUL or is not UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace opsadmin
