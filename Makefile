# The commands a person runs; CI runs the same. Everything lives in .venv and results/.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS ?= results
PYTEST_FLAGS ?= -n 2 --dist loadgroup

.PHONY: browser demo lab test bench bench-index lint clean help

help:
	@echo "make demo   set up and run the main job on the sample archive, without a browser"
	@echo "make lab    the same in JupyterLab"
	@echo "make test   set up and run every check and test"
	@echo "make bench  figures of speed, ours and the peers' (BENCH_FLAGS=--full: full-size tiles, hours); make bench-index"
	@echo "make lint   format, types and floors only"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "terrascope_nb needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# What an install builds into the package; the demo does without.
BUILT := hatch_build.py $(wildcard labextension/*.json labextension/src/*.ts labextension/src/*/*.ts labextension/style/*)

# One stamp per set of extras, made anew when the dependencies change.
$(VENV)/.demo: $(BIN)/python pyproject.toml
	TERRASCOPE_NB_SKIP_LABEXTENSION=1 $(BIN)/python -m pip install --quiet --editable '.[batch]'
	@touch $@

$(VENV)/.lab: $(BIN)/python pyproject.toml $(BUILT)
	$(BIN)/python -m pip install --quiet --editable '.[batch,lab]'
	@touch $@

# node comes first: with it, the install builds the part of the package that runs in the browser.
$(VENV)/.test: $(BIN)/python pyproject.toml $(BUILT) | browser
	$(BIN)/python -m pip install --quiet --editable '.[batch,lab,test,services]'
	@touch $@

browser:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then sh tools/setup-browser.sh; \
	else echo "not root on Debian: tests that need Chromium are skipped where it is missing"; fi

$(VENV)/.bench: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/python tools/run_quickstart.py $(RESULTS)

lab: $(VENV)/.lab
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/datasets/quickstart.ipynb

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell terrascope_nb tests notebooks tools benchmarks README.md CHANGELOG.md CONTRIBUTING.md

test: $(VENV)/.test
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then sh tools/setup-test-services.sh; \
	else echo "not root on Debian: tests that need PostgreSQL are skipped where it is missing"; fi
	$(MAKE) --no-print-directory lint
	EAGER_IMPORT=1 $(BIN)/python -c 'import terrascope_nb; print("eager import: well")'
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/small_parts.py
	$(BIN)/python benchmarks/loading/bench.py --results $(RESULTS) $(BENCH_FLAGS)
	$(BIN)/python benchmarks/growth.py --results $(RESULTS)

bench-index: $(VENV)/.bench
	$(BIN)/python benchmarks/index_archive.py

clean:
	rm -rf $(VENV) $(RESULTS) .pytest_cache .mypy_cache .ruff_cache .hypothesis
