# The commands of the project. `make cards` and `make test` set themselves up; nothing else is needed.
#
# PYTHON   the interpreter to make the virtual environment with (default: the first that fits)
# ARGS     more arguments for pytest, e.g. make test ARGS="-k facts"

SHELL := /bin/sh
VENV ?= .venv
WORKERS ?= 2
PROGRAMS ?= 50000
SEED ?= 0
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq

# Python 3.11 comes first: the locks were resolved on it, and any newer one works too.
CANDIDATES := $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3

.DEFAULT_GOAL := help
.PHONY: help cards test lint format types goldens report bench fuzz faults prepare lock setup setup-test clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile

cards: setup  ## render every spec into renders/ (SVG and PNG); what has not changed is skipped
	@$(BIN)/archdsl render specs -o renders

test: setup-test  ## run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: setup-test types  ## style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/archdsl fmt --check specs archdsl/std

types: setup-test  ## types only
	@$(BIN)/mypy

format: setup-test  ## rewrite the Python and the specs in the project's form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/archdsl fmt specs archdsl/std

goldens: setup-test  ## accept what the code prints now as the expected output; read the diff before committing
	@ARCHDSL_ACCEPT=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q $(ARGS)
	@git status --short docs

report: setup-test  ## one HTML page: every card before, after and the difference
	@$(BIN)/python -m archdsl.report specs -o report/index.html

bench: setup-test  ## times, as ratios measured in one run
	@$(BIN)/python tests/bench.py $(ARGS)

fuzz: setup-test  ## random programs (PROGRAMS=50000 SEED=0), property tests with many more examples
	@$(BIN)/python tests/random_programs.py --seed $(SEED) --count $(PROGRAMS) --jobs $(WORKERS)
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" $(ARGS)

faults: setup-test  ## put one-line faults into a copy of the program and see that a test catches each
	@$(BIN)/python tests/seeded_faults.py $(ARGS)

prepare: setup  ## remake the tables that are prepared ahead (parser, standard library); set-up does it by itself
	@$(BIN)/python -m archdsl.prepare

lock:  ## resolve pyproject.toml anew and write the exact versions
	@sh .lock/resolve.sh

clean:  ## remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist report *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(VENV)/.prepared
setup-test: $(VENV)/.test $(VENV)/.prepared

$(BIN)/python:
	@for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "making $(VENV) with $$("$$python" --version)"; exec "$$python" -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "archdsl needs Python 3.11 or newer with its venv module, and none was found (tried: $(strip $(CANDIDATES)))." >&2; \
	echo "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv) or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	exit 1

# The locks name every package, so pip resolves nothing (--no-deps) and fetches no build tools of its own.
$(VENV)/.run: .lock/run.txt pyproject.toml | $(BIN)/python
	@echo "installing archdsl and the packages it needs into $(VENV)"
	@$(PIP) install --no-deps -r .lock/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: .lock/test.txt $(VENV)/.run
	@echo "installing the packages of the tests into $(VENV) (torch is large: this takes a minute or two)"
	@$(PIP) install --no-deps -r .lock/test.txt
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) install $$(grep '^torch==' .lock/test.txt)
	@touch $@

# Start-up is twice as fast with these; stale ones are never used.
$(VENV)/.prepared: $(VENV)/.run grammar/arch.lark archdsl/record.py archdsl/source.py archdsl/syntax.py $(wildcard archdsl/parser/*.py archdsl/std/*.arch)
	@$(BIN)/python -m archdsl.prepare >/dev/null
	@touch $@
