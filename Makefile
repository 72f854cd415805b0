# make run    the monthly flow on the demonstration archive, ending in a page
# make test   the whole suite
# make bench  the chain against a conventional one and the read floor; remote reads;
#             the intervals on a few simulated worlds
# make models every model that ships, trained again from scratch into work/models, and
#             whether the digests are those that ship
# make setup  only the environment; the others call it
# make check  lint, format, types and import contracts

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.complete
MONTH  ?= 2025-08
REGIONS ?= --region qilian --region 632324 --region eling-zhaling
TWIN   ?=
JOBS   ?= 2

.PHONY: run test bench models setup check clean
.DEFAULT_GOAL := run

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if v >= (3, 11) else f"{sys.executable} is Python {v[0]}.{v[1]}; expected 3.11 or later. Run: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev -e .
	@touch $@

run: $(STAMP)
	$(BIN)/qhsink twin build $(TWIN)
	$(BIN)/qhsink monitor --month $(MONTH) $(REGIONS) --source demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow"

bench: $(STAMP)
	$(BIN)/qhsink twin build $(TWIN)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reads
	$(BIN)/python -m benchmarks.coverage

models: $(STAMP)
	$(BIN)/python -m benchmarks.retrain --jobs $(JOBS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) work out
