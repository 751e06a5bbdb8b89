# make        lint, types and tests
# make demo   grade the sample class
# make test   every test but those that take longest
# make whole  those: the corpus of attacks, every door, the pages of docs/ typed as they stand
# make bench  measure speed, beside nbgrader and otter-grader, into bench/
# Each sets up .venv first, when it is not there or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: all setup demo test lint types whole messages mutate bench release clean

all: lint types test

$(READY): pyproject.toml constraints.txt tests/package.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt torch numpy
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	command -v npm >/dev/null && npm install --prefix tests --no-package-lock --ignore-scripts --silent || true  # axe-core
	touch $@

setup: $(READY)

demo: $(READY)
	$(BIN)/grader grade ch17 tests/sample_class --out demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m "not whole"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

whole: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m whole

messages: $(READY)
	$(BIN)/python -m tests.messages

mutate: $(READY)
	$(BIN)/python -m tests.mutate

bench: $(READY)
	$(BIN)/python -m benchmarks --out bench

release: $(READY)
	for name in $(notdir $(wildcard solutions/*)); do \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nbgrader generate_assignment $$name --create --force || exit 1; \
	done

clean:
	rm -rf $(VENV) demo bench
