# Two commands for a new user: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A GPU machine often has its own torch and triton: `make demo SYSTEM=1` sees them from the environment.
VENV_FLAGS := $(if $(SYSTEM),--system-site-packages,)
PIP := $(BIN)/python -m pip --disable-pip-version-check
TARGET ?= kernels/naive/instance_norm.py

.PHONY: demo test lint bench docs accuracy kernels-page gpu clean

$(BIN)/ncukit: pyproject.toml
	@$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/ncukit pyproject.toml
	@$(PIP) install --quiet --editable '.[dev]'
	@touch $@

demo: $(BIN)/ncukit  ## set up, then the main job: profile, diagnose and gate one kernel (live, or from the recording)
	@BIN=$(BIN) sh docs/demo.sh $(TARGET)

test: $(VENV)/.dev  ## set up, then all tests that need no GPU
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev  ## style, strict typing and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gpu: $(VENV)/.dev  ## the tests that need an NVIDIA GPU and ncu
	$(BIN)/python -m pytest -m gpu tests/gpu

bench: $(VENV)/.dev  ## speed and memory, by hand: each script prints ratios against a rival of the same run
	for script in tests/bench/*.py; do $(BIN)/python $$script || exit 1; done

docs: $(BIN)/ncukit  ## the generated pages: rules and metrics
	$(BIN)/python docs/generate.py

accuracy: $(BIN)/ncukit  ## docs/accuracy.md and docs/gallery.md, from the recordings alone
	$(BIN)/python docs/accuracy.py
	$(BIN)/python docs/gallery.py

kernels-page: $(BIN)/ncukit  ## docs/kernels.md and its figure; RUNS="a.json b.json" makes docs/kernels.json anew
	@$(PIP) install --quiet --editable '.[docs]'
	$(BIN)/python docs/kernel_page.py $(RUNS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
