// Redeems tickets: verifies them by the key files, has them judged by core/ticket.cpp and uses them up. Whatever
// is wrong with one, its bearer is told the same; the reason is in the server's log, and nothing of the ticket.
#include "compat.h"
#include "key.h"
#include "used_tickets.h"

#include "../core/error.h"
#include "../core/ticket.h"
#include "raise.h"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace opsadmin {

// Logs the reason and raises OA015. No CONTEXT tells how far the ticket came, and no STATEMENT, which may be
// the ticket as a literal, is logged.
[[noreturn]] static void RefuseTicket(const char* reason) {
  error_context_stack = nullptr;
  ereport(LOG_SERVER_ONLY, (errmsg("a ticket was refused: %s", reason), errhidestmt(true)));
  ereport(ERROR,
          (OpsadminErrcode(oa::ticket_invalid), errmsg("the ticket is not valid"),
           errhint("Sign a new one for each transaction; the server's log says what was wrong."), errhidestmt(true)));
  pg_unreachable();
}

static void Require(const char* refusal) {
  if (refusal != nullptr) RefuseTicket(refusal);
}

// refuse_ticket(reason): for what SQL finds out.
OPSADMIN_FUNCTION(opsadmin_refuse_ticket) {
  RefuseTicket(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

// Decodes a part of a ticket into JSON text.
static char* DecodeJson(std::string_view part, size_t* length) {
  char* json = static_cast<char*>(palloc(part.size() + 1));
  if (!DecodeBase64Url(part, json, length) || !pg_verify_mbstr(PG_UTF8, json, static_cast<int>(*length), true))
    RefuseTicket("it is not well formed");
  return json;
}

static const Key* KeyOf(std::string_view id) {
  const Key* key = CurrentKey();
  if (id == key->id) return key;
  key = PreviousKey();
  if (key == nullptr || id != key->id) RefuseTicket("its key is unknown");
  return key;
}

static void VerifySignature(const TicketParts& parts) {
  size_t length;
  std::string_view key_id;
  char* header = DecodeJson(parts.header, &length);
  Require(ReadTicketHeader(header, length, &key_id));
  const Key* key = KeyOf(key_id);

  char* given = static_cast<char*>(palloc(parts.signature.size() + 1));
  uint8 expected[mac_length];
  ComputeMac(key->ticket_secret, parts.Signed().data(), parts.Signed().size(), expected);
  if (!DecodeBase64Url(parts.signature, given, &length) || length != mac_length ||
      !EqualMacs(expected, reinterpret_cast<const uint8*>(given)))
    RefuseTicket("its signature is wrong");
}

// A claim as text of this database; NULL when it is not said.
static Datum TextOf(std::string_view claim, bool* is_null) {
  *is_null = claim.data() == nullptr;
  if (*is_null) return Datum{0};
  const int length = static_cast<int>(claim.size());
  const char* converted = pg_any_to_server(claim.data(), length, PG_UTF8);
  const size_t size = converted == claim.data() ? claim.size() : strlen(converted);
  return PointerGetDatum(cstring_to_text_with_len(converted, static_cast<int>(size)));
}

static Datum PermissionsOf(const TicketClaims& claims, bool* is_null) {
  *is_null = claims.permission_count < 0;
  if (*is_null) return Datum{0};
  Datum names[TicketClaims::max_permissions];
  for (int i = 0; i < claims.permission_count; i++) {
    bool absent;
    names[i] = TextOf(claims.permissions[i], &absent);
  }
  return PointerGetDatum(construct_array(names, claims.permission_count, TEXTOID, -1, false, TYPALIGN_INT));
}

// redeem_ticket(ticket, site) uses a ticket up and returns its claims: (subject, tenant, name, ip, method, path,
// request_id, reason, permissions).
OPSADMIN_FUNCTION(opsadmin_redeem_ticket) {
  TupleDesc row;
  if (get_call_result_type(fcinfo, nullptr, &row) != TYPEFUNC_COMPOSITE) elog(ERROR, "redeem_ticket() returns a row");
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) RefuseTicket("there is none");
  const text* ticket = PG_GETARG_TEXT_PP(0);
  const char* audience = psprintf("opsadmin:%s", text_to_cstring(PG_GETARG_TEXT_PP(1)));
  TicketParts parts;
  if (!SplitTicket({VARDATA_ANY(ticket), static_cast<size_t>(VARSIZE_ANY_EXHDR(ticket))}, &parts))
    RefuseTicket("it has not three parts, or is too long");
  VerifySignature(parts);

  size_t length;
  TicketClaims claims;
  char* payload = DecodeJson(parts.payload, &length);
  const double now = TicketClock();
  Require(ReadTicketClaims(payload, length, &claims));
  Require(JudgeTicket(claims, audience, get_database_name(MyDatabaseId), now));
  Require(UseTicket(claims.id.data(), claims.id.size(), claims.issued_at, claims.expires_at, now));

  const std::string_view texts[] = {claims.subject, claims.tenant, claims.name,       claims.ip,
                                    claims.method,  claims.path,   claims.request_id, claims.reason};
  constexpr int permissions = lengthof(texts);
  Datum values[permissions + 1];
  bool nulls[permissions + 1];
  for (int i = 0; i < permissions; i++) values[i] = TextOf(texts[i], &nulls[i]);
  values[permissions] = PermissionsOf(claims, &nulls[permissions]);
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

}  // namespace opsadmin
