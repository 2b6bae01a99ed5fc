# Each target needs only make and Python 3.11 or newer: the environment makes itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
KERNELS := $(VENV)/.kernels
API := $(VENV)/api/.stamp
CHART := $(VENV)/chart/.stamp
RAY := $(VENV)/.ray
KAFKA := $(VENV)/.kafka
ARGS ?=
export NUMBA_CACHE_DIR ?= $(CURDIR)/$(VENV)/kernels
# Tests start hundreds of processes: without bytecode each of them translates all our sources first.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint fetch acceptance acceptance-full browser openapi chart mutants bench ci lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'
	@echo '  flags are passed on with ARGS, for example: make demo ARGS=--check'

setup: $(KERNELS)  ## make .venv from the locked requirements and compile the kernels

$(STAMP): requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "sluicegate needs Python 3.11 or newer; '$(PYTHON)' was not found. Install it, or say: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sluicegate needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V). Say: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "installing the locked dependencies into $(VENV) (once; a minute or two)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(KERNELS): $(STAMP) $(shell find models -name "*.py")
	@echo "compiling the kernels (once; about a minute)"
	$(BIN)/python -m models.warmup
	$(BIN)/python -m models.warmup merging
	@touch $@

demo: setup  ## run the whole thing on real purchases; needs no Docker, no Java
	$(BIN)/sluicegate demo $(ARGS)

# Four workers on two cores, because files of integration tests mostly wait. These and files that compute take turns
# (tests/conftest.py): by itself xdist begins with files of many tests, and ends with one core idle. The examples in
# docstrings come last, in the same run: what they import is loaded by then.
test: setup  ## unit, contract and integration tests against an embedded broker and Redis
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --doctest-modules \
	  tests/integration tests/contract tests/unit models streaming service $(ARGS)

lint: $(STAMP)  ## ruff, mypy strict, the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Only the tests of shards need Ray, 70 MB of it.
$(RAY): requirements/ray.txt $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/ray.txt
	@touch $@

# With the archive of classes that tests start brokers from; a cache of this user keeps both for all checkouts.
$(KAFKA): tests/support/processes/pom.xml $(STAMP)
	$(BIN)/python -m tests.support.processes.apache_kafka --fetch-only
	@touch $@

# What only some of the tests need. It waits for the network, so it costs least beside what computes (.ci/run). Not Ray:
# mypy would read a package that is being installed.
fetch: $(API) $(CHART) $(KAFKA)  ## environments and servers of the tests of openapi, chart and acceptance

acceptance: setup $(RAY) $(KAFKA)  ## crash tests with real processes, Apache Kafka and redis-server
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/acceptance $(ARGS)

acceptance-full: acceptance  ## the same, a backlog of a million events, and the gate's scenarios on a year of real purchases
	BACKLOG=1000000 $(BIN)/python -m pytest -s tests/acceptance/test_backlog.py
	$(BIN)/python -m pytest -s tests/acceptance/test_gate.py tests/acceptance/test_gate_streams.py --purchases --timeout 1200

browser: setup  ## the live page in a real Chromium
	$(BIN)/python -m pytest tests/browser $(ARGS)

$(API): requirements/api.txt tests/openapi/typescript/package-lock.json $(STAMP)
	@command -v npm >/dev/null || { echo "the client in TypeScript needs npm. On Debian and Ubuntu: apt-get install npm"; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/api.txt
	cp tests/openapi/typescript/*.json tests/openapi/typescript/.npmrc $(@D)
	npm ci --silent --prefix $(@D)
	@touch $@

openapi: setup $(API)  ## the API's description: made-up requests, and generated clients in Python and TypeScript
	$(BIN)/python -m pytest tests/openapi $(ARGS)

$(CHART): requirements/chart.txt deploy/chart/tools.sh deploy/chart/schemas.py $(STAMP)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/chart.txt
	bash deploy/chart/tools.sh $(@D)
	@touch $@

chart: $(CHART)  ## the Helm chart: linted, rendered, held to the schemas of Kubernetes (these need Go 1.24)
	$(BIN)/python -m pytest tests/chart $(ARGS)

mutants: setup  ## put known defects into a copy of the code; fail when the tests miss one
	$(BIN)/python -m tests.mutants $(or $(ARGS),--save)

bench: setup  ## every benchmark; one alone: make bench ARGS="pipeline --json"
	$(BIN)/python -m benchmarks $(or $(ARGS),all --save)

ci:  ## all that continuous integration runs
	bash .ci/run

lock: $(STAMP)  ## resolve the dependencies again and write their hashes
	bash requirements/lock.sh

clean:  ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
