// Tickets and the JSON reader: what they take, what they refuse, and that no bytes make them read outside of a
// text (under the sanitizers of check-long).
// topic: tickets
#include "../../extension/core/ticket.h"

#include <cstdint>
#include <random>
#include <vector>

#include "../../extension/core/json.h"
#include "check.h"

using namespace opsadmin;
using test::Check;

namespace {

// A copy without anything behind it, so that a sanitizer sees each byte too many.
std::vector<char> CopyOf(std::string_view text) {
  return {text.begin(), text.end()};
}

bool IsJson(std::string_view text) {
  std::vector<char> copy = CopyOf(text);
  JsonReader reader(copy.data(), copy.size());
  return reader.Skip() && reader.AtEnd();
}

std::string StringOf(std::string_view text) {
  std::vector<char> copy = CopyOf(text);
  JsonReader reader(copy.data(), copy.size());
  std::string_view value;
  return reader.ReadString(&value) && reader.AtEnd() ? std::string(value) : "refused";
}

std::string Decoded(std::string_view text) {
  std::vector<char> bytes(text.size());
  size_t length;
  return DecodeBase64Url(text, bytes.data(), &length) ? std::string(bytes.data(), length) : "refused";
}

bool Same(const char* reason, const char* expected) {
  return reason == nullptr ? expected == nullptr : expected != nullptr && std::string_view(reason) == expected;
}

const char* HeaderOf(std::string_view json) {
  std::vector<char> copy = CopyOf(json);
  std::string_view key_id;
  return ReadTicketHeader(copy.data(), copy.size(), &key_id);
}

}  // namespace

int main() {
  using namespace std::literals;

  for (const auto text :
       {"{}", " [ ] ", R"({"a":[1,-0,2.5e-3,1E400,true,false,null,"x"]})", R"("\u0000x")", "0", "\"\""})
    Check(IsJson(text) == (std::string_view(text).find("u0000") == std::string_view::npos), text);
  for (const auto text : {"",
                          "{",
                          "}",
                          "[1,]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{a:1}",
                          "01",
                          "1.",
                          ".5",
                          "+1",
                          "1e",
                          "--1",
                          "nul",
                          "truee",
                          "\"",
                          "\"\\\"",
                          "\"\t\"",
                          R"("\x")",
                          R"("\u12")",
                          R"("\ud800")",
                          R"("\udc00")",
                          R"("\ud800\u0041")",
                          "[] []",
                          "NaN",
                          "Infinity",
                          "'a'"})
    Check(!IsJson(text), text);
  Check(IsJson(std::string(31, '[') + std::string(31, ']')), "31 levels");
  Check(!IsJson(std::string(100000, '[')), "100,000 levels are refused, without recursion");
  Check(StringOf(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t", "escapes");
  Check(StringOf(R"("\u0041\u00e9\uD55C\ud83d\ude00")") == "Aé한😀", "code points become UTF-8");

  Check(Decoded("") == "" && Decoded("Zg") == "f" && Decoded("Zm8") == "fo" && Decoded("Zm9v") == "foo", "base64url");
  Check(Decoded("-_-_") == "\xfb\xff\xbf", "its own digits");
  for (const auto text : {"Z", "Zh", "Zm9", "Zg=", "Zg==", "Zm9v\n", "+/+/", "Zm9vZ"})
    Check(Decoded(text) == "refused", text);

  TicketParts parts;
  Check(SplitTicket("a.b.c", &parts) && parts.Signed() == "a.b" && parts.signature == "c", "three parts");
  Check(SplitTicket("..", &parts) && parts.Signed() == ".", "which may be empty");
  for (const auto text : {"", "a", "a.b", "a.b.c.d", "a.b.c."}) Check(!SplitTicket(text, &parts), text);
  Check(!SplitTicket(std::string(max_ticket_length, 'a') + "..", &parts), "a ticket has its length");

  Check(Same(HeaderOf(R"({"alg":"HS256","typ":"JWT","kid":"k"})"), nullptr), "a header");
  Check(Same(HeaderOf(R"({"alg":"none","kid":"k"})"), "its algorithm is not HS256"), "alg is never chosen");
  Check(Same(HeaderOf(R"({"alg":"HS256","kid":"k","crit":[]})"), "its header has critical extensions"), "crit");
  Check(Same(HeaderOf(R"({"alg":"HS256","alg":"HS256","kid":"k"})"), "its header is not well formed"), "alg twice");

  const auto judged = [](std::string_view change, double now) -> const char* {
    std::vector<char> json = CopyOf(R"({"aud":"a","db":"d","iat":1000,"exp":1060,"jti":"0123456789abcdef",)" +
                                    std::string(change) + R"("x":1})");
    static TicketClaims claims;
    const char* reason = ReadTicketClaims(json.data(), json.size(), &claims);
    return reason != nullptr ? reason : JudgeTicket(claims, "a", "d", now);
  };
  Check(Same(judged("", 1000), nullptr), "a good ticket");
  Check(Same(judged("", 1059.999), nullptr), "until its last moment");
  Check(Same(judged("", 1060), "it has expired"), "and no longer");
  Check(Same(judged("", 995), nullptr), "the issuer's clock may be five seconds ahead");
  Check(Same(judged("", 994.9), "it lies in the future"), "and no more");
  Check(Same(judged(R"("nbf":1006,)", 1000.9), "it lies in the future"), "nbf");
  Check(Same(judged(R"("iat":1000,)", 1000), "its claims are not well formed"), "iat twice");
  Check(Same(judged(R"("ip":"::1",)", 1000), nullptr), "an address");
  Check(Same(judged(R"("ip":"::1%lo",)", 1000), "its ip is no address"), "an address with a zone");

  // Fixed seed: the same bytes in each run.
  std::mt19937 random(20240229);
  const std::string model =
      R"({"aud":"a\u00e9","db":"d","iat":1e3,"exp":-1.5,"permissions":["p","q\n"],"x":{"y":[[],{}]},"ip":"::1"})";
  for (int round = 0; round < 200000; round++) {
    std::vector<char> json = CopyOf(model);
    for (unsigned changes = random() % 4 + 1; changes > 0; changes--)
      json[random() % json.size()] = static_cast<char>(random() % 3 == 0 ? random() : model[random() % model.size()]);
    json.resize(random() % 4 == 0 ? random() % json.size() : json.size());
    json.shrink_to_fit();
    TicketClaims claims;
    if (ReadTicketClaims(json.data(), json.size(), &claims) == nullptr) JudgeTicket(claims, "a", "d", 0);
  }
  Check(true, "200,000 texts with wrong bytes are read without harm");
  return test::Finish();
}
