# Slipway: everything that a checkout can do. `make` alone lists it.
# What belongs here: the environment in .venv, and short names for commands. Not: logic (that is in the commands).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALLED := $(VENV)/.installed
# Further arguments for demo, up, test and bench: make demo ARGS="--days 30"
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo up test test-fast wheel lint format lock bench clean

help: ## list the targets
	@echo "usage: make TARGET [PYTHON=python3.12] [SLIPWAY_HOME=folder] [ARGS=\"further arguments\"]"
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)$$/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-11s %s\n", $$1, $$2 }'

install: $(INSTALLED) ## make .venv and install the locked packages and the project into it

demo: $(INSTALLED) ## run the main job end to end on simulated card transactions
	@$(BIN)/slipway demo $(ARGS)

up: $(INSTALLED) ## start the Dagster UI, on this machine only
	@$(BIN)/slipway up $(ARGS)

test-fast: $(INSTALLED) ## run the tests that need no server, no Spark, no browser and no long run: for everyday work
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS) tests/unit tests/test_definitions.py

# Tests start hundreds of processes; with PYTHONDONTWRITEBYTECODE set each would compile the project for itself.
COMPILE := -m compileall -q assets lakehouse orchestration serving tests

test: $(INSTALLED) ## run the tests
	@$(PY) $(COMPILE)
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(INSTALLED) ## check style, format, imports between packages, and types
	@failed=; \
	for check in "ruff check" "ruff format --check" lint-imports pyright; do \
		echo "lint: $$check"; \
		$(BIN)/$$check || failed="$$failed; $$check"; \
	done; \
	test -z "$$failed" || { echo "lint: failed$$failed" >&2; exit 1; }

format: $(INSTALLED) ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

# No prerequisite but uv: a lock that cannot be installed must not prevent writing a new one.
lock: ## rewrite requirements.lock from pyproject.toml; ARGS=--upgrade also upgrades versions
	@test -x $(BIN)/uv || { echo "lock: there is no $(BIN)/uv yet; run 'make install' first." >&2; exit 1; }
	@echo "lock: resolving pyproject.toml for Python 3.11 and newer, on every platform ..."
	@$(BIN)/uv pip compile --universal --generate-hashes --all-extras --python-version 3.11 --quiet \
		--no-emit-index-url --no-annotate --no-header $(ARGS) pyproject.toml --output-file requirements.lock
	@echo "lock: requirements.lock is written; 'make install' brings .venv up to it."

wheel: $(INSTALLED) ## build the package into dist/, which pip installs without this checkout
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(PY) --out-dir dist .
	@ls dist/*.whl

bench: $(INSTALLED) ## run every benchmark, one after the other
	@failed=; \
	for file in benchmarks/*.py; do \
		grep -q '^if __name__ == "__main__":' "$$file" || continue; \
		name=$$(basename "$$file" .py); \
		echo "bench: benchmarks.$$name"; \
		$(PY) -m "benchmarks.$$name" $(ARGS) || failed="$$failed $$name"; \
	done; \
	test -z "$$failed" || { echo "bench: failed:$$failed" >&2; exit 1; }

clean: ## remove .venv, caches and build output; your data in SLIPWAY_HOME stays
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache \
		dbt_project/target dbt_project/logs dbt_project/dbt_packages
	@find assets benchmarks lakehouse orchestration tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamp is removed first and written last, so that an interrupted install is repeated. All packages, with uv and the
# build backend, come from requirements.lock and are checked against its hashes.
$(INSTALLED): requirements.lock pyproject.toml
	@rm -f $(INSTALLED)
	@if $(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "install: 1/4 $(VENV) is there"; \
	else \
		command -v "$(PYTHON)" >/dev/null || { \
			echo "install: there is no '$(PYTHON)'. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 install" >&2; exit 1; }; \
		"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
			echo "install: '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1); 3.11 or newer is needed. Name one: make PYTHON=python3.12 install" >&2; exit 1; }; \
		"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "install: '$(PYTHON)' cannot make environments, its venv module is missing. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
		echo "install: 1/4 making $(VENV) with $$("$(PYTHON)" --version)"; \
		"$(PYTHON)" -m venv --clear $(VENV); \
	fi
	@echo "install: 2/4 uv, which installs the rest"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	@echo "install: 3/4 the packages of requirements.lock, each checked against its hash and compiled (about 2.5 GB)"
	@$(BIN)/uv pip sync --compile-bytecode --python $(PY) --require-hashes requirements.lock
	@echo "install: 4/4 slipway itself, from this checkout"
	@$(BIN)/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)
	@echo "install: done. Next: make demo"
