// The HTTP server: cpp-httplib for accepting, bodies and answers, with our reception, guard and workers around it.
// It knows nothing of routes, sessions or the database.
#pragma once

#include <httplib.h>

#include <functional>
#include <memory>
#include <string>

#include "message.h"
#include "reception.h"
#include "workers.h"

namespace opsadmin {

struct Exchange;

class HttpServer final : public httplib::Server {
 public:
  using Handler = std::function<Reply(const Request&)>;
  using Apart = std::function<bool(std::string_view path)>;

  // Half of the threads answer what `apart` picks out, so that neither half waits for the other.
  HttpServer(std::size_t threads, bool behind_tls, Apart apart, Handler handler);

  // Binds host:port or unix:/path; throws when that fails. Returns the address with the real port.
  std::string bind(const std::string& listen);

  // Stops accepting, lets requests in flight end and closes all; false when they did not end in time.
  bool shut_down(std::chrono::seconds patience);

 private:
  bool process_and_close_socket(socket_t sock) override;
  void serve(std::unique_ptr<Connection> connection);
  void refuse(std::unique_ptr<Connection> connection, const char* code);
  void answer(std::unique_ptr<Connection> connection, Exchange& exchange);
  void handle(httplib::Response& response, const httplib::ContentReader* reader);
  void fill_request(Exchange& exchange) const;
  std::string read_body(Exchange& exchange, const httplib::ContentReader* reader);

  const bool behind_tls_;
  Handler handler_;
  std::atomic<bool> stopping_{false};
  const std::size_t half_;  // of the threads
  std::atomic<std::size_t> waiting_bodies_{0};
  std::atomic<std::size_t> slow_bodies_{0};
  std::string unix_path_;
  Apart apart_;
  Workers workers_;
  Workers apart_workers_;
  Reception reception_;  // ends before the workers that it feeds
};

}  // namespace opsadmin
