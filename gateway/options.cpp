// The command line. It is read once at the start.
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>

#include <charconv>
#include <string_view>

#include "text.h"

namespace opsadmin {
namespace {

int parse_number(std::string_view name, std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw UsageError(std::string(name) + " must be a number from " + std::to_string(least) + " to " +
                     std::to_string(most));
  return value;
}

RecordRequests parse_record_requests(std::string_view text) {
  if (text == "none") return RecordRequests::none;
  if (text == "writes") return RecordRequests::writes;
  if (text == "all") return RecordRequests::all;
  throw UsageError("--record-requests must be none, writes or all");
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "::1" || host == "localhost";
}

}  // namespace

const char* const usage =
    "Usage: opsadmin-gateway --dsn CONNINFO --web DIR [OPTION]...\n"
    "Serves opsadmin's page and HTTP interface.\n"
    "\n"
    "  --listen ADDRESS         host:port or unix:/path (default 127.0.0.1:8080)\n"
    "  --dsn CONNINFO           database to connect to, without a user; passwords come from PGPASSFILE\n"
    "  --web DIR                directory of the built page\n"
    "  --partner-domain DOMAIN  take a partner's tenant from the host name TENANT.DOMAIN\n"
    "  --behind-tls             a proxy that speaks TLS stands in front: secure cookies, HSTS,\n"
    "                           the client's address from X-Forwarded-For\n"
    "  --record-requests WHICH  requests that the database keeps: none, writes (and denials; default)\n"
    "                           or all\n"
    "  --pool N                 connections for each of the two logins (default 8)\n"
    "  --threads N              requests answered at the same time, half of them partners' (default 16)\n"
    "  --check                  test the set-up, say what is wrong with it, and exit\n"
    "  --help, --version\n";

Options parse_options(int argc, char** argv) {
  enum { listen = 1, dsn, web, partner_domain, behind_tls, record_requests, pool, threads, check, help, version };
  static const option table[] = {
      {"listen", required_argument, nullptr, listen},
      {"dsn", required_argument, nullptr, dsn},
      {"web", required_argument, nullptr, web},
      {"partner-domain", required_argument, nullptr, partner_domain},
      {"behind-tls", no_argument, nullptr, behind_tls},
      {"record-requests", required_argument, nullptr, record_requests},
      {"pool", required_argument, nullptr, pool},
      {"threads", required_argument, nullptr, threads},
      {"check", no_argument, nullptr, check},
      {"help", no_argument, nullptr, help},
      {"version", no_argument, nullptr, version},
      {nullptr, 0, nullptr, 0},
  };
  Options options;
  for (int found; (found = getopt_long(argc, argv, "", table, nullptr)) != -1;) {
    switch (found) {
      case listen:
        options.listen = optarg;
        break;
      case dsn:
        options.dsn = optarg;
        break;
      case web:
        options.web = optarg;
        break;
      case partner_domain:
        options.partner_domain = lower(optarg);
        break;
      case behind_tls:
        options.behind_tls = true;
        break;
      case record_requests:
        options.record_requests = parse_record_requests(optarg);
        break;
      case pool:
        options.pool = parse_number("--pool", optarg, 1, 100);
        break;
      case threads:
        options.threads = parse_number("--threads", optarg, 1, 200);
        break;
      case check:
        options.check = true;
        break;
      case help:
        options.help = true;
        break;
      case version:
        options.version = true;
        break;
      default:
        throw UsageError("try --help");
    }
  }
  if (optind < argc) throw UsageError(std::string("unexpected argument: ") + argv[optind]);
  if (options.help || options.version) return options;
  if (options.dsn.empty()) throw UsageError("--dsn is needed, for example --dsn \"host=/run/postgresql dbname=shop\"");
  if (options.web.empty()) throw UsageError("--web is needed: the directory of the built page");
  const auto address = parse_address(options.listen);
  if (!address.is_unix && !is_loopback(address.host) && !options.behind_tls)
    throw UsageError("--listen " + options.listen +
                     " can be reached from outside: let a proxy that speaks TLS stand in front and add --behind-tls");
  return options;
}

Address parse_address(const std::string& listen) {
  Address address;
  constexpr std::string_view unix_prefix = "unix:";
  if (listen.starts_with(unix_prefix)) {
    address.host = listen.substr(unix_prefix.size());
    address.is_unix = true;
    if (!address.host.starts_with('/')) throw UsageError("--listen unix: needs an absolute path");
    return address;
  }
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) throw UsageError("--listen must be host:port or unix:/path");
  address.host = listen.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  address.port = parse_number("the port of --listen", listen.substr(colon + 1), 0, 65535);
  return address;
}

}  // namespace opsadmin
