// The HTTP server: cpp-httplib for accepting, bodies and answers, with our reception, guard and workers around it.
#include "server.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "access_log.h"
#include "guard.h"
#include "headers.h"
#include "options.h"
#include "problem.h"
#include "text.h"

namespace opsadmin {

// One request on its way through the library.
struct Exchange {
  Connection* connection = nullptr;
  Head head;
  Request request;
  std::optional<Problem> refusal;
  bool body_unread = false;
  bool close = false;
  int status = 0;
  std::string sqlstate;
  std::function<void()> afterwards;
  Clock::time_point start = Clock::now();
};

namespace {

constexpr std::size_t queue_limit = 256;
constexpr int max_requests_per_connection = 1000;
constexpr auto body_time = std::chrono::seconds(20);
constexpr std::size_t body_budget = 2 * max_body_size;  // with what chunks add to it
constexpr auto quick_body_time = std::chrono::milliseconds(250);
constexpr int backlog = 511;

// The library's callbacks are not told which stream they work for; each request stays on one thread.
thread_local Exchange* current = nullptr;

// A place among those that may do something at the same time; throws Problem when all are taken.
class Slot {
 public:
  Slot(std::atomic<std::size_t>& taken, std::size_t places) : taken_(taken) {
    if (taken_++ < std::max<std::size_t>(1, places)) return;
    --taken_;
    throw make_problem("OA106");
  }
  ~Slot() { --taken_; }

 private:
  std::atomic<std::size_t>& taken_;
};

// Runs at once what the library would queue: that is only our process_and_close_socket, which does not wait.
class InlineTasks final : public httplib::TaskQueue {
 public:
  // Later versions of the library want to know whether the task was taken.
  using Taken = decltype(std::declval<httplib::TaskQueue&>().enqueue({}));
  Taken enqueue(std::function<void()> task) override {
    task();
    return static_cast<Taken>(true);
  }
  void shutdown() override {}
};

// Removes the socket file that a killed gateway left behind, but not one in use.
void remove_stale_socket(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) ::unlink(path.c_str());
  ::close(fd);
}

}  // namespace

HttpServer::HttpServer(std::size_t threads, bool behind_tls, Apart apart, Handler handler)
    : behind_tls_(behind_tls),
      handler_(std::move(handler)),
      half_(std::max<std::size_t>(1, threads / 2)),
      apart_(std::move(apart)),
      workers_(half_, queue_limit, [this](auto connection) { serve(std::move(connection)); }),
      apart_workers_(half_, queue_limit, [this](auto connection) { serve(std::move(connection)); }),
      reception_([this](auto connection) {
        Workers& workers = apart_(connection->target()) ? apart_workers_ : workers_;
        if (!workers.push(connection)) refuse(std::move(connection), "OA106");
      }) {
  new_task_queue = [] { return new InlineTasks; };
  set_tcp_nodelay(true);
  // Not the library's default, which also sets SO_REUSEPORT: a second gateway must not share the port unnoticed.
  set_socket_options([](socket_t sock) {
    const int on = 1;
    ::setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  // The guard and read_body keep the limit: what the library refuses by itself cannot be told from a broken body.
  set_payload_max_length(std::numeric_limits<std::size_t>::max());
  set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
    if (current->head.has_body() && !current->refusal) return HandlerResponse::Unhandled;
    handle(response, nullptr);
    return HandlerResponse::Handled;
  });
  const auto with_body = [this](const httplib::Request&, httplib::Response& response,
                                const httplib::ContentReader& reader) { handle(response, &reader); };
  Post("/", with_body);
  Put("/", with_body);
  Patch("/", with_body);
  set_post_routing_handler([this](const httplib::Request&, httplib::Response& response) {
    for (const char* unwanted : {"Keep-Alive", "Accept-Ranges"}) response.headers.erase(unwanted);
    if (response.status == 204 || response.status == 304) response.headers.erase("Content-Length");
    if (current->close) response.set_header("Connection", "close");
    add_common_headers(response, current->request.id, behind_tls_);
    current->status = response.status;
  });
}

std::string HttpServer::bind(const std::string& listen) {
  const auto address = parse_address(listen);
  int port = address.port;
  bool bound;
  if (address.is_unix) {
    set_address_family(AF_UNIX);
    remove_stale_socket(address.host);
    bound = bind_to_port(address.host, 1);
    if (bound) unix_path_ = address.host;
  } else if (port == 0) {
    port = bind_to_any_port(address.host);
    bound = port > 0;
  } else {
    bound = bind_to_port(address.host, port);
  }
  // The library's own backlog is 5.
  if (!bound || ::listen(svr_sock_, backlog) != 0) throw std::runtime_error("cannot listen on " + listen);
  return address.is_unix ? listen : listen.substr(0, listen.rfind(':') + 1) + std::to_string(port);
}

bool HttpServer::shut_down(std::chrono::seconds patience) {
  stopping_ = true;
  stop();
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  const auto deadline = Clock::now() + patience;
  const bool finished = workers_.finish(deadline) & apart_workers_.finish(deadline);  // closes both
  reception_.stop();
  return finished;
}

// The library's accept thread: hands the new connection on and returns at once.
bool HttpServer::process_and_close_socket(socket_t sock) {
  auto connection = std::make_unique<Connection>(sock);
  reception_.add(std::move(connection));
  return true;
}

void HttpServer::serve(std::unique_ptr<Connection> connection) {
  Exchange exchange;
  try {
    exchange.head = read_head(connection->take_head());
  } catch (const Problem& problem) {
    exchange.refusal = problem;
  }
  answer(std::move(connection), exchange);
}

void HttpServer::refuse(std::unique_ptr<Connection> connection, const char* code) {
  Exchange exchange;
  exchange.refusal = make_problem(code);
  answer(std::move(connection), exchange);
}

void HttpServer::answer(std::unique_ptr<Connection> connection, Exchange& exchange) {
  exchange.connection = connection.get();
  if (exchange.refusal) exchange.head.method = "GET";
  exchange.body_unread = exchange.refusal || exchange.head.has_body();
  fill_request(exchange);
  connection->begin(forwarded_head(exchange.head), Clock::now() + body_time, body_budget);

  current = &exchange;
  bool closed_by_library = false;
  // Later versions of the library also take the two addresses; ours are in the exchange already.
  const auto process = [&](auto& server) {
    if constexpr (requires { server.process_request(*connection, false, closed_by_library, nullptr); })
      return server.process_request(*connection, false, closed_by_library, nullptr);
    else
      return server.process_request(*connection, "", 0, "", 0, false, closed_by_library, nullptr);
  };
  const bool answered = process(*this) && connection->send();
  current = nullptr;

  log_access({exchange.request.id, exchange.refusal ? "-" : exchange.request.method,
              exchange.refusal ? "-" : exchange.request.path, exchange.status, exchange.sqlstate,
              Clock::now() - exchange.start});
  if (answered && exchange.close)
    reception_.drain(std::move(connection));
  else if (answered)
    reception_.add(std::move(connection));
  connection.reset();
  if (exchange.afterwards) exchange.afterwards();
}

// A body that is not there yet keeps a worker waiting: some may, and fewer may for long, so that the other requests go
// on, and those whose bodies come at once.
std::string HttpServer::read_body(Exchange& exchange, const httplib::ContentReader* reader) {
  if (reader == nullptr) return {};
  const auto is_there = [&exchange](Clock::time_point deadline) {
    return !exchange.head.chunked && exchange.connection->await_input(exchange.head.length, deadline);
  };
  std::optional<Slot> waiting, slow;
  if (!is_there(Clock::now())) {
    waiting.emplace(waiting_bodies_, half_ * 3 / 4);
    if (exchange.head.expects_continue) {
      exchange.connection->write("HTTP/1.1 100 Continue\r\n\r\n", 25);
      exchange.connection->send();
    }
    if (!is_there(Clock::now() + quick_body_time)) slow.emplace(slow_bodies_, half_ / 2);
  }
  std::string body;
  bool too_large = false;
  const bool complete = (*reader)([&](const char* data, size_t size) {
    too_large = body.size() + size > max_body_size;
    if (!too_large) body.append(data, size);
    return !too_large;
  });
  if (too_large) throw make_problem("OA101");
  if (!complete) throw make_problem("OA108", "the body is malformed or did not arrive in time");
  exchange.body_unread = false;
  return body;
}

void HttpServer::fill_request(Exchange& exchange) const {
  Request& request = exchange.request;
  request.id = random_hex(16);
  request.method = exchange.head.method;
  request.path = exchange.head.path;
  request.query = exchange.head.query;
  request.headers = exchange.head.headers;
  request.has_body = exchange.head.has_body();
  request.ip = exchange.connection->peer();
  if (behind_tls_) {
    // The proxy in front appends the address that it saw; what stands before it is the client's own claim.
    // Some append it as a header of its own.
    for (const auto& [name, value] : request.headers)
      if (name == "x-forwarded-for") {
        const auto last = trim(std::string_view(value).substr(value.rfind(',') + 1));
        if (!last.empty()) request.ip = last;
      }
  }
}

void HttpServer::handle(httplib::Response& response, const httplib::ContentReader* reader) {
  Exchange& exchange = *current;
  Reply reply;
  if (exchange.refusal) {
    reply = to_reply(*exchange.refusal, exchange.request.id);
  } else {
    exchange.request.read_body = [this, &exchange, reader] { return read_body(exchange, reader); };
    reply = handler_(exchange.request);
  }
  exchange.sqlstate = reply.sqlstate;
  exchange.afterwards = std::move(reply.afterwards);
  // After chunks the connection is done: the library forgives too much in them to trust what follows.
  exchange.close = exchange.body_unread || exchange.head.chunked || !exchange.head.keep_alive || stopping_ ||
                   exchange.connection->requests >= max_requests_per_connection;
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.headers.emplace(name, value);
  response.body = std::move(reply.body);
}

}  // namespace opsadmin
