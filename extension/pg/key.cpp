// The one signing key and the one HMAC of opsadmin. The key is a file that only the server's own user
// can read; it never enters SQL, a setting or a dump.
#include "compat.h"
#include "settings.h"

#include "../core/error.h"
#include "raise.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "common/hmac.h"
#include "common/sha2.h"
#include "storage/fd.h"
#include "utils/builtins.h"
}

namespace opsadmin {

static constexpr int key_length = 32;

[[noreturn]] static void RaiseUnusable(const char* detail) {
  ereport(ERROR, (OpsadminErrcode(oa::key_unusable), errmsg("the signing key \"%s\" cannot be used", key_file),
                  errdetail("%s", detail),
                  errhint("It is a file of 32 random bytes, owned by the server's user, with mode 0600; "
                          "SELECT opsadmin_private.ensure_key() makes one.")));
  pg_unreachable();
}

// Reads the key into 32 bytes; raises OA004 when it is missing, too open or of another length.
static void ReadKey(uint8* key) {
  const int file = OpenTransientFile(key_file, O_RDONLY | PG_BINARY);
  if (file < 0) RaiseUnusable(errno == ENOENT ? "The file does not exist." : "The file cannot be opened.");
  struct stat status;
  if (fstat(file, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    RaiseUnusable("Its mode lets others read it.");
  uint8 extra;
  if (status.st_size != key_length || read(file, key, key_length) != key_length || read(file, &extra, 1) != 0)
    RaiseUnusable("Its length is not 32 bytes.");
  CloseTransientFile(file);
}

// Makes the key file with random bytes when it does not exist; an existing one is only checked.
OPSADMIN_FUNCTION(opsadmin_ensure_key) {
  uint8 key[key_length];
  const int file = OpenTransientFilePerm(key_file, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
  if (file >= 0) {
    if (!pg_strong_random(key, key_length)) RaiseUnusable("No random bytes are available.");
    if (write(file, key, key_length) != key_length || pg_fsync(file) != 0) {
      (void)unlink(key_file);
      RaiseUnusable("The file cannot be written.");
    }
    CloseTransientFile(file);
  } else if (errno != EEXIST) {
    RaiseUnusable("The file cannot be created.");
  }
  ReadKey(key);
  explicit_bzero(key, sizeof key);
  PG_RETURN_VOID();
}

// sign(purpose, payload) returns HMAC-SHA256(key, purpose || NUL || payload), 32 bytes.
OPSADMIN_FUNCTION(opsadmin_sign) {
  const text* purpose = PG_GETARG_TEXT_PP(0);
  const bytea* payload = PG_GETARG_BYTEA_PP(1);
  uint8 key[key_length];
  const uint8 separator = 0;
  bytea* mac = static_cast<bytea*>(palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH));
  SET_VARSIZE(mac, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
  ReadKey(key);
  pg_hmac_ctx* hmac = pg_hmac_create(PG_SHA256);
  const bool done =
      hmac != nullptr && pg_hmac_init(hmac, key, key_length) == 0 &&
      pg_hmac_update(hmac, reinterpret_cast<const uint8*>(VARDATA_ANY(purpose)), VARSIZE_ANY_EXHDR(purpose)) == 0 &&
      pg_hmac_update(hmac, &separator, 1) == 0 &&
      pg_hmac_update(hmac, reinterpret_cast<const uint8*>(VARDATA_ANY(payload)), VARSIZE_ANY_EXHDR(payload)) == 0 &&
      pg_hmac_final(hmac, reinterpret_cast<uint8*>(VARDATA(mac)), PG_SHA256_DIGEST_LENGTH) == 0;
  explicit_bzero(key, sizeof key);
  if (hmac != nullptr) pg_hmac_free(hmac);
  if (!done) elog(ERROR, "HMAC failed");
  PG_RETURN_BYTEA_P(mac);
}

// random_token() returns 256 random bits in base64url (43 characters).
OPSADMIN_FUNCTION(opsadmin_random_token) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint8 bytes[33] = {0};  // one byte of padding, so that the last group is whole
  char token[44];
  if (!pg_strong_random(bytes, 32)) elog(ERROR, "no random bytes are available");
  for (int group = 0; group < 11; group++) {
    const uint32 bits = bytes[group * 3] << 16 | bytes[group * 3 + 1] << 8 | bytes[group * 3 + 2];
    for (int i = 0; i < 4; i++) token[group * 4 + i] = alphabet[bits >> (18 - 6 * i) & 63];
  }
  PG_RETURN_TEXT_P(cstring_to_text_with_len(token, 43));
}

}  // namespace opsadmin
