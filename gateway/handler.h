// The one handler of all routes: checks where the request comes from, takes its parameters, makes the one call and
// shapes the answer. It decides nothing about who may do what.
#pragma once

#include <string>

#include "flight.h"
#include "message.h"
#include "options.h"
#include "pool.h"
#include "presence.h"
#include "routes.h"

namespace opsadmin {

class Api {
 public:
  explicit Api(const Options& options);

  // Throws Problem.
  Reply handle(const Request& request);

  // The session that a request brings and the tenant that it names.
  std::string session_of(const Request& request, Site site) const;
  Value tenant_of(const Request& request, Site site) const;

  // Flies with a connection of the site's pool; what only reads is tried again once on a new connection.
  Values run(Site site, const Flight& flight);

 private:
  Reply handle(const Request& request, const Match& match, const std::string& token);
  Reply shape(const Request& request, const Match& match, const std::string& token, Values row);
  void touch(Site site, const std::string& token) noexcept;

  const std::string partner_domain_;
  const bool behind_tls_;
  Pool internal_;
  Pool partner_;
  Presence presence_;
};

}  // namespace opsadmin
