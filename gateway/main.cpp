// opsadmin-gateway: starts, waits for the signal to stop, and stops. Everything else is elsewhere.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "access_log.h"
#include "check.h"
#include "gateway.h"
#include "options.h"
#include "routes.h"
#include "server.h"

namespace {

using namespace opsadmin;

constexpr auto shutdown_patience = std::chrono::seconds(10);

// Partners have threads of their own, as they have connections of their own: whatever theirs wait for, staff do not.
bool waits_for_partners(std::string_view target) {
  return site_of(target) == Site::partner || target.starts_with("/readyz");
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

int serve(const Options& options) {
  // Blocked before any thread exists, so that only the wait below gets them.
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Gateway gateway(options);
  HttpServer server(static_cast<std::size_t>(options.threads), options.behind_tls, waits_for_partners,
                    [&gateway](const Request& request) { return gateway.handle(request); });
  const auto address = server.bind(options.listen);

  std::atomic<bool> accepting{true};
  std::thread acceptor([&] {
    accepting = server.listen_after_bind();
    ::kill(::getpid(), SIGTERM);  // also when it ended by itself
  });
  while (accepting && !server.is_running()) std::this_thread::yield();
  if (!options.behind_tls) log_event("plain_http", "cookies are not secure: only for use on this machine");
  log_event("listening", address);

  int signal = 0;
  sigwait(&signals, &signal);
  const bool failed = !accepting;
  const bool finished = server.shut_down(shutdown_patience);
  acceptor.join();
  log_event("stopped", finished ? "all requests were answered" : "requests that took too long were cut off");
  // Threads that still wait for the database cannot be joined in time.
  if (!finished) std::_Exit(failed);
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    if (options.help) {
      std::cout << usage;
      return 0;
    }
    if (options.version) {
      std::cout << "opsadmin-gateway " OPSADMIN_VERSION "\n";
      return 0;
    }
    if (options.check) return check(options) ? 0 : 1;
    return serve(options);
  } catch (const UsageError& error) {
    std::cerr << "opsadmin-gateway: " << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "opsadmin-gateway: " << error.what() << "\n";
    return 1;
  }
}
