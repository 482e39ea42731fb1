// Which names of columns and JSON keys look as if their values were secrets. The one list of them.
#pragma once

#include <string_view>

namespace opsadmin {

// Tells whether a name, or a part of it such as in new_password, apiToken or "Card number", looks sensitive.
bool LooksSensitive(std::string_view name) noexcept;

}  // namespace opsadmin
