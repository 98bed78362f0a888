# Fresh machine with Python 3.11+: `make demo` and `make test` are all there is to know.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= snellen-runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo test lint bench clean

# Installs anew whenever the project's metadata or the tested versions change.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name one with make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[explain,test]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/snellen demo --out $(OUT)

# Two at a time, a file by one worker: most tests keep one processor busy.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python bench/run.py $(BENCH)

clean:
	rm -rf $(VENV) build src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
