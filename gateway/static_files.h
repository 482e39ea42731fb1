// The page: every file of the web directory, read and compressed at the start and found by its exact path, so that
// no request ever reaches the file system.
#pragma once

#include <map>
#include <string>

#include "message.h"

namespace opsadmin {

class StaticFiles {
 public:
  // Throws std::runtime_error when the directory holds no page.
  explicit StaticFiles(const std::string& directory);

  // Throws Problem.
  Reply handle(const Request& request) const;

 private:
  struct File {
    std::string type;
    std::string body;
    std::string compressed;  // empty where compression does not help
    std::string tag;
    std::string compressed_tag;
    bool immutable = false;
  };

  std::map<std::string, File, std::less<>> files_;  // by path
};

}  // namespace opsadmin
