# Targets are listed by `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
PY := .venv/bin/python
STAMP := .venv/.installed
PAGES := book notebooks _config.yml _toc.yml
# Is the built book newer than every page?
BUILT = test -e _build/site/index.html && test -z "$$(find $(PAGES) -type f -not -name '*.pyc' \
	-newer _build/site/index.html | head -n 1)"
# The tests of the library, on two cores; those of one file in one process, which share what it trained.
FAST = $(PY) -m pytest tests/unit tests/property --numprocesses 2 --dist loadfile

help: ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 11

setup: $(STAMP) ## create .venv with the locked versions and this package

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 found"; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --clear --python $(PYTHON) .venv && \
	  uv pip install --quiet --python $(PY) --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(PY) --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv --clear .venv && \
	  $(PY) -m pip install --quiet --require-hashes -r requirements.lock && \
	  $(PY) -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

book: setup ## run the notebooks and build both editions (RUN=0: render the stored outputs)
ifeq ($(RUN),0)
	@$(PY) book/build.py --stored
else
	@$(PY) book/build.py --fetch
	@$(PY) book/notebooks.py run
	@$(PY) book/build.py
endif

check: lint ## lint, format, types, import layers, fast unit and property tests: under two minutes
	@$(FAST) -m "not slow and not long"

lint: setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(PY) book/notebooks.py check

test: lint ## everything that decides: check, strict nbval, the built book, the browser; CI runs it
	@$(FAST) -m "not long"
	@$(BUILT) || $(PY) book/build.py --stored
	@$(PY) -m pytest tests/notebooks tests/book -m "not long"

test-all: test ## the second nbval setting and the long property and kill tests as well
	@$(PY) -m pytest -m long

grade: setup ## one page that says what this machine reproduces: notebooks, claims, records, book
	@$(PY) book/grade.py

pdf: setup ## print both editions as PDF, by Debian's Chromium
	@$(BUILT) || $(PY) book/build.py --stored
	@$(PY) book/pdf.py

rerun: setup ## run all notebooks, store their outputs and the verdicts
	@$(PY) book/notebooks.py store

paper: setup ## make every run at full size, some days to two weeks on two cores (DATA=folder of the real sets)
	@test -n "$(DATA)" || { echo "DATA: expected the folder of the real sets, as in make paper DATA=data"; exit 1; }
	@.venv/bin/hw2 reproduce --profile paper --data "$(DATA)"

serve: ## look at the book on 127.0.0.1:8000
	@$(PY) -m http.server --bind 127.0.0.1 --directory _build/site 8000

clean: ## remove what was built; runs and the environment stay
	@rm -rf _build node_modules .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache

.PHONY: help setup book check lint test test-all grade pdf rerun paper serve clean
