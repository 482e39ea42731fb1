// One request to PostgreSQL as one pipelined flight: BEGIN, begin_request, one call, COMMIT.
#include "flight.h"

#include <poll.h>

#include <memory>

#include "problem.h"

namespace opsadmin {
namespace {

using Clock = std::chrono::steady_clock;
using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;

// Longer than the statement timeout of the pool's connections: the server should be the one who gives up.
constexpr auto answer_time = std::chrono::seconds(20);

constexpr Statement begin_request{"begin_request", "SELECT opsadmin.begin_request($1, $2, $3, $4, $5, $6)"};

enum class Step { begin, prepare, context, call, commit };

class Pilot {
 public:
  Pilot(PgConnection& connection, const Flight& flight)
      : pg_(connection), flight_(flight), deadline_(Clock::now() + answer_time) {}

  Values run() {
    send();
    for (const auto& [step, name] : steps_) receive(step, name);
    if (!error_) {
      // Committed: whatever breaks from here on is no concern of the client.
      pg_.broken = !at_pipeline_end();
      return std::move(row_);
    }
    if (!at_pipeline_end()) fail();
    recover();
    throw *error_;
  }

 private:
  void send() {
    plain(flight_.read_only ? "BEGIN READ ONLY" : "BEGIN", Step::begin);
    if (flight_.context) prepared(begin_request, *flight_.context, Step::context);
    prepared(flight_.call, flight_.arguments, Step::call);
    plain("COMMIT", Step::commit);
    if (PQpipelineSync(pg_.conn) != 1) fail();
    sent_ = true;
  }

  void plain(const char* sql, Step step) {
    if (PQsendQueryParams(pg_.conn, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) != 1) fail();
    steps_.emplace_back(step, nullptr);
  }

  void prepared(const Statement& statement, const Values& values, Step step) {
    if (!pg_.prepared.contains(statement.name)) {
      if (PQsendPrepare(pg_.conn, statement.name, statement.sql, 0, nullptr) != 1) fail();
      steps_.emplace_back(Step::prepare, statement.name);
    }
    std::vector<const char*> pointers;
    for (const auto& value : values) pointers.push_back(value ? value->c_str() : nullptr);
    if (PQsendQueryPrepared(pg_.conn, statement.name, static_cast<int>(pointers.size()), pointers.data(), nullptr,
                            nullptr, 0) != 1)
      fail();
    steps_.emplace_back(step, nullptr);
  }

  // Takes one step's results up to the NULL that ends them.
  void receive(Step step, const char* name) {
    while (const auto result = next()) {
      switch (PQresultStatus(result.get())) {
        case PGRES_COMMAND_OK:
          if (step == Step::prepare) pg_.prepared.emplace(name);
          break;
        case PGRES_TUPLES_OK:
          if (step == Step::call) take_row(result.get());
          break;
        case PGRES_PIPELINE_ABORTED:
          break;
        default:
          take_error(result.get(), step);
      }
    }
  }

  void take_row(const PGresult* result) {
    if (PQntuples(result) == 0) return;
    for (int i = 0; i < PQnfields(result); ++i) {
      if (PQgetisnull(result, 0, i))
        row_.emplace_back();
      else
        row_.emplace_back(std::string(PQgetvalue(result, 0, i), static_cast<size_t>(PQgetlength(result, 0, i))));
    }
  }

  void take_error(const PGresult* result, Step step) {
    const auto field = [result](int code) {
      const char* text = PQresultErrorField(result, code);
      return std::string(text == nullptr ? "" : text);
    };
    if (!error_) {
      error_ = PgError{field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_MESSAGE_DETAIL),
                       field(PG_DIAG_MESSAGE_HINT), field(PG_DIAG_COLUMN_NAME)};
      refused_before_commit_ = step != Step::commit && !error_->sqlstate.empty();
    }
    if (PQstatus(pg_.conn) != CONNECTION_OK) fail();
  }

  // Waits for the next result; nothing at the end of a step.
  ResultPtr next() {
    int flushing = PQflush(pg_.conn);
    while (flushing != 0 || PQisBusy(pg_.conn)) {
      if (flushing < 0) fail();
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      pollfd item{PQsocket(pg_.conn), static_cast<short>(flushing != 0 ? POLLIN | POLLOUT : POLLIN), 0};
      if (left <= 0 || ::poll(&item, 1, static_cast<int>(left)) == 0) fail(true);
      if (PQconsumeInput(pg_.conn) != 1) fail();
      flushing = PQflush(pg_.conn);
    }
    return ResultPtr(PQgetResult(pg_.conn), PQclear);
  }

  bool at_pipeline_end() {
    try {
      const auto result = next();
      return result && PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC;
    } catch (const ConnectionLost&) {
      return false;
    }
  }

  // Ends the transaction that an error left open.
  void recover() {
    // A statement that changed under its name cannot be used any more on this connection.
    if (error_->sqlstate == "26000" || error_->sqlstate == "0A000") pg_.broken = true;
    if (pg_.broken || PQtransactionStatus(pg_.conn) == PQTRANS_IDLE) return;
    pg_.broken = true;
    if (PQsendQueryParams(pg_.conn, "ROLLBACK", 0, nullptr, nullptr, nullptr, nullptr, 0) != 1 ||
        PQpipelineSync(pg_.conn) != 1)
      return;
    try {
      while (next()) continue;
      pg_.broken = !at_pipeline_end() || PQtransactionStatus(pg_.conn) != PQTRANS_IDLE;
    } catch (const ConnectionLost&) {
      // The error is the answer; the connection goes away.
    }
  }

  [[noreturn]] void fail(bool timed_out = false) {
    pg_.broken = true;
    throw ConnectionLost{timed_out, sent_ && !flight_.read_only && !refused_before_commit_};
  }

  PgConnection& pg_;
  const Flight& flight_;
  const Clock::time_point deadline_;
  std::vector<std::pair<Step, const char*>> steps_;
  std::optional<PgError> error_;
  bool refused_before_commit_ = false;
  bool sent_ = false;
  Values row_;
};

}  // namespace

Values fly(PgConnection& connection, const Flight& flight) {
  return Pilot(connection, flight).run();
}

}  // namespace opsadmin
