# Every target sets up what it needs by itself: a virtual environment in .venv with the tested
# versions of constraints.txt. Needed on the machine: Python 3.11+, Java 17+ and Maven (or
# DECORUM_KAFKA pointing at a cluster).

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AUDIT := $(VENV)/audit
CODE := streams tests deploy
TEST ?=
BENCH ?=
WITHOUT_KAFKA := -m "not kafka" -n auto --dist worksteal

.PHONY: help demo check test lint audit format format-check types chaos replication bench constraints clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(READY) ## the main job end to end on a Kafka of its own
	$(BIN)/decorum demo

check: lint format-check types ## all that needs no broker: lint, form, types, and the tests without Kafka
	$(BIN)/pytest $(WITHOUT_KAFKA) $(TEST)

# Those with a broker one after the other, for they measure times and kill processes.
test: $(READY) ## all tests, real Kafka included (TEST=path for some)
ifdef TEST
	$(BIN)/pytest $(TEST)
else
	$(BIN)/pytest -m kafka
	$(BIN)/pytest $(WITHOUT_KAFKA)
endif

lint: $(READY) audit ## what ruff finds, and pip-audit where its database can be asked
	$(BIN)/ruff check $(CODE)

# In an environment of its own: what it needs is nothing that we install or test with.
audit: $(READY) ## known vulnerabilities in the versions of constraints.txt
	@[ -x $(AUDIT)/bin/pip-audit ] || { $(BIN)/python -m venv $(AUDIT) && \
		$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'; } || \
		echo "pip-audit cannot be installed" >&2
	@$(BIN)/python -m deploy.audit $(AUDIT)/bin/pip-audit constraints.txt

format: $(READY) ## bring all code into form
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

format-check: $(READY) ## whether all code is in form
	$(BIN)/ruff format --check $(CODE)

types: $(READY) ## what mypy finds, strict
	$(BIN)/mypy

chaos: $(READY) ## kills, bad and late networks, stepping clocks, broker faults, broken batches; audited; noise (minutes)
	$(BIN)/python -m tests.system.chaos

replication: $(READY) ## nodes of a replicated cluster die under load, changelogs cleaned meanwhile (minutes)
	$(BIN)/python -m tests.integration.replication

bench: $(READY) ## measure on this machine (BENCH=--quick, --peers, --only NAME …)
	$(BIN)/python -m tests.system.bench $(BENCH)

constraints: ## write constraints.txt anew from the newest versions that pyproject.toml allows
	@$(FIND_PYTHON); \
	scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	"$$python" -m venv "$$scratch" && "$$scratch/bin/pip" install --quiet -e '.[dev]' && \
	{ sed -n '/^#/p' constraints.txt; \
	  "$$scratch/bin/pip" freeze --exclude-editable --exclude pip --exclude setuptools; } \
	  > "$$scratch/constraints.txt" && cp "$$scratch/constraints.txt" constraints.txt

clean: ## remove what was built; Kafka's jars and data stay in the user's own directories
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough; a venv made by an older one would fail much later.
define FIND_PYTHON
python=; for name in python3.11 python3.12 python3.13 python3 python; do \
	if "$$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then python=$$name; break; fi; done; \
if [ -z "$$python" ]; then \
	echo "Decorum needs Python 3.11 or newer with venv; none was found on PATH." >&2; exit 1; fi
endef

# Installed again only when the dependencies changed. A half-made .venv has no stamp.
$(READY): pyproject.toml constraints.txt
	@$(FIND_PYTHON); \
	echo "Setting up $(VENV) with $$("$$python" --version) …"; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
