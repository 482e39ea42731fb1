// What the hooks need to know of a relation: whether opsadmin protects it, and under which name the
// permissions speak of it.
#pragma once

#include "compat.h"

namespace opsadmin {

struct RelationFacts {
  Oid relation;
  bool of_server;     // in pg_catalog or information_schema
  bool is_protected;  // itself, or the table that it is a partition or child of
  char resource[NAMEDATALEN];
  char tenant_column[NAMEDATALEN];  // empty when it is not protected
};

// The facts of a relation, kept until it or the registry changes.
RelationFacts FactsOf(Oid relation);

}  // namespace opsadmin
