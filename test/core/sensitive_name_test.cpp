// Names that look sensitive, and names that only resemble them.
#include "../../extension/core/sensitive_name.h"

#include "check.h"

using opsadmin::LooksSensitive;
using test::Check;

int main() {
  for (const char* name :
       {"password",   "PASSWORD",      "password_hash", "new_password", "userpassword",  "passwd",      "pwd",
        "secret",     "client_secret", "secrets",       "token",        "refresh_token", "tokens",      "apiToken",
        "APIToken",   "api-token",     "api token",     "api_key",      "apiKey",        "APIKey",      "apikey",
        "api.key",    "ssn",           "customer_ssn",  "SSN",          "iban",          "card_number", "cardNumber",
        "cardnumber", "credit_card",   "cvv",           "pin",          "private_key",   "totp",        "_token_",
        "__secret",   "jwt",           "tax_id",        "rrn"})
    Check(LooksSensitive(name), name);
  for (const char* name : {"", "_", "name", "secretary", "tokenizer", "spin", "pinned", "key", "api", "number", "card",
                           "card_type", "accession_key", "assn", "taxi_id"})
    Check(!LooksSensitive(name), name);
  Check(LooksSensitive(std::string(300, 'a')), "a key longer than 256 bytes");
  Check(!LooksSensitive(std::string(256, 'A')), "one of 256 bytes");
  Check(LooksSensitive("고객_주민등록번호") && !LooksSensitive("이름"), "Korean names");
  return test::Finish();
}
