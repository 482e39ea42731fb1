// Entity tags: what makes a conditional request cheap.
#pragma once

#include <string>

#include "message.h"

namespace opsadmin {

std::string entity_tag(std::string_view body);

// Adds the tag to a reply and, when the client has this very body, turns the reply into 304.
void apply_entity_tag(const Request& request, const std::string& tag, Reply& reply);

}  // namespace opsadmin
