# Two commands: `make demo` runs the main job, `make test` passes the tests. Each does all set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test install check unit soak redteam pretrain curves clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## set up .venv with everything pinned

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "arl-tui needs Python 3.11 or newer as $(PYTHON): apt-get install python3, or make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "The venv module is missing: apt-get install python3-venv"; exit 1; }
	@command -v git >/dev/null || { echo "git is missing: apt-get install git"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# torch first and alone: other ranges or tools would fetch another build of several gigabytes.
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt torch
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt \
	  pytest pytest-timeout pytest-textual-snapshot hypothesis ruff mypy import-linter build hatchling editables
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt --no-build-isolation -e '.[optuna,plot]'
	@touch $(STAMP)

demo: install ## run the main job on the embedded text: 12 experiments, then a summary
	@$(BIN)/arl-tui demo

test: install check unit ## everything that CI runs

check: install ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install ## the tests alone
	$(BIN)/python -m pytest -m "not soak and not redteam"

soak: install ## 50 random kills; takes a while
	$(BIN)/python -m pytest -m soak -s

redteam: install ## candidates that cheat or attack; prints how each ended; half an hour on 2 cores
	$(BIN)/python -m pytest tests/redteam

pretrain: install ## train the shipped policy anew on simulated studies; resumes; hours on a CPU
	@# Keeping freed memory spares the kernel from clearing it again and again.
	MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 \
	  $(BIN)/python -m policy.pretrain --output pretraining
	cp pretraining/best.safetensors policy/weights/ppo.safetensors

curves: install ## record real loss curves anew, for bench selfeval; resumes; 20 minutes on 2 idle cores
	$(BIN)/python -m engine.curve_recorder --output curves.jsonl

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
