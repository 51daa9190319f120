# Two commands: `make demo` runs the main job on a real and a simulated project; `make test` runs
# every check. Both build .venv first, from nothing but Python and make.

VENV ?= .venv
PYTHON ?= python3
TORCH ?= torch==2.13.0
# Further flags for installing torch, for example the index of CPU wheels (see README.md).
TORCH_FLAGS ?=
# Tested versions of everything; make LOCK= takes the newest that pyproject.toml admits.
LOCK ?= --constraint requirements.lock
DEMO ?= demo
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint types layers pytest coverage bounds lock bench accuracy docs clean

demo: $(VENV)/.runtime
	$(BIN)/copick-picker demo --output $(DEMO) --overwrite

test: lint types layers docs pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

layers: $(VENV)/.test
	$(BIN)/lint-imports

# The pages, with the reference made from the docstrings, in site/. Not --quiet: with it, --strict
# overlooks warnings.
docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

pytest: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal

$(VENV)/.python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	$(PIP) install $(TORCH_FLAGS) $(TORCH)
	touch $@

$(VENV)/.runtime: $(VENV)/.python pyproject.toml requirements.lock
	$(PIP) install $(LOCK) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.runtime pyproject.toml requirements.lock
	$(PIP) install $(LOCK) --editable '.[test,docs]'
	touch $@

# Lines and branches of the package that no test reaches, on the screen and in coverage.xml.
coverage: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term-missing:skip-covered \
	  --cov-report=xml

# How many versions of each package a plain pip install looks at; fails where one takes many.
bounds:
	$(PYTHON) scripts/count_versions.py --also $(TORCH)

# requirements.lock anew, with today's versions.
lock: $(VENV)/.test
	$(BIN)/python scripts/write_lock.py $(TORCH)

# Every figure of docs/performance.md. BENCH_PEER: a Python that has octopi 1.7.0; without one an
# environment is made in .bench, where the figures are kept too, so that an interrupted run goes on.
bench: $(VENV)/.test
	$(BIN)/python tests/benchmarks/bench.py

# Every figure of docs/accuracy.md and docs/point-accuracy.md, in .accuracy; hours on two cores.
# BENCH_PEER as above.
accuracy: $(VENV)/.test
	$(BIN)/python tests/benchmarks/accuracy.py
	$(BIN)/python tests/benchmarks/points.py

clean:
	rm -rf $(VENV) $(DEMO) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* coverage.xml
