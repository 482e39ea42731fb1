// Connections to PostgreSQL for one of the two logins: opened when first needed, kept, replaced when they break,
// with growing pauses between attempts while the server is away.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "message.h"

namespace opsadmin {

// A connection in pipeline mode and the names of the statements prepared on it.
struct PgConnection {
  explicit PgConnection(PGconn* c) : conn(c) {}
  ~PgConnection() { PQfinish(conn); }
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  PGconn* conn;
  std::set<std::string, std::less<>> prepared;
  bool broken = false;
};

const char* login_of(Site site);

// Opens a connection as the site's login, not yet in pipeline mode; the caller checks its status.
std::unique_ptr<PgConnection> open_connection(const std::string& dsn, Site site);

class Pool {
 public:
  // A connection on loan; goes back by itself unless it broke.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<PgConnection> connection) : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    ~Lease() {
      if (connection_) pool_->give_back(std::move(connection_));
    }
    PgConnection& operator*() const { return *connection_; }

   private:
    Pool* pool_;
    std::unique_ptr<PgConnection> connection_;
  };

  Pool(std::string dsn, Site site, std::size_t size);

  // Lends a connection; throws Problem when the server is away or all stay busy for too long.
  Lease acquire();

  // Closes the connections that nobody uses: after one broke, the others are likely to be dead too.
  void close_idle();

 private:
  std::unique_ptr<PgConnection> connect();
  void give_back(std::unique_ptr<PgConnection> connection);

  const std::string dsn_;
  const Site site_;
  const std::size_t size_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<PgConnection>> idle_;
  std::size_t open_ = 0;
  std::chrono::milliseconds pause_{0};
  std::chrono::steady_clock::time_point retry_at_{};
};

}  // namespace opsadmin
