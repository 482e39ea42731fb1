// Entity tags: what makes a conditional request cheap.
#include "conditional.h"

#include "text.h"

namespace opsadmin {

std::string entity_tag(std::string_view body) {
  return "\"" + hex(sha256(body).substr(0, 16)) + "\"";
}

void apply_entity_tag(const Request& request, const std::string& tag, Reply& reply) {
  reply.set("ETag", tag);
  for (auto candidate : split(request.header("if-none-match"), ',')) {
    candidate = trim(candidate);
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate != tag && candidate != "*") continue;
    reply.status = 304;
    reply.body.clear();
    std::erase_if(reply.headers, [](const auto& header) {
      return header.first == "Content-Type" || header.first == "Content-Encoding";
    });
    return;
  }
}

}  // namespace opsadmin
