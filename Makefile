# Every target sets up what it needs in .venv; only python3 (3.11 or newer), make and a
# package index have to be there before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST := 127.0.0.1:8000
COVERAGE := # "-m coverage run" to know what the tests cover

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|' 2>/dev/null || grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.package ## Serve the demo site on http://127.0.0.1:8000
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py seed
	$(BIN)/python manage.py runserver $(HOST)

.PHONY: test
test: $(VENV)/.group-test ## Run the test suite (about four minutes)
	$(BIN)/python $(COVERAGE) -m pytest -rs -m "not bench and not browser and not heavy"

.PHONY: test-heavy
test-heavy: $(VENV)/.group-test ## Run the tests with many thousands of cases
	$(BIN)/python -m pytest -m heavy

.PHONY: test-browser
test-browser: $(VENV)/.group-browser ## Run the tests that drive Debian's chromium
	$(BIN)/python -m pytest -m browser tests/browser

.PHONY: test-bench
test-bench: $(VENV)/.group-test $(VENV)/.group-bench ## Run the tests that need the packages we are measured against
	$(BIN)/python -m pytest -m bench tests/test_benchmarks.py

.PHONY: django-tests
django-tests: $(VENV)/.group-test ## Run Django's own test suites with this engine
	$(BIN)/python scripts/django_suites.py

.PHONY: matrix
matrix: $(VENV)/.group-matrix ## Run the tests on every supported Python and Django found
	$(BIN)/python scripts/matrix.py $(TESTS)

.PHONY: lint
lint: $(VENV)/.group-lint ## Check style and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	git ls-files '*.py' | xargs $(BIN)/django-upgrade --target-version 5.2
	$(BIN)/lint-imports

.PHONY: types
types: $(VENV)/.group-types ## Check the type hints
	$(BIN)/mypy

.PHONY: bench
bench: $(VENV)/.group-bench ## Measure against Django's and others; BENCH=guards for one part
	$(BIN)/python -m benchmarks $(BENCH)

.PHONY: docs
docs: $(VENV)/.group-docs ## Build the documentation into docs/_build
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

.PHONY: clean
clean: ## Remove everything that was built, not the demo's data
	rm -rf $(VENV) .tox build dist docs/_build .coverage .coverage.* .*_cache

# venv brings the pip that came with Python, which may know no dependency groups.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV) \
		|| { echo "This Python has no venv; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.package: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.group-%: pyproject.toml | $(VENV)/.package
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@
