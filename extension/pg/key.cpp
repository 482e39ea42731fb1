// The one signing key and the one HMAC of opsadmin. The key is a file that only the server's own user can
// read; it never enters SQL, a setting or a dump. After a rotation the key before it still verifies.
#include "compat.h"
#include "key.h"
#include "settings.h"

#include "../core/error.h"
#include "raise.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "access/htup_details.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "funcapi.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
}

namespace opsadmin {

static_assert(mac_length == PG_SHA256_DIGEST_LENGTH);

static constexpr const char* lock_name = "opsadmin key";
static LWLock* file_lock = nullptr;  // held while key files are made

void RequestKeyMemory() {
  RequestNamedLWLockTranche(lock_name, 1);
}

void InitializeKeyMemory() {
  file_lock = &GetNamedLWLockTranche(lock_name)->lock;
}

[[noreturn]] static void RaiseUnusable(const char* path, const char* detail) {
  ereport(ERROR, (OpsadminErrcode(oa::key_unusable), errmsg("the signing key \"%s\" cannot be used", path),
                  errdetail("%s", detail),
                  errhint("It is a file of 32 random bytes, owned by the server's user, with mode 0600; "
                          "SELECT opsadmin_private.ensure_key() makes one.")));
  pg_unreachable();
}

// --- The HMAC ---------------------------------------------------------------------------------------

// Several pieces make one message.
struct Piece {
  const void* bytes;
  size_t length;
};

template <size_t count>
static void ComputeMacOf(const uint8* key, const Piece (&pieces)[count], uint8* mac) {
  pg_hmac_ctx* hmac = pg_hmac_create(PG_SHA256);
  bool done = hmac != nullptr && pg_hmac_init(hmac, key, mac_length) == 0;
  for (const Piece& piece : pieces)
    done = done && pg_hmac_update(hmac, static_cast<const uint8*>(piece.bytes), piece.length) == 0;
  done = done && pg_hmac_final(hmac, mac, mac_length) == 0;
  if (hmac != nullptr) pg_hmac_free(hmac);
  if (!done) elog(ERROR, "HMAC failed");
}

void ComputeMac(const uint8* key, const void* message, size_t length, uint8* mac) {
  ComputeMacOf(key, {{message, length}}, mac);
}

// What opsadmin signs itself: purpose, a zero byte, payload.
static void SignFor(const uint8* key, const void* purpose, size_t purpose_length, const void* payload,
                    size_t payload_length, uint8* mac) {
  ComputeMacOf(key, {{purpose, purpose_length}, {"", 1}, {payload, payload_length}}, mac);
}

static void Derive(const uint8* key, const char* purpose, uint8* mac) {
  SignFor(key, purpose, strlen(purpose), "", 0, mac);
}

bool EqualMacs(const uint8* a, const uint8* b) {
  uint8 difference = 0;
  for (int i = 0; i < mac_length; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

// --- The key files ----------------------------------------------------------------------------------

// A key that this process has read, and the state of its file then.
struct CachedKey {
  bool valid;
  struct stat file;
  Key key;
};

static CachedKey current_key;
static CachedKey previous_key;

static const char* PreviousPath() {
  return psprintf("%s.old", key_file);
}

static bool SameTime(const struct timespec& a, const struct timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mode == b.st_mode &&
         a.st_uid == b.st_uid && SameTime(a.st_mtim, b.st_mtim) && SameTime(a.st_ctim, b.st_ctim);
}

// Reads a key file into the cache; raises OA004 when others may read it or it is no key.
static void ReadKey(const char* path, CachedKey* cached) {
  cached->valid = false;
  const int file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
  if (file < 0) RaiseUnusable(path, errno == ENOENT ? "The file does not exist." : "The file cannot be opened.");
  struct stat* status = &cached->file;
  if (fstat(file, status) != 0 || !S_ISREG(status->st_mode)) RaiseUnusable(path, "It is no regular file.");
  if (status->st_uid != geteuid()) RaiseUnusable(path, "It belongs to another user.");
  if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0) RaiseUnusable(path, "Its mode lets others read it.");
  Key* key = &cached->key;
  uint8 extra;
  if (status->st_size != mac_length || read(file, key->bytes, mac_length) != mac_length || read(file, &extra, 1) != 0)
    RaiseUnusable(path, "Its length is not 32 bytes.");
  CloseTransientFile(file);

  uint8 mac[mac_length];
  Derive(key->bytes, "ticket", key->ticket_secret);
  Derive(key->bytes, "key-id", mac);
  hex_encode(reinterpret_cast<char*>(mac), key_id_length / 2, key->id);
  key->id[key_id_length] = '\0';
  cached->valid = true;
}

// Looks at the file each time, and reads it when it is another one than the last time.
static const Key* CheckedKey(const char* path, CachedKey* cached) {
  struct stat now;
  if (!cached->valid || stat(path, &now) != 0 || !SameFile(now, cached->file)) ReadKey(path, cached);
  return &cached->key;
}

const Key* CurrentKey() {
  return CheckedKey(key_file, &current_key);
}

const Key* PreviousKey() {
  const char* path = PreviousPath();
  struct stat now;
  if (stat(path, &now) != 0 && errno == ENOENT) return nullptr;
  return CheckedKey(path, &previous_key);
}

// Puts a key in the place of a file, whole or not at all, also when the machine stops meanwhile.
static void WriteKey(const char* path, const uint8* bytes) {
  const char* fresh = psprintf("%s.new", path);
  if (unlink(fresh) != 0 && errno != ENOENT) RaiseUnusable(path, "Its directory cannot be written to.");
  const int file = OpenTransientFilePerm(fresh, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
  if (file < 0) RaiseUnusable(path, "The file cannot be created.");
  if (write(file, bytes, mac_length) != mac_length || pg_fsync(file) != 0) {
    (void)unlink(fresh);
    RaiseUnusable(path, "The file cannot be written.");
  }
  CloseTransientFile(file);
  (void)durable_rename(fresh, path, ERROR);
}

static void WriteRandomKey() {
  uint8 bytes[mac_length];
  if (!pg_strong_random(bytes, mac_length)) RaiseUnusable(key_file, "No random bytes are available.");
  WriteKey(key_file, bytes);
  explicit_bzero(bytes, sizeof bytes);
}

// --- For SQL ----------------------------------------------------------------------------------------

// Makes the key file with random bytes when it does not exist; an existing one is only checked.
OPSADMIN_FUNCTION(opsadmin_ensure_key) {
  struct stat status;
  LWLockAcquire(file_lock, LW_EXCLUSIVE);
  if (stat(key_file, &status) != 0 && errno == ENOENT) WriteRandomKey();
  LWLockRelease(file_lock);
  (void)CurrentKey();
  PG_RETURN_VOID();
}

// rotate_key() makes a new key, keeps the one before as the previous key, and returns the new key's id.
// The old key is copied before the new one takes its place: at no moment there is none.
OPSADMIN_FUNCTION(opsadmin_rotate_key) {
  LWLockAcquire(file_lock, LW_EXCLUSIVE);
  WriteKey(PreviousPath(), CurrentKey()->bytes);
  WriteRandomKey();
  text* id = cstring_to_text(CurrentKey()->id);
  LWLockRelease(file_lock);
  PG_RETURN_TEXT_P(id);
}

static text* Base64Url(const uint8* bytes) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  char token[44];
  for (int group = 0; group < 11; group++) {
    // One byte of padding makes the last group whole; its digit is left out.
    const uint32 last = group * 3 + 2 < mac_length ? bytes[group * 3 + 2] : 0;
    const uint32 bits = bytes[group * 3] << 16 | bytes[group * 3 + 1] << 8 | last;
    for (int i = 0; i < 4; i++) token[group * 4 + i] = alphabet[bits >> (18 - 6 * i) & 63];
  }
  return cstring_to_text_with_len(token, 43);
}

// ticket_key() returns the id and the secret with which an application signs tickets.
OPSADMIN_FUNCTION(opsadmin_ticket_key) {
  TupleDesc row;
  if (get_call_result_type(fcinfo, nullptr, &row) != TYPEFUNC_COMPOSITE) elog(ERROR, "ticket_key() returns a row");
  const Key* key = CurrentKey();
  Datum values[] = {CStringGetTextDatum(key->id), PointerGetDatum(Base64Url(key->ticket_secret))};
  bool nulls[] = {false, false};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

static void SignArguments(FunctionCallInfo fcinfo, const Key* key, uint8* mac) {
  const text* purpose = PG_GETARG_TEXT_PP(0);
  const bytea* payload = PG_GETARG_BYTEA_PP(1);
  SignFor(key->bytes, VARDATA_ANY(purpose), VARSIZE_ANY_EXHDR(purpose), VARDATA_ANY(payload),
          VARSIZE_ANY_EXHDR(payload), mac);
}

// sign(purpose, payload) returns the MAC by the current key, 32 bytes.
OPSADMIN_FUNCTION(opsadmin_sign) {
  bytea* mac = static_cast<bytea*>(palloc(VARHDRSZ + mac_length));
  SET_VARSIZE(mac, VARHDRSZ + mac_length);
  SignArguments(fcinfo, CurrentKey(), reinterpret_cast<uint8*>(VARDATA(mac)));
  PG_RETURN_BYTEA_P(mac);
}

// verify(purpose, payload, mac) tells whether the current key or the previous one made the MAC.
OPSADMIN_FUNCTION(opsadmin_verify) {
  const bytea* given = PG_GETARG_BYTEA_PP(2);
  if (VARSIZE_ANY_EXHDR(given) != mac_length) PG_RETURN_BOOL(false);
  const uint8* mac = reinterpret_cast<const uint8*>(VARDATA_ANY(given));
  uint8 expected[mac_length];
  SignArguments(fcinfo, CurrentKey(), expected);
  if (EqualMacs(expected, mac)) PG_RETURN_BOOL(true);
  const Key* previous = PreviousKey();
  if (previous == nullptr) PG_RETURN_BOOL(false);
  SignArguments(fcinfo, previous, expected);
  PG_RETURN_BOOL(EqualMacs(expected, mac));
}

// random_token() returns 256 random bits in base64url (43 characters).
OPSADMIN_FUNCTION(opsadmin_random_token) {
  uint8 bytes[mac_length];
  if (!pg_strong_random(bytes, mac_length)) elog(ERROR, "no random bytes are available");
  PG_RETURN_TEXT_P(Base64Url(bytes));
}

}  // namespace opsadmin
