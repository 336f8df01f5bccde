# Every chore of the project; `make help` lists them. It needs make and Python 3.11 or later, and nothing else.

PYTHON ?= python3

# Set on the command line alone: shells export names like HOST for reasons of their own.
CONFIG  = config/router.yaml
HOST    =
PORT    =
WORKERS = 4
ARGS    =

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JS  := tests/clients/js

# Kustomize's own files, its patches and what operators define are no objects of Kubernetes.
OBJECTS := $(filter-out %/kustomization.yaml %/router.yaml %-patch.yaml %/servicemonitor.yaml, \
	$(wildcard deploy/kubernetes/base/*.yaml deploy/kubernetes/overlays/*/*.yaml))

# One file stays on one worker, so that a server shared by a file's tests is started once. Files begin in their order:
# by the number of their tests those with few and long ones would come last.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check bench bench-setup lint types fix golden docs previews lock hooks clean system-packages

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

run: .venv/.run ## Start the router; PORT=9000, HOST=0.0.0.0 and CONFIG=my.yaml change where and what
	$(BIN)/image-router serve --config "$(CONFIG)" $(if $(HOST),--host "$(HOST)") $(if $(PORT),--port "$(PORT)")

test: .venv/.dev $(JS)/node_modules/.installed ## Run every test; ARGS="-k retry" picks some
	$(PYTEST) $(ARGS)

# TESTED=1 is for a caller that has just run `make test` on the same tree.
check: lint types $(if $(TESTED),,test) ## Form, lint, types and tests: what every change must pass

lint: .venv/.dev ## Form and lint alone
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/kubernetes-validate --strict --quiet $(OBJECTS)

bench: .venv/.dev ## Measure the router beside nginx, LiteLLM and Portkey; ARGS=--quick for a first look
	$(BIN)/python -m bench $(ARGS)

bench-setup: ## Install LiteLLM and Portkey into .peers, to be measured beside the router
	PYTHON="$(PYTHON)" sh bench/setup.sh $(ARGS)

types: .venv/.dev ## Types alone
	$(BIN)/mypy --strict

fix: .venv/.dev ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

golden: .venv/.dev ## Rewrite the golden files of tests/wire and tests/explain for review in the diff
	$(BIN)/python -m pytest tests/test_wire.py tests/test_explain.py --golden $(ARGS)

docs: .venv/.dev ## Rewrite what is generated from the code: schemas, dashboards, the README's matrix
	$(BIN)/image-router schema > config/schema.json.new
	mv config/schema.json.new config/schema.json
	$(BIN)/image-router schema --catalog > config/catalog/schema.json.new
	mv config/catalog/schema.json.new config/catalog/schema.json
	$(BIN)/image-router providers --write README.md
	$(BIN)/python -m grafana.src.build

previews: .venv/.dev ## Draw grafana/previews anew, from the tests' scenes; needs prometheus and chromium
	$(BIN)/python tests/preview_dashboards.py

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock" $(ARGS) pyproject.toml

lock: .venv/.dev ## Pin what pyproject.toml and package.json ask for; ARGS=--upgrade takes the newest
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --extra redis --group build --constraint requirements-dev.lock --output-file requirements.lock
	cd $(JS) && npm install --package-lock-only --no-audit --no-fund

hooks: .venv/.dev ## Run the checks before every commit and push
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

clean: ## Remove everything that make installed
	rm -rf .venv .peers $(JS)/node_modules .mypy_cache .ruff_cache .hypothesis

system-packages: ## What the tests need beside Python, where this user may install it
	@sh tests/system-packages.sh

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Image Router needs Python 3.11 or later, \
	and this is " + sys.version.split()[0] + ": name another with make PYTHON=python3.11.")'
	$(PYTHON) -m venv .venv

# The stamps: a second run installs nothing. hatchling is among the pins, so that building asks no index.
.venv/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the router needs into .venv ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the router and its tests need into .venv ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch .venv/.run $@

$(JS)/node_modules/.installed: $(JS)/package.json $(JS)/package-lock.json | system-packages
	@if command -v npm > /dev/null; then \
		echo "Installing the JavaScript clients ..." && cd $(JS) && npm ci --ignore-scripts --no-audit --no-fund \
		&& touch node_modules/.installed; \
	fi
