// The command line. It is read once at the start; nothing else configures the gateway but libpq's own
// environment variables and files.
#pragma once

#include <stdexcept>
#include <string>

namespace opsadmin {

enum class RecordRequests { none, writes, all };

struct Options {
  std::string listen = "127.0.0.1:8080";
  std::string dsn;
  std::string web;
  std::string partner_domain;
  bool behind_tls = false;
  RecordRequests record_requests = RecordRequests::writes;
  int pool = 8;
  int threads = 16;
  bool check = false;
  bool help = false;
  bool version = false;
};

struct Address {
  std::string host;  // or the path of the socket
  int port = 0;
  bool is_unix = false;
};

class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

extern const char* const usage;

// Both throw UsageError.
Options parse_options(int argc, char** argv);
Address parse_address(const std::string& listen);

}  // namespace opsadmin
