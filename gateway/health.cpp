// What a supervisor or a proxy asks: is the process alive, and can it serve.
#include "health.h"

#include <nlohmann/json.hpp>

#include "problem.h"

namespace opsadmin {
namespace {

Reply make_reply(int status, const nlohmann::ordered_json& body) {
  Reply reply;
  reply.status = status;
  reply.set("Content-Type", "application/json");
  if (status == 503) reply.set("Retry-After", "1");
  reply.body = body.dump();
  return reply;
}

}  // namespace

Reply alive() {
  return make_reply(200, {{"status", "alive"}, {"version", OPSADMIN_VERSION}});
}

Reply ready(Api& api) {
  Flight flight;
  flight.call = {"extension_version",
                 "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'opsadmin')"};
  nlohmann::ordered_json body{{"status", "ready"}, {"version", OPSADMIN_VERSION}, {"extension", nullptr}};
  bool all_well = true;
  for (const Site site : {Site::internal, Site::partner}) {
    const char* state = "ready";
    try {
      const auto row = api.run(site, flight);
      if (row.at(0))
        body["extension"] = *row[0];
      else
        state = "not installed";
    } catch (const Problem&) {
      state = "unavailable";
    }
    all_well = all_well && std::string_view(state) == "ready";
    body[site_name(site)] = state;
  }
  if (!all_well) body["status"] = "unavailable";
  return make_reply(all_well ? 200 : 503, body);
}

}  // namespace opsadmin
