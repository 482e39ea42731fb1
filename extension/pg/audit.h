// The audit trigger's parts: row_json turns rows into jsonb, audit_log writes entries, audit drives both.
#pragma once

#include "compat.h"

extern "C" {
#include "executor/executor.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
}

namespace opsadmin {

void InitializeAudit();

// ---- row_json.cpp: columns of a row as jsonb ----

enum class ColumnRule : uint8 { keep, redact, ignore };

// What a statement needs to know of an audited table; lives as long as the trigger's call.
struct RowShape {
  TupleDesc descriptor;
  ColumnRule* rules;       // by attribute index
  FmgrInfo* to_jsonb;      // by attribute index, for types without a short cut
  MemoryContext context;   // where to_jsonb lives: longer than a row
  Bitmapset* key_columns;  // attribute indexes of the primary key, NULL without one
};

RowShape* MakeRowShape(Relation relation);
// The key columns as an object, NULL without a primary key.
Jsonb* RowKey(const RowShape* shape, TupleTableSlot* slot);
// All columns but the ignored ones.
Jsonb* WholeRow(const RowShape* shape, TupleTableSlot* slot);
// The columns that differ, old and new; false when none does.
bool ChangedColumns(const RowShape* shape, TupleTableSlot* before, TupleTableSlot* after, Jsonb** old_values,
                    Jsonb** new_values);

// ---- audit_log.cpp: rows of the audit tables ----

struct AuditWriter;

AuditWriter* OpenAuditWriter(int32 target_id);
// Writes one entry; op is I, U, D or T; jsonb arguments may be NULL.
void WriteAuditEntry(AuditWriter* writer, int64 tenant_id, char op, Jsonb* key, Jsonb* before, Jsonb* after);
void CloseAuditWriter(AuditWriter* writer);
void InitializeAuditLog();
// Makes the next entry begin a new header: another context holds from here on.
void EndAuditHeader();

}  // namespace opsadmin
