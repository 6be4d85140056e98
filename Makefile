# Two commands are all a person needs: "make serve" and "make test".
# Both install what is missing, and do nothing twice.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
STAMPS := .stamps
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# Two processes share the tests, which wait more than they compute; PROCESSES=0 for one.
PROCESSES ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadgroup
CASE ?=
QUICK ?=
AGAINST ?=
ONLY ?=
SECONDS ?=
CLIENTS ?=
EXECUTIONS ?=

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

serve: $(STAMPS)/image ## start the service on http://127.0.0.1:8000
	@exec $(BIN)/vibecell serve

doctor: $(STAMPS)/image ## say what protects this host
	@$(BIN)/vibecell doctor

image: $(STAMPS)/image ## build the runtime image

test: ready-to-test lint ## everything: lint, types, and one run of all tests
	$(PYTEST) tests/unit tests/conformance tests/languages tests/integration \
		tests/security tests/e2e $(PYTEST_ARGS)

bench: $(STAMPS)/bench $(STAMPS)/image ## compare with a plain service: CASE=hello for one case, QUICK=1 for a short run, AGAINST=DIR for another checkout
	@$(BIN)/python -m bench $(addprefix --case ,$(CASE)) $(if $(QUICK),--quick) $(if $(AGAINST),--against $(AGAINST))

load: $(STAMPS)/bench $(STAMPS)/image ## many users at once, and what is wrong, unfair or left behind: CLIENTS="100 500" for phases of so many, SECONDS=120 for each, ONLY=fairness for that alone
	@$(BIN)/python -m bench.load $(addprefix --clients ,$(CLIENTS)) $(if $(SECONDS),--duration-s $(SECONDS)) \
		$(addprefix --only ,$(ONLY))

soak: $(STAMPS)/bench $(STAMPS)/image ## does memory stay: EXECUTIONS=30000 for so many
	@$(BIN)/python -m bench.load.soak $(if $(EXECUTIONS),--executions $(EXECUTIONS))

page: $(STAMPS)/run $(STAMPS)/web ## write the page's types from the model, and build it
	$(BIN)/python web/contract.py > web/src/contract.ts
	cd web && npm run build

flame: $(STAMPS)/bench $(STAMPS)/image ## draw what each process is busy with, under load: SECONDS=20 for longer
	@$(BIN)/python -m bench.flame $(if $(SECONDS),--seconds $(SECONDS))

mutants: ready-to-test ## put faults into a copy, and see which the tests notice: ONLY=engine/ for some
	@$(BIN)/python -m mutants $(addprefix --only ,$(ONLY))

lint: $(STAMPS)/test ## style, types and the import graph
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src bench mutants
	cd src/vibecell/cell && $(CURDIR)/$(BIN)/mypy --strict --python-version 3.11 \
		--cache-dir $(CURDIR)/.mypy_cache/cell *.py
	$(BIN)/lint-imports --no-cache

format: $(STAMPS)/test ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit conformance languages integration security e2e: ready-to-test ## one kind of tests
	$(PYTEST) tests/$@ $(PYTEST_ARGS)

ready-to-test: $(STAMPS)/test $(STAMPS)/test-programs $(STAMPS)/image $(STAMPS)/docker $(STAMPS)/web

clean: ## remove what was installed here
	rm -rf $(VENV) $(STAMPS) web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- installing ---------------------------------------------------------------

$(STAMPS):
	@mkdir -p $@

$(STAMPS)/venv: | $(STAMPS)
	@.ci/make-venv $(VENV)
	@touch $@

$(STAMPS)/run: pyproject.toml constraints.txt $(STAMPS)/venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable .
	@touch $@

$(STAMPS)/test: pyproject.toml constraints.txt $(STAMPS)/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[test]'
	@touch $@

$(STAMPS)/bench: pyproject.toml constraints.txt $(STAMPS)/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[bench]'
	@touch $@

$(STAMPS)/bubblewrap: $(STAMPS)/venv
	@.ci/install-bubblewrap $(BIN)
	@touch $@

$(STAMPS)/image: $(STAMPS)/run $(STAMPS)/bubblewrap \
		$(wildcard src/vibecell/languages/*/language.toml src/vibecell/languages/*/requirements.txt)
	@$(BIN)/vibecell prepare
	@touch $@

$(STAMPS)/test-programs: | $(STAMPS)
	@.ci/install-packages node:nodejs npm:npm chromium:chromium column:bsdextrautils file:file \
		git:git less:less make:make nginx:nginx-light perl:perl-base promtool:prometheus strings:binutils unzip:unzip xxd:xxd zip:zip
	@touch $@

$(STAMPS)/docker: .ci/install-docker | $(STAMPS)
	@.ci/install-docker
	@touch $@

$(STAMPS)/web: web/package.json web/package-lock.json $(STAMPS)/test-programs
	@if command -v npm >/dev/null; then cd web && npm ci --no-audit --no-fund --no-update-notifier; \
	else echo "npm is not installed: browser tests will be skipped"; fi
	@touch $@

.PHONY: help serve doctor image test bench load soak page flame mutants lint format unit conformance languages integration \
	security e2e ready-to-test clean
