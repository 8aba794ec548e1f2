# `make train` and `make test` are all that a fresh machine with Python 3.11+ and git needs.
PYTHON ?= python3
EXTRA ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
BIN := .venv/bin

# uv does not read pip's configuration: hand on a local wheel folder where the environment names one.
ifneq ($(PIP_FIND_LINKS),)
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
else ifeq ($(EXTRA),cpu)
TORCH := --torch-backend=cpu
endif

.PHONY: train test check env clean
train: env
	$(BIN)/ration train configs/quickstart.yaml

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_architecture.py

env: .venv/ready-$(EXTRA)

.venv/ready-$(EXTRA): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ration needs Python 3.11 or newer; set PYTHON=/path/to/python3")'
	@echo "== making .venv ($(EXTRA)): about two minutes and 4 GB the first time =="
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(TORCH) -e '.[$(EXTRA),dev]'
	@touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache
