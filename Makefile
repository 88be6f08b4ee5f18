# Two commands do everything on a fresh clone: make ask Q="..."  and  make test
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
MODEL := .venv/.model
INDEX := .venv/.index
PYTEST := $(BIN)/python -m pytest
# One more worker than cores: many tests wait for a process or a clock.
IN_PARALLEL := -n $(shell echo $$(($$(nproc 2>/dev/null || echo 1) + 1))) --maxprocesses 4

.PHONY: help ask setup check test test-slow test-shared bench docs wheel clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

ask: export QUESTION := $(value Q)
ask: setup ## answer a question with citations: make ask Q="..."
	@if [ -z "$$QUESTION" ]; then echo 'usage: make ask Q="your question"' >&2; exit 2; fi; $(BIN)/dsp ask -- "$$QUESTION"

setup: $(READY) $(MODEL) $(INDEX) ## create .venv, install what constraints.txt pins, pull the default model, build the default index

$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv (about 2 GB, a few minutes; once)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(MODEL): $(READY)
	@if $(BIN)/dsp models pull; then touch $@; else \
	  echo "the default model could not be pulled; answers will be extractive until 'dsp models pull' succeeds" >&2; fi

$(INDEX): $(READY)
	@$(BIN)/dsp index build digest && touch $@

check: $(READY) ## ruff, format, mypy --strict, architecture, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -q tests/architecture
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python docs/make_results.py --check

test: setup ## the default suite: offline, sockets closed
	$(PYTEST) $(IN_PARALLEL)

test-slow: setup ## kill, fuzz and soak runs with their full counts
	$(PYTEST) -m slow --timeout 3600

test-shared: setup ## tests on the benchmark data beside the checkout (skipped with the reason where it is absent)
	$(PYTEST) $(IN_PARALLEL) -m shared --timeout 1200

bench: setup ## measurements, printed as ratios to a named baseline
	$(BIN)/python -m tests.benchmarks

docs: $(READY) ## write the generated pages
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_results.py

wheel: $(READY) ## build dist/*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean: ## remove what was built here (never the user's data folder)
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
