# On a fresh machine with Python 3.11 or later, make and git:
#   make demo    caption 1,000 rendered scenes and look at the result
#   make test    all checks and tests
# PYTHON chooses the interpreter of the environment: make setup PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-oldest lint docs soak

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP) ## the environment in .venv; the other targets make it themselves

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -x $(BIN)/pip ]; then \
	    $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	        echo "MacCap needs Python 3.11 or later, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -1)." >&2; \
	        echo "Name another: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }; \
	    $(PYTHON) -m venv $(VENV); fi
	@echo "Installing into $(VENV): a few minutes the first time."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## caption 1,000 unseen scenes into demo/, with scores and a contact sheet
	@$(BIN)/maccap demo demo

test: lint ## lint, then all tests, in two processes
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

OLDEST := .venv-oldest
SHORT := tests/maccap/adaptor tests/maccap/image tests/maccap/runtime tests/maccap/text tests/maccap/test_*.py \
    tests/pipeline/execution tests/pipeline/formats tests/pipeline/run tests/pipeline/sources \
    tests/pipeline/stages tests/pipeline/verify tests/jobs/test_explain.py tests/jobs/test_submit.py

test-oldest: ## a short form of the tests on the lowest versions that pyproject.toml allows, in .venv-oldest
	@[ -x $(OLDEST)/bin/pip ] || $(PYTHON) -m venv $(OLDEST)
	@$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e '.[dev]'
	@$(OLDEST)/bin/python -m pytest $(SHORT)


lint: $(STAMP) ## ruff, mypy, directions of imports, layout and words
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.layout

docs: $(STAMP) ## what the code knows of commands, settings and columns into docs/, and docs/ as a site in build/site/
	@$(BIN)/python -m docs.generate
	@$(BIN)/mkdocs build --strict --quiet

soak: $(STAMP) ## caption while drivers, workers and nodes are killed, 100 times on disk and on S3; an hour
	@$(BIN)/python -m tests.faults.suite --kills 100
	@$(BIN)/python -m tests.faults.suite --kills 100 --s3
