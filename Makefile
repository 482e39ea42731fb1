# opsadmin: the PostgreSQL extension (PGXS), the gateway and the page. The version stands in
# opsadmin.control alone. test/run, test/demo and test/packages do the longer work.

EXTENSION  = opsadmin
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" opsadmin.control)
MODULE_big = opsadmin
DATA_built = opsadmin--$(EXTVERSION).sql
SQL_PARTS  = $(addprefix sql/,$(shell grep -v '^\#' sql/order))

CORE_OBJS = $(patsubst %.cpp,%.o,$(wildcard extension/core/*.cpp))
PG_OBJS   = $(patsubst %.cpp,%.o,$(wildcard extension/pg/*.cpp))
OBJS      = $(CORE_OBJS) $(PG_OBJS) $(patsubst %.cpp,%.o,$(wildcard extension/boundary/*.cpp extension/*.cpp))

PG_CONFIG   ?= pg_config
WARNINGS     = -Wall -Wextra -Werror -Wno-unused-parameter
PG_CXXFLAGS  = -std=c++20 $(WARNINGS) -isystem $(shell $(PG_CONFIG) --includedir-server)
SHLIB_LINK   = -Wl,--version-script=extension/exports.map -largon2 -lstdc++
EXTRA_CLEAN  = opsadmin--*.sql

# Bitcode of functions that are called once a statement buys nothing, and PGXS compiles it without PG_CXXFLAGS.
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The zones of the source, kept apart by the compiler: core sees no server header, pg has no exceptions.
$(CORE_OBJS): override CPPFLAGS :=
$(CORE_OBJS): override CXXFLAGS := -std=c++20 $(WARNINGS) -O2 -g -fPIC
$(PG_OBJS): override CXXFLAGS += -fno-exceptions -fno-rtti

$(OBJS): $(wildcard extension/*.h extension/*/*.h extension/core/errors.def)
$(shlib): extension/exports.map

# The install script creates everything anew, so nobody can have planted an object for OR REPLACE to adopt.
opsadmin--$(EXTVERSION).sql: sql/order $(SQL_PARTS)
	{ echo '\echo Use "CREATE EXTENSION opsadmin" to load this file. \quit'; \
	  sed 's/^CREATE OR REPLACE /CREATE /' $(SQL_PARTS); } > $@.tmp && mv $@.tmp $@
