# Everything a person types. Each target sets up what it needs in .venv; nothing
# beyond Python 3.11 or newer, make and git has to be there before.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready

# Where the sources to check are.
CHECKED := src sdk tests docs/generators docs/mkdocs_hooks.py examples dashboards helm image
TYPED := src sdk/goodput_sdk tests docs/generators docs/mkdocs_hooks.py examples dashboards helm image

# What `make test` leaves out; .ci/run passes "not soak".
MARKS ?= not real and not soak
# More arguments for pytest, e.g. make test ARGS="tests/unit -k spans"
ARGS ?=

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: $(RUN_READY)  ## Watch a real training job being accounted for (RUN_FOR=60, PORT=9909)
	@$(if $(PORT),GOODPUT_EXPORTER_HTTP_PORT=$(PORT)) $(if $(RUN_FOR),RUN_FOR=$(RUN_FOR)) \
	  exec $(BIN)/python examples/demo.py

.PHONY: test
test: $(DEV_READY)  ## Run the fast suites
	@$(BIN)/python -m pytest -m "$(MARKS)" $(ARGS)

.PHONY: lint
lint: $(DEV_READY)  ## Check style, types, import contracts and generated files
	@failed=; for check in \
	  "ruff check $(CHECKED)" \
	  "ruff format --check $(CHECKED)" \
	  "mypy $(TYPED)" \
	  "lint-imports --no-logo" \
	  "python -m docs.generators --check" \
	  "python -m dashboards --check" \
	  "python -m helm.generate --check"; \
	do echo "== $$check"; $(BIN)/$$check || failed="$$failed [$${check%% *}]"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

.PHONY: format
format: $(DEV_READY)  ## Let ruff format and fix what it can
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)

.PHONY: docs
docs: $(DEV_READY)  ## Write the generated reference pages again
	$(BIN)/python -m docs.generators
	$(BIN)/python -m helm.generate

.PHONY: site
site: $(DEV_READY)  ## Build the documentation's site into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir build/site
	@echo "open build/site/index.html"

.PHONY: kube
kube:  ## Build a real control plane for tests/cluster, once, with Go
	@tools/kube/build
	@tools/monitoring/fetch
	@tools/training/fetch

.PHONY: helm
helm:  ## Build Helm, once, with Go
	@tools/kube/build helm

.PHONY: image
image:  ## Build the image with buildah, as root
	@.ci/image

.PHONY: pictures
pictures: $(DEV_READY)  ## Draw every dashboard into build/panels, of a small live system or of STORE=URL
ifdef STORE
	$(BIN)/python -m tests.dashboards.pictures $(STORE) $(if $(LAST_S),--last-s $(LAST_S))
else
	GOODPUT_ARTIFACTS=build $(BIN)/python -m pytest tests/dashboards/test_stores.py -k looked_at -q
endif

.PHONY: dashboards
dashboards: $(DEV_READY)  ## Write the dashboards and the rules again
	$(BIN)/python -m dashboards
	$(BIN)/python -m helm.generate

.PHONY: soak
soak: $(DEV_READY)  ## Leave an agent on for half an hour, the image under load for ten minutes; kill the leader twenty times
	@$(BIN)/python -m pytest tests/soak tests/cluster tests/image -m soak -s $(ARGS)

.PHONY: bench
bench: $(DEV_READY)  ## Measure, beside peers; prints medians and ranges
	@found=0; for bench in tests/benchmarks/bench_*.py; do \
	  [ -e "$$bench" ] || continue; found=1; \
	  echo "== $$bench"; PYTHONPATH=. $(BIN)/python "$$bench"; \
	done; [ $$found = 1 ] || echo "no benchmarks in tests/benchmarks yet"

.PHONY: mutants
mutants: $(DEV_READY)  ## Break the domain's rules one by one and see whether a test fails
	-$(BIN)/mutmut run $(ARGS)
	@$(BIN)/mutmut results | grep survived || true
	@$(BIN)/mutmut export-cicd-stats >/dev/null
	@$(BIN)/python -c 'import json; n = json.load(open("mutants/mutmut-cicd-stats.json")); \
	  found = n["killed"] + n["timeout"] + n["suspicious"]; \
	  ran = found + n["survived"] + n["no_tests"]; \
	  print(f"{found} of {ran} mutants found: {found / max(ran, 1):.1%}; {n}")'

.PHONY: lock
lock:  ## Resolve the newest allowed versions into requirements/*.txt
	@.ci/lock

.PHONY: clean
clean:  ## Remove the virtual environment, caches and artefacts
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache artifacts build dist

$(BIN)/python:
	@.ci/venv $(VENV)

$(RUN_READY): requirements/run.txt pyproject.toml sdk/pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e . -e sdk
	@touch $@

$(DEV_READY): requirements/dev.txt $(RUN_READY) | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@
