# Everything a developer does, one word each. `make` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv run test test-deep coverage lint format docs bench mutants

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## Make the virtual environment, or bring it up to date

$(STAMP): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

run: $(STAMP) ## Run two nodes, a CPO and an eMSP, on this machine (ARGS="--bare" for empty ones)
	@exec $(BIN)/python -m cli local $(ARGS)

test: lint ## Lint, check types and import contracts, run all tests, and a sample of the largest products of cases
	@echo "Running some 11,000 tests on all cores; four minutes on two. A package index is needed, AWS is not."
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-deep: lint ## The same with every case, and ten times as many random examples
	$(BIN)/python -m pytest -n auto --dist loadgroup --deep

lint: $(STAMP) ## Lint, check formatting, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(STAMP) ## Run all tests and show which lines no test reaches
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term

format: $(STAMP) ## Mend what the linter can mend, and format
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

docs: $(STAMP) ## Write docs/routes.md, docs/support.md and docs/events.schema.json anew from the code and its tests
	$(BIN)/python -m cli docs routes > docs/routes.md.new
	@mv docs/routes.md.new docs/routes.md
	$(BIN)/python -m cli docs support > docs/support.md.new
	@mv docs/support.md.new docs/support.md
	$(BIN)/python -m cli docs events > docs/events.schema.json.new
	@mv docs/events.schema.json.new docs/events.schema.json

bench: $(STAMP) ## Measure what a request costs, and what a sick partner costs the others
	$(BIN)/python -m benchmarks

mutants: $(STAMP) ## Break the code on trial, and see that its tests notice (ARGS="--rule PAG-05")
	$(BIN)/python -m tests.mutants $(ARGS)
