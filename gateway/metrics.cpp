// Figures for a monitoring system, in Prometheus' text format: the gateway's own, and those of the database.
#include "metrics.h"

#include <string>

#include "problem.h"

namespace opsadmin {
namespace {

std::string describe(const std::string& name, const char* help, const char* type) {
  return "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

}  // namespace

void AnswerCounts::add(int status) noexcept {
  const auto digit = static_cast<std::size_t>(status / 100);
  if (digit < counts_.size()) counts_[digit].fetch_add(1, std::memory_order_relaxed);
}

Reply metrics(const Request& request, Api& api, const AnswerCounts& answers) {
  if (request.has_header("x-forwarded-for")) throw make_problem("OA102");
  const std::string info = "opsadmin_gateway_info";
  const std::string requests = "opsadmin_gateway_answers_total";
  const std::string database = "opsadmin_database_up";
  Reply reply;
  reply.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  reply.body = describe(info, "The gateway's version.", "gauge") + info + "{version=\"" OPSADMIN_VERSION "\"} 1\n" +
               describe(requests, "Answers of the gateway by the class of their status.", "counter");
  for (std::size_t digit = 2; digit <= 5; ++digit)
    reply.body += requests + "{status=\"" + std::to_string(digit) + "xx\"} " + std::to_string(answers.of(digit)) + "\n";
  Flight flight;
  flight.call = {"metrics", "SELECT opsadmin.metrics()"};
  Value figures;
  try {
    figures = api.run(Site::internal, flight).at(0);
  } catch (const Problem&) {
    // Said by the figure itself.
  }
  reply.body += describe(database, "Whether the database answered.", "gauge") + database + (figures ? " 1\n" : " 0\n");
  reply.body += figures.value_or("");
  return reply;
}

}  // namespace opsadmin
