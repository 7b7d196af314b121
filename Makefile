# Everything sets itself up: all that is needed is Python 3.11 or later, its venv module and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint types format bench readme clean

# A real API Gateway event, handled through `bootstrap` under the local host.
demo: $(VENV)/.ready
	$(BIN)/snapboot invoke app.handler @examples/hello-http/event.json --task-root examples/hello-http

# The whole suite, on every CPython from 3.11 up that this machine has.
test: $(VENV)/.ready
	$(BIN)/python .ci/every_python.py

# The suite without its slow part, on the default Python alone.
quick: $(VENV)/.ready
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

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

# What the README and docs/ take from code and recordings.
readme: $(VENV)/.ready
	$(BIN)/python .ci/readme.py

clean:
	rm -rf $(VENV) .venvs .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
