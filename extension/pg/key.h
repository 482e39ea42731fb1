// The signing key and the one HMAC. Each purpose has its own MAC of the key, so that what is signed for one
// is worth nothing for another.
#pragma once

#include "compat.h"

namespace opsadmin {

inline constexpr int mac_length = 32;
inline constexpr int key_id_length = 16;

// A key as it is in the file, and what tickets need of it.
struct Key {
  uint8 bytes[mac_length];
  uint8 ticket_secret[mac_length];  // the MAC of the purpose "ticket"
  char id[key_id_length + 1];       // hex digits that tell nothing about the key
};

// The key that signs; raises OA004 when the file cannot be used.
const Key* CurrentKey();
// The key before the last rotation, or NULL.
const Key* PreviousKey();
// HMAC-SHA256 of a message.
void ComputeMac(const uint8* key, const void* message, size_t length, uint8* mac);
// Compares two MACs in a time that does not depend on them.
bool EqualMacs(const uint8* a, const uint8* b);

void RequestKeyMemory();
void InitializeKeyMemory();

}  // namespace opsadmin
