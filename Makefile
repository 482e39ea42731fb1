# opsadmin: the PostgreSQL extension (PGXS), the gateway and the page. The version stands in
# opsadmin.control alone. test/run, test/demo and test/packages do the longer work.

PG_CONFIG ?= pg_config
export PG_CONFIG

# These need neither PostgreSQL nor its headers to begin with: their scripts install the packages that
# are missing, and then call make. T names a topic.
HARNESS = check check-long installcheck bench demo demo-up demo-down lint format
ifneq ($(filter $(HARNESS),$(MAKECMDGOALS)),)

check:
	@test/run $(T)
check-long:
	@test/run --long $(T)
installcheck:
	@test/run --installed $(T)
bench:
	@test/bench/run $(T)
demo demo-up demo-down:
	@test/demo $@
lint format:
	@test/lint $@
$(filter-out $(HARNESS),$(MAKECMDGOALS)):
	@$(MAKE) $@
.PHONY: $(HARNESS)

else

EXTENSION  = opsadmin
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" opsadmin.control)
MODULE_big = opsadmin
DATA_built = opsadmin--$(EXTVERSION).sql
SQL_PARTS  = $(addprefix sql/,$(shell grep -v '^\#' sql/order))

CORE_OBJS = $(patsubst %.cpp,%.o,$(wildcard extension/core/*.cpp))
PG_OBJS   = $(patsubst %.cpp,%.o,$(wildcard extension/pg/*.cpp))
OBJS      = $(CORE_OBJS) $(PG_OBJS) $(patsubst %.cpp,%.o,$(wildcard extension/boundary/*.cpp extension/*.cpp))

# SANITIZE=yes is for tests: only the server that test/lib/sanitized_postgres starts can load the module then.
SANITIZERS   = $(if $(SANITIZE),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
WARNINGS     = -Wall -Wextra -Werror -Wno-unused-parameter
PG_CXXFLAGS  = -std=c++20 $(WARNINGS) $(SANITIZERS) -isystem $(shell $(PG_CONFIG) --includedir-server)
SHLIB_LINK   = $(SANITIZERS) -Wl,--version-script=extension/exports.map -largon2 -lstdc++
EXTRA_CLEAN  = opsadmin--*.sql

# Bitcode of functions that are called once a statement buys nothing, and PGXS compiles it without PG_CXXFLAGS.
override with_llvm := no

PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs))
ifeq ($(PGXS),)
$(error The headers of the PostgreSQL server are missing; "test/packages build" installs what a build needs)
endif
NO_INSTALLCHECK = 1
include $(PGXS)

# The zones of the source, kept apart by the compiler: core sees no server header, pg has no exceptions.
$(CORE_OBJS): override CPPFLAGS :=
$(CORE_OBJS): override CXXFLAGS := -std=c++20 $(WARNINGS) $(SANITIZERS) -O2 -g -fPIC
$(PG_OBJS): override CXXFLAGS += -fno-exceptions -fno-rtti

$(OBJS): $(wildcard extension/*.h extension/*/*.h extension/core/errors.def)
$(shlib): extension/exports.map

# The install script creates everything anew, so nobody can have planted an object for OR REPLACE to adopt.
opsadmin--$(EXTVERSION).sql: sql/order $(SQL_PARTS)
	{ printf '%s\n' '\echo Use "CREATE EXTENSION opsadmin" to load this file. \quit'; \
	  sed 's/^CREATE OR REPLACE /CREATE /' $(SQL_PARTS); } > $@.tmp && mv $@.tmp $@

gateway:
	$(MAKE) -C gateway

WEB = gateway/web
web: $(WEB)/dist/index.html
$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json
$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB)/build.mjs $(shell find $(WEB)/src -type f)
	cd $(WEB) && npm run build

clean: clean-parts
clean-parts:
	$(MAKE) -C gateway clean
	$(MAKE) -C test/boundary clean
	rm -rf build $(WEB)/dist
.PHONY: gateway web clean-parts

endif
