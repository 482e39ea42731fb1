// Connections to PostgreSQL for one of the two logins.
#include "pool.h"

#include <poll.h>

#include <algorithm>

#include "access_log.h"
#include "problem.h"

namespace opsadmin {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto acquire_time = std::chrono::seconds(5);
constexpr milliseconds first_pause{50};
constexpr milliseconds longest_pause{2000};

// Notices, without a round trip, that the server closed the connection while it lay idle: there is nothing else
// that it would send unasked and that is worth keeping the connection for.
bool still_alive(const PgConnection& connection) {
  pollfd item{PQsocket(connection.conn), POLLIN, 0};
  return ::poll(&item, 1, 0) == 0;
}

}  // namespace

const char* login_of(Site site) {
  return site == Site::internal ? "opsadmin_internal_login" : "opsadmin_partner_login";
}

std::unique_ptr<PgConnection> open_connection(const std::string& dsn, Site site) {
  // Later keywords win over those in the connection string, which dbname stands for here.
  const char* keywords[] = {"dbname",          "user",    "application_name", "client_encoding",
                            "connect_timeout", "options", "tcp_user_timeout", nullptr};
  const char* values[] = {dsn.c_str(), login_of(site), "opsadmin-gateway", "UTF8", "3", "", "20000", nullptr};
  auto connection = std::make_unique<PgConnection>(PQconnectdbParams(keywords, values, 1));
  // Not in the start-up packet, where a login may not bring limits along. One that has been given less keeps it.
  if (PQstatus(connection->conn) == CONNECTION_OK)
    for (const char* limit : {"SET statement_timeout = '15s'", "SET lock_timeout = '5s'",
                              "SET idle_in_transaction_session_timeout = '10s'"})
      PQclear(PQexec(connection->conn, limit));
  return connection;
}

Pool::Pool(std::string dsn, Site site, std::size_t size) : dsn_(std::move(dsn)), site_(site), size_(size) {}

Pool::Lease Pool::acquire() {
  std::unique_lock lock(mutex_);
  const auto deadline = Clock::now() + acquire_time;
  for (;;) {
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (still_alive(*connection)) return Lease(*this, std::move(connection));
      --open_;
    }
    if (open_ < size_) break;
    if (returned_.wait_until(lock, deadline) == std::cv_status::timeout && idle_.empty() && open_ >= size_)
      throw make_problem("OA106", "all connections to the database are busy");
  }
  if (Clock::now() < retry_at_) throw make_problem("OA105");
  ++open_;
  lock.unlock();
  auto connection = connect();
  if (connection) return Lease(*this, std::move(connection));
  throw make_problem("OA105");
}

std::unique_ptr<PgConnection> Pool::connect() {
  auto connection = open_connection(dsn_, site_);
  if (PQstatus(connection->conn) == CONNECTION_OK && PQenterPipelineMode(connection->conn) == 1 &&
      PQsetnonblocking(connection->conn, 1) == 0) {
    const std::lock_guard lock(mutex_);
    pause_ = milliseconds(0);
    return connection;
  }
  log_event("database_unavailable", PQerrorMessage(connection->conn));
  const std::lock_guard lock(mutex_);
  pause_ = std::clamp(pause_ * 2, first_pause, longest_pause);
  retry_at_ = Clock::now() + pause_;
  --open_;
  returned_.notify_one();
  return nullptr;
}

void Pool::give_back(std::unique_ptr<PgConnection> connection) {
  const std::lock_guard lock(mutex_);
  if (connection->broken)
    --open_;
  else
    idle_.push_back(std::move(connection));
  returned_.notify_one();
}

void Pool::close_idle() {
  const std::lock_guard lock(mutex_);
  open_ -= idle_.size();
  idle_.clear();
  returned_.notify_all();
}

}  // namespace opsadmin
