// --check: tests the set-up and says in one sentence each what is well or wrong, with the remedy.
#include "check.h"

#include <iostream>
#include <memory>

#include "pool.h"
#include "static_files.h"
#include "text.h"

namespace opsadmin {
namespace {

class Report {
 public:
  void well(const std::string& sentence) { std::cout << "ok: " << sentence << "\n"; }
  void wrong(const std::string& sentence) {
    std::cout << "wrong: " << sentence << "\n";
    all_well_ = false;
  }
  bool all_well() const { return all_well_; }

 private:
  bool all_well_ = true;
};

using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

// A pooler answers with a process number of its own. It gives the next transaction another session, which has neither
// the prepared statements nor the limits of this one.
void check_server(PGconn* conn, const std::string& login, Report& report) {
  const ResultPtr server(PQexec(conn, "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()"), PQclear);
  if (PQresultStatus(server.get()) != PGRES_TUPLES_OK)
    report.wrong(login + " can connect, but not run a query (" + one_line(PQerrorMessage(conn)) + ").");
  else if (PQgetvalue(server.get(), 0, 0) != std::to_string(PQbackendPID(conn)))
    report.wrong(login +
                 " reaches PostgreSQL through a connection pooler: name the server itself in --dsn; the gateway has "
                 "pools of its own.");
  else if (*PQgetvalue(server.get(), 0, 1) == 't')
    report.wrong(login +
                 " reaches a standby, where nobody can sign in: name the primary in --dsn, or all servers and "
                 "target_session_attrs=read-write.");
  else
    report.well(login + " can connect.");
}

void check_extension(PGconn* conn, Report& report) {
  const ResultPtr version(PQexec(conn, "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'opsadmin'"),
                          PQclear);
  if (PQresultStatus(version.get()) != PGRES_TUPLES_OK || PQntuples(version.get()) == 0) {
    report.wrong(std::string("The extension is not installed in database ") + PQdb(conn) +
                 ": run CREATE EXTENSION opsadmin there as a superuser.");
    return;
  }
  const std::string installed = PQgetvalue(version.get(), 0, 0);
  if (installed == OPSADMIN_VERSION)
    report.well("The extension is installed in the gateway's version, " + installed + ".");
  else
    report.wrong("The extension has version " + installed +
                 " and the gateway " OPSADMIN_VERSION
                 ": install the same release of both and run ALTER EXTENSION opsadmin UPDATE.");

  // Without a context me() always fails; how it fails tells whether the module is loaded.
  const ResultPtr loaded(PQexec(conn, "SELECT opsadmin.me()"), PQclear);
  const char* state = PQresultErrorField(loaded.get(), PG_DIAG_SQLSTATE);
  if (state != nullptr && std::string_view(state) == "OA001")
    report.well("The server module is preloaded.");
  else if (state != nullptr && std::string_view(state) == "OA003")
    report.wrong(
        "The server module is not preloaded: add opsadmin to shared_preload_libraries and restart "
        "PostgreSQL.");
  else
    report.wrong("The server module does not answer as it should (" + one_line(PQerrorMessage(conn)) +
                 "): reinstall the extension's files and run ALTER EXTENSION opsadmin UPDATE.");
}

}  // namespace

bool check(const Options& options) {
  Report report;
  bool extension_checked = false;
  for (const Site site : {Site::internal, Site::partner}) {
    const std::string login = login_of(site);
    const auto connection = open_connection(options.dsn, site);
    if (PQstatus(connection->conn) != CONNECTION_OK) {
      report.wrong(login + " cannot connect (" + one_line(PQerrorMessage(connection->conn)) +
                   "): check --dsn, the password in PGPASSFILE, and that pg_hba.conf lets this role in.");
      continue;
    }
    check_server(connection->conn, login, report);
    if (!extension_checked) check_extension(connection->conn, report);
    extension_checked = true;
  }
  try {
    const StaticFiles files(options.web);
    report.well("The page is in " + options.web + ".");
  } catch (const std::exception& error) {
    report.wrong(one_line(error.what()) + ".");
  }
  return report.all_well();
}

}  // namespace opsadmin
