# `make check` is the one gate for people and CI. All tools go into .venv/ and .countermand/.

VENV := .venv
BIN := $(VENV)/bin
LOCALSTACK_HOME := $(or $(COUNTERMAND_LOCALSTACK_HOME),.countermand/localstack)

# Empty files that mark an installation as up to date; scripts/bootstrap writes them.
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
LOCALSTACK := $(LOCALSTACK_HOME)/.installed

export COUNTERMAND_LOCALSTACK_HOME := $(LOCALSTACK_HOME)
# Without byte code on the disk, every process of the tests and the demo compiles 800 modules.
unexport PYTHONDONTWRITEBYTECODE
# Passes PYTHON to scripts/bootstrap, including from `make PYTHON=...`.
export PYTHON

# Two pip processes in one environment would interfere with each other.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help install install-localstack demo test unit lint words words-update changelog fmt check docs docs-fresh dashboards bench lock \
	image sbom docker-test chart chart-files chart-e2e terraform terraform-files checkov clean distclean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(DEV) ## Install the project and its development tools into .venv/

install-localstack: $(LOCALSTACK) ## Install LocalStack into .countermand/localstack/

demo: $(RUNTIME) $(LOCALSTACK) ## Show how one risky change is reverted (KEEP=1 keeps it running)
	@$(BIN)/countermand demo $(if $(KEEP),--keep)

# What shares a fixture stays in one process (tests/support/spread.py). In the order of the folders,
# so that the slow ones begin first.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=loadscope --no-loadscope-reorder

test: $(DEV) $(LOCALSTACK) ## Run all tests (ARGS="-k name" selects)
	@$(BIN)/python -m pytest $(PARALLEL) --durations=15 --durations-min=1 $(ARGS)

unit: $(DEV) ## Run the tests that need only the development tools
	@$(BIN)/python -m pytest -m "not localstack and not docker and not helm and not terraform" $(PARALLEL) $(ARGS)

docker-test: $(DEV) ## Test the image and Docker Compose (starts a Docker engine if needed)
	@$(BIN)/python -m pytest -m docker $(ARGS)

lint: $(DEV) ## Check style, format, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python scripts/words.py

words: $(DEV) ## Print every word that plain English would replace
	@$(BIN)/python scripts/words.py --all

words-update: $(DEV) ## Lower the numbers in .words-left.yaml after a cleanup
	@$(BIN)/python scripts/words.py --update

changelog: $(DEV) ## Move the changelog fragments to CHANGELOG.md (VERSION=1.2.3 releases them)
	@$(BIN)/python scripts/changelog.py $(VERSION)

fmt: $(DEV) ## Format the code and apply the fixes of ruff
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

check: lint docs-fresh test ## Run all gates of CI: lint, fresh docs, tests

docs: $(DEV) ## Regenerate the generated pages in docs/
	$(BIN)/countermand docs docs/

# Generates the pages elsewhere, so that a check never changes the working tree.
docs-fresh: $(DEV)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(BIN)/countermand docs "$$fresh" && \
	(cd "$$fresh" && find . -type f) | while read -r page; do \
		diff -u "docs/$${page#./}" "$$fresh/$$page" || { echo "docs/$${page#./}: stale. Run 'make docs'."; exit 1; }; \
	done

dashboards: $(DEV) ## Regenerate the Grafana dashboards and the chart's copies
	$(BIN)/python docker/grafana/build.py
	$(BIN)/python scripts/chart_files.py

bench: $(DEV) ## Measure the speed of decisions and policy evaluation
	@$(BIN)/python tests/bench/decision.py $(EVENTS)
	@$(BIN)/python tests/bench/policydoc.py
	@$(BIN)/python tests/bench/startup.py

IMAGE := countermand:local
IMAGE_BUILD = DOCKER_BUILDKIT=1 docker build --file docker/Dockerfile \
	$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
	$(if $(BASE_DIGEST),--build-arg BASE_DIGEST=$(BASE_DIGEST))

image: ## Build the container image (BASE_DIGEST=sha256:... pins the base, IMAGE=name:tag)
	$(IMAGE_BUILD) --tag $(IMAGE) \
		--build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' service/countermand/__init__.py)" \
		--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" .

sbom: ## Write dist/sbom.cdx.json, the contents of the image as CycloneDX
	$(IMAGE_BUILD) --target sbom --output type=local,dest=dist .

chart: $(DEV) ## Test the Helm chart: lint, values, manifests (fetches Helm 3 and 4)
	@$(BIN)/python -m pytest tests/helm $(ARGS)

chart-files: $(DEV) ## Regenerate the chart's settings, alerts, and dashboards
	$(BIN)/python scripts/chart_files.py

chart-e2e: $(DEV) ## Validate the chart on the API server of KUBECONFIG with a dry run
	@$(BIN)/python scripts/fetch_helm.py
	@scripts/chart-e2e

terraform: $(DEV) $(LOCALSTACK) ## Test Terraform: format, logic, apply to emulators (fetches Terraform)
	@$(BIN)/python -m pytest tests/terraform $(ARGS)

terraform-files: $(DEV) ## Regenerate Terraform's files from rules, actions, and ledger
	$(BIN)/python scripts/terraform_files.py

# Has its own environment, because its pins conflict with ours. Not in CI, because it installs slowly.
CHECKOV := .countermand/tools/checkov
checkov: $(DEV) ## Check Terraform with checkov
	@test -x $(CHECKOV)/bin/checkov || { $(BIN)/python -m venv $(CHECKOV) && $(CHECKOV)/bin/pip install -qq checkov==3.3.30; }
	@$(CHECKOV)/bin/checkov --directory terraform --framework terraform --skip-download --compact --quiet

# Keeps the existing pins unless UPGRADE=1. dev comes first, because it constrains the others.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.12 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

lock: $(DEV) $(BIN)/uv ## Regenerate the lock files in requirements/ (UPGRADE=1: newest versions)
	$(UV_COMPILE) pyproject.toml --group dev requirements/build.in --output-file requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --constraint requirements/dev.txt --output-file requirements/runtime.txt
	$(UV_COMPILE) requirements/build.in --constraint requirements/dev.txt --output-file requirements/build.txt
	$(UV_COMPILE) requirements/sbom.in --constraint requirements/dev.txt --output-file requirements/sbom.txt
	$(UV_COMPILE) requirements/localstack.in --no-deps --no-annotate --output-file requirements/localstack.txt

clean: ## Remove caches and build output
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find service tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the installed environments too
	rm -rf $(VENV) .countermand

# The folder .venv cannot be a prerequisite: its time changes with every file added to it.
$(RUNTIME): requirements/runtime.txt requirements/build.txt pyproject.toml
	@scripts/bootstrap runtime

$(DEV): requirements/dev.txt pyproject.toml
	@scripts/bootstrap dev

$(LOCALSTACK): requirements/localstack.txt
	@scripts/bootstrap localstack

$(BIN)/uv: | $(DEV)
	$(BIN)/python -m pip install -qq uv==0.13.9
