# Each target sets up what it needs, and skips what is done already.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
PY := .venv/bin/python
# Where it is set, each of the many short processes compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# Two more than cores: a flow waits for half of its time, and fails where it waits too long.
SIDE_BY_SIDE = -n $$(($$(getconf _NPROCESSORS_ONLN) + 2)) --dist loadscope --no-loadscope-reorder
# `local` is applied to the local cloud; every other environment by plain Terraform.
run_terraform = $(if $(filter local,$(ENV)),$(PY) -m localcloud.terraform $1 local,scripts/deploy.sh $1 $(ENV))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: demo-ready ## Set up everything, run every flow on samples, and leave the local cloud up
	@$(PY) scripts/demo.py

test: test-ready ## Run all tests, with their own ports and state (ARGS="-k budgets" selects some)
	@$(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-quick: test-ready ## Run the units and the contracts of the local cloud: no deployment, no plans
	@$(PY) -m pytest $(SIDE_BY_SIDE) -m "not benchmark and not engine and not flow" \
		--ignore=tests/build --ignore=tests/environments --ignore-glob='tests/localcloud/test_*' $(ARGS)

bench: test-ready ## Measure speed and memory against goals (ARGS=--strict fails if one is missed)
	@$(PY) -m pytest tests/benchmarks -m benchmark -s $(ARGS)

engines: test-ready ## Run SQL on MySQL and the state machines on LocalStack; skipped by name where they cannot be had
	@$(PY) scripts/second_engines.py mysql $(ARGS)
	@$(PY) -m pytest -m engine tests/engines/test_state_machines.py

up: demo-ready ## Start the local cloud and deploy environments/local to it
	@$(PY) -m localcloud up
	@$(PY) -m localcloud.terraform apply local

down: run-ready ## Stop the local cloud
	@$(PY) -m localcloud down

status: run-ready ## Show which parts of the local cloud are running
	@$(PY) -m localcloud status

lint: ## Check style, types, layers and Terraform code (what pre-commit and CI run)
	@scripts/bootstrap dev checkov terraform
	@$(PY) scripts/build_lambdas.py --target lambda --quiet # the environments are valid with packages only
	@$(PY) scripts/build_lambdas.py --target local --quiet
	@scripts/lint

fmt: dev-ready ## Format Python and Terraform code, and update the modules' READMEs
	@.venv/bin/ruff check --quiet --fix-only . && .venv/bin/ruff format --quiet .
	@$(PY) scripts/document_modules.py
	@terraform fmt -recursive

console: console-ready ## Start the local cloud and the web console on it (http://127.0.0.1:8501)
	@$(PY) -m localcloud up
	@$(PY) -m localcloud.terraform apply local
	@$(PY) -m console

build: run-ready ## Build the Lambda packages for AWS and for the local cloud
	@$(PY) scripts/build_lambdas.py --target lambda
	@$(PY) scripts/build_lambdas.py --target local

release: ## Make the files of a release in build/release: make release VERSION=1.2.3
	@[[ -n "$(VERSION)" ]] || { echo "usage: make release VERSION=1.2.3 (as in pyproject.toml)" >&2; exit 2; }
	@scripts/bootstrap release run
	@$(PY) scripts/release.py "$(VERSION)"

upgrade: demo-ready ## Apply the tag before to a local cloud, then this version: no data may go (ARGS="--from REF")
	@$(PY) scripts/check_upgrade.py $(ARGS)

plan: deploy-ready ## Plan a deployment: make plan ENV=dev/management
	@$(call run_terraform,plan)

apply: deploy-ready ## Apply a deployment: make apply ENV=dev/management
	@$(call run_terraform,apply)

lock: ## Pin the newest dependencies again (ARGS="--upgrade-package boto3" for one)
	@scripts/lock $(ARGS)

clean: ## Stop the local cloud, remove environments, packages, state and caches
	@if [[ -x $(PY) ]]; then $(PY) -m localcloud down; fi
	rm -rf .venv .local build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

run-ready:
	@scripts/bootstrap run

dev-ready:
	@scripts/bootstrap dev

demo-ready:
	@scripts/bootstrap terraform database ocr emulator run
	@$(PY) scripts/build_lambdas.py --target local --quiet

test-ready:
	@scripts/bootstrap terraform database ocr emulator browser release dev
	@$(PY) scripts/build_lambdas.py --target local --quiet

console-ready:
	@scripts/bootstrap terraform database ocr emulator dev
	@$(PY) scripts/build_lambdas.py --target local --quiet

deploy-ready:
	@[[ -d "environments/$(ENV)" && -n "$(ENV)" ]] || \
		{ echo "usage: make $(MAKECMDGOALS) ENV=dev/management (a folder of environments/)" >&2; exit 2; }
	@scripts/bootstrap terraform run
	@$(PY) scripts/build_lambdas.py --target $(if $(filter local,$(ENV)),local,lambda) --quiet

# A folder is called console, too.
.PHONY: help demo test test-quick bench engines up down status lint fmt console build release upgrade plan apply \
	lock clean \
	run-ready dev-ready demo-ready test-ready console-ready deploy-ready
