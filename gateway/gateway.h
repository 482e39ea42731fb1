// Sends each request to the part that answers it, and turns whatever is thrown into an answer.
#pragma once

#include "handler.h"
#include "message.h"
#include "options.h"
#include "static_files.h"

namespace opsadmin {

class Gateway {
 public:
  explicit Gateway(const Options& options) : api_(options), files_(options.web) {}

  Reply handle(const Request& request) noexcept;

 private:
  Reply dispatch(const Request& request);

  Api api_;
  StaticFiles files_;
};

}  // namespace opsadmin
