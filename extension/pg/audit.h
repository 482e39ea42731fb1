// The audit trigger's parts: audit_table knows the tables, row_json turns rows into jsonb and row_value their odder
// values, audit_log writes entries, audit_storage says where to, audit drives them.
#pragma once

#include "compat.h"

extern "C" {
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
}

namespace opsadmin {

void InitializeAudit();

// ---- audit_merge.cpp ----

void InstallAuditHooks();

// ---- row_json.cpp: columns of a row as jsonb ----

// plain: no rule; the names of members within the value are judged.
enum class ColumnRule : uint8 { plain, keep, redact, ignore };

struct ShapeColumn;

// What a statement needs to know of the rows of an audited table; lives as long as the trigger's call.
struct RowShape {
  TupleDesc descriptor;
  ColumnRule* rules;       // by attribute index; not there once it is finished
  MemoryContext context;   // where it lives: longer than a row
  Bitmapset* key_columns;  // attribute numbers of the primary key as in pull_varattnos(), NULL without one
  int settings;            // which settings the values' text depends on
  int number_key;          // attribute index of a key that is one integer, -1: it is something else
  ShapeColumn* columns;    // those that were not dropped, in the order of jsonb
  int count;
  bool is_lasting;            // it is the same until the relation changes
  int* chosen;                // which of them the object being written has
  StringInfoData buffers[3];  // the key, before and after
};

// How an entry names its row: by an integer, or by an object and its hash.
struct RowKey {
  bool has_number;
  bool is_null;
  int64 number;
  Jsonb* object;
};

// The caller sets rules in between; number_key is the name of the integer that the registry has as the key.
RowShape* MakeRowShape(Relation relation);
// The attribute index of a column, -1: there is none.
int FindColumn(TupleDesc descriptor, const char* name);
// Adds a column to the key of a table that has none of its own.
void AddKeyColumn(RowShape* shape, const char* name);
void FinishRowShape(RowShape* shape, const char* number_key);
// A copy of a finished shape in the current memory context, for the same relation as it has this descriptor now.
RowShape* CopyRowShape(const RowShape* shape, TupleDesc descriptor);
int64 HashOfKey(Jsonb* key);
// These give pointers into the shape's buffers, which hold until the next call.
RowKey KeyOfRow(RowShape* shape, TupleTableSlot* slot);
// Of the key's values as they are, not as the log shows them; equal keys have equal hashes.
uint32 ImageHashOfKey(const RowShape* shape, TupleTableSlot* slot);
bool HasSameKey(const RowShape* shape, TupleTableSlot* one, TupleTableSlot* other);
// All columns but the ignored ones.
Jsonb* WholeRow(RowShape* shape, TupleTableSlot* slot);
// The columns that differ, old and new; false when none does.
bool ChangedColumns(RowShape* shape, TupleTableSlot* before, TupleTableSlot* after, Jsonb** old_values,
                    Jsonb** new_values);

// ---- row_value.cpp: values that are not as simple ----

// Settings of a session that the text of a value may depend on.
inline constexpr int setting_time_zone = 1;
inline constexpr int setting_date_style = 2;
inline constexpr int setting_interval_style = 4;
inline constexpr int setting_float_digits = 8;
inline constexpr int setting_bytea_output = 16;
inline constexpr int setting_money = 32;
inline constexpr int setting_xml_binary = 64;
inline constexpr int setting_all = 127;

struct ValueTraits {
  int settings;
  bool has_json;              // the type is json or has it in it
  bool has_sensitive_member;  // by the names in a composite type
  bool has_members;           // the type is composite or has one in it: it may be altered
};

ValueTraits TraitsOfType(Oid type);
// Gives the settings the values that they have for the log, until RestoreSettings() or the end of the subtransaction.
// Returns the level to restore, 0 when all had them.
int FixSettings(int settings);
void RestoreSettings(int level);
// Tells whether a varlena value has no place in an object of which so much is written.
bool IsTooLarge(Datum value, Size written);
// What stands for a value that is too large: its length and hash.
Jsonb* MarkOfValue(Datum value);
// The value as to_jsonb() has it, or the nearest to it that jsonb can hold. length is the type's.
Jsonb* JsonbOfValue(FmgrInfo* to_jsonb, Oid type, int length, const ValueTraits* traits, Datum value, bool redacts);

// ---- audit_table.cpp: what the triggers say of their tables, and the tenants of rows ----

struct AuditedTable {
  int32 target_id;
  bool is_child;       // a partition, or a table that inherits
  bool is_replicated;  // what logical replication applies has triggers of its own
  RowShape* shape;
  int tenant_column;  // attribute index, -1: the table has none
  FmgrInfo tenant_output;
};

void InitializeAuditedTables();
// The table of a trigger, from its arguments, in the current memory context.
AuditedTable* ReadAuditTrigger(Relation relation, const Trigger* trigger);
// The id of a row's tenant, 0 when it has none.
int64 TenantOfRow(AuditedTable* table, TupleTableSlot* slot);

// ---- audit_storage.cpp: ids, and the partition that an id belongs to ----

void RequestAuditMemory();
void InitializeAuditMemory();
// The first of count ids that nobody else gets, all of one partition and higher than all that were given before.
int64 ReserveAuditIds(int64 count);
// Opens the partition of audit_header or audit_entry that holds an id, or the overflow table when there is none.
Relation OpenAuditPartition(const char* table, int64 id);

// ---- redaction.cpp: what must not get into the log ----

inline constexpr char redacted_text[] = "[redacted]";

// Redacts the columns whose names look sensitive; rules of the table's own come after it.
void RedactSensitiveColumns(RowShape* shape);
// Redacts what is generated from redacted columns, unless a rule of its own says otherwise.
void RedactGeneratedColumns(RowShape* shape);
// The document with "[redacted]" in the place of the members whose names look sensitive, itself when there are none.
Jsonb* RedactMembers(Jsonb* document);

// ---- annotation.cpp: what a transaction says of itself ----

// The action and meta of a header; either may be NULL.
struct Stamp {
  const char* action;
  Jsonb* meta;
};

void InitializeAnnotations();
// What a header written now is stamped with: the action and meta of its own (an event's), or the context's, and the
// annotation of the transaction.
Stamp MakeStamp(const char* own_action, Jsonb* own_meta);

// ---- audit_index.cpp: their indexes ----

struct IndexSet;

// The indexes of a partition that is open, in the current memory context. Those that a row needs are opened then.
IndexSet* OpenIndexes(Relation table);
void InsertIntoIndexes(IndexSet* set, TupleTableSlot** slots, int count);
void CloseIndexes(IndexSet* set);
// Forgets what is known of the indexes of a table, InvalidOid: of any.
void ForgetIndexes(Oid table);

// ---- audit_log.cpp: rows of the audit tables ----

struct AuditWriter;

// expected is how many entries there can be.
AuditWriter* OpenAuditWriter(int32 target_id, int64 expected);
// Writes one entry; op is I, U, D, T or E; jsonb arguments may be NULL.
void WriteAuditEntry(AuditWriter* writer, int64 tenant_id, char op, const RowKey* key, Jsonb* before, Jsonb* after);
void CloseAuditWriter(AuditWriter* writer);
// Writes an event, under a header of its own, since its action and meta are. No target: 0.
void WriteAuditEvent(int64 tenant_id, const char* action, int32 target_id, const RowKey* key, Jsonb* meta);
// Notes a statement that is let through without entries, and why, for health().
void NoteAuditFailure(int32 target_id, const char* message);
void InitializeAuditLog();
// Makes the next entry begin a new header: another context holds from here on.
void EndAuditHeader();

}  // namespace opsadmin
