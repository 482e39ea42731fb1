// The headers that every answer carries, whoever made it.
#pragma once

#include <httplib.h>

#include <string>

namespace opsadmin {

void add_common_headers(httplib::Response& response, const std::string& request_id, bool behind_tls);

}  // namespace opsadmin
