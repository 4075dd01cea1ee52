# Two commands are the whole set-up: `make fuzz` and `make test`. Each makes its own environment.
PYTHON ?= python3
RUN := .venv-run
DEV := .venv
# One more than there are processors: tests also wait for programs.
WORKERS := $(shell expr $$(nproc 2>/dev/null || echo 1) + 1)
# Tests start hundreds of processes: each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: fuzz test check lint types fix demo clean

fuzz: $(RUN)/.done
	$(RUN)/bin/vmfuzz run --machine pc-small --machine q35-modern --time 60s --seed 1 --campaign ./campaign || test $$? -eq 1

test: $(DEV)/.done
	$(DEV)/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint types test

lint: $(DEV)/.done
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/.done
	$(DEV)/bin/mypy

fix: $(DEV)/.done
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

lock: $(DEV)/.done
	$(DEV)/bin/pip install -q uv
	$(DEV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements.lock
	$(DEV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements-run.lock

clean:
	rm -rf $(RUN) $(DEV) build dist *.egg-info

$(RUN)/.done: requirements-run.lock pyproject.toml
	$(PYTHON) -m venv $(RUN)
	$(RUN)/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-run.lock
	$(RUN)/bin/pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

$(DEV)/.done: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(DEV)/bin/pip install -q --disable-pip-version-check --no-deps -e .
	touch $@
