# Everything sets itself up: all that is needed is Python 3.11 or later, its venv module and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint types format bench renew pictures readme clean

# A real API Gateway event, handled through `bootstrap` under the local host.
demo: $(VENV)/.demo
	$(BIN)/snapboot invoke app.handler @examples/hello-http/event.json --task-root examples/hello-http

# The suite on the default Python: needs Python, make and a package index.
test: $(VENV)/.ready
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

# The slow part too, and every CPython from 3.11 up that this machine has; downloads gigabytes.
test-all: $(VENV)/.ready
	$(BIN)/python .ci/every_python.py

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python .ci/readme.py --check

types: $(VENV)/.ready
	$(BIN)/mypy

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks all

# All recordings, tables, plots and figures in the docs, from a clean commit; an interrupted run goes
# on where it was. ONLY="warm counts" records these scenarios alone.
renew: $(VENV)/.ready
	$(BIN)/python -m benchmarks renew $(ONLY:%=--scenario %)

# What docs/profiling/ shows of real functions' profiles; needs Chromium. ONLY="pandas" takes that alone.
pictures: $(VENV)/.ready
	$(BIN)/python .ci/pictures.py $(ONLY)

# What the README and docs/ take from code and recordings.
readme: $(VENV)/.ready
	$(BIN)/python .ci/readme.py

clean:
	rm -rf $(VENV) .venvs .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

# The demo takes the local host alone, all else the developers' tools. To copy pip into the new
# environment takes half of the demo's time: where $(PYTHON) has a pip, that one does the work.
HAS_PIP = $(PYTHON) -c 'import pip; assert tuple(map(int, pip.__version__.split(".")[:2])) > (22, 2)'
PIP = $$(test -e $(BIN)/pip && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)
INSTALL = $(PIP) install --quiet --disable-pip-version-check

$(BIN)/python:
	@$(HAS_PIP) 2>/dev/null && $(PYTHON) -m venv --without-pip $(VENV) || $(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing the local host into $(VENV)/: some 15 seconds, 50 MB."
	@$(INSTALL) --no-compile --editable '.[host]'
	@touch $@

$(VENV)/.ready: pyproject.toml | $(BIN)/python
	@echo "Installing the developers' tools into $(VENV)/: about a minute, 500 MB."
	@$(INSTALL) --editable '.[dev]'
	@test -e $(BIN)/pip || $(BIN)/python -m ensurepip --default-pip >/dev/null
	@touch $(VENV)/.demo $@
