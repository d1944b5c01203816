# One gate for people and CI: `make check`. Everything is installed into .venv/ and .countermand/.

VENV := .venv
BIN := $(VENV)/bin
LOCALSTACK_HOME := $(or $(COUNTERMAND_LOCALSTACK_HOME),.countermand/localstack)

# Empty files that say "installed, from these inputs"; scripts/bootstrap writes them.
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
LOCALSTACK := $(LOCALSTACK_HOME)/.installed

export COUNTERMAND_LOCALSTACK_HOME := $(LOCALSTACK_HOME)
# PYTHON reaches scripts/bootstrap, also when given as `make PYTHON=...`.
export PYTHON

# Two pips in one environment would trip over each other.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help install install-localstack demo test unit lint words words-update changelog fmt check docs docs-fresh dashboards bench lock \
	image sbom docker-test chart chart-files chart-e2e terraform terraform-files checkov clean distclean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(DEV) ## Install the project and its development tools into .venv/

install-localstack: $(LOCALSTACK) ## Install LocalStack into .countermand/localstack/

demo: $(RUNTIME) $(LOCALSTACK) ## Show one risky change being taken back (KEEP=1 leaves it running)
	@$(BIN)/countermand demo $(if $(KEEP),--keep)

test: $(DEV) $(LOCALSTACK) ## Run all tests (ARGS="-k name" narrows)
	@$(BIN)/python -m pytest $(ARGS)

unit: $(DEV) ## Run the tests that need nothing beside the development tools
	@$(BIN)/python -m pytest -m "not localstack and not docker and not helm and not terraform" $(ARGS)

docker-test: $(DEV) ## Run the tests of image and compose (starts an engine where it can)
	@$(BIN)/python -m pytest -m docker $(ARGS)

lint: $(DEV) ## Check style, format, types and the direction of imports
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

fmt: $(DEV) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

check: lint docs-fresh test ## All that CI demands: lint, fresh docs, tests

docs: $(DEV) ## Write the generated pages in docs/ anew
	$(BIN)/countermand docs docs/

# Compared with pages written elsewhere, so that a check never changes the working tree.
docs-fresh: $(DEV)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(BIN)/countermand docs "$$fresh" && \
	(cd "$$fresh" && find . -type f) | while read -r page; do \
		diff -u "docs/$${page#./}" "$$fresh/$$page" || { echo "docs/$${page#./} is stale: run 'make docs'"; exit 1; }; \
	done

dashboards: $(DEV) ## Write Grafana's dashboards anew, and the chart's copies
	$(BIN)/python docker/grafana/build.py
	$(BIN)/python scripts/chart_files.py

bench: $(DEV) ## Measure how fast a decision is made, and a policy judged
	@$(BIN)/python tests/bench/decision.py $(EVENTS)
	@$(BIN)/python tests/bench/policydoc.py

IMAGE := countermand:local
IMAGE_BUILD = DOCKER_BUILDKIT=1 docker build --file docker/Dockerfile \
	$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
	$(if $(BASE_DIGEST),--build-arg BASE_DIGEST=$(BASE_DIGEST))

image: ## Build the container image (BASE_DIGEST=sha256:... pins the base, IMAGE=name:tag)
	$(IMAGE_BUILD) --tag $(IMAGE) \
		--build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' service/countermand/__init__.py)" \
		--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" .

sbom: ## Write dist/sbom.cdx.json: what is in the image, as CycloneDX
	$(IMAGE_BUILD) --target sbom --output type=local,dest=dist .

chart: $(DEV) ## Check the Helm chart: lint, values, manifests (fetches Helm 3 and 4)
	@$(BIN)/python -m pytest tests/helm $(ARGS)

chart-files: $(DEV) ## Write anew what the chart takes from settings, alerts and dashboards
	$(BIN)/python scripts/chart_files.py

chart-e2e: $(DEV) ## Ask the Kubernetes API server of KUBECONFIG about the chart; a dry run
	@$(BIN)/python scripts/fetch_helm.py
	@scripts/chart-e2e

terraform: $(DEV) $(LOCALSTACK) ## Check Terraform: format, logic, applied to emulators (fetches it)
	@$(BIN)/python -m pytest tests/terraform $(ARGS)

terraform-files: $(DEV) ## Write anew what Terraform takes from rules, actions and ledger
	$(BIN)/python scripts/terraform_files.py

# Of its own, because its pins and ours do not go together; not in CI, where installing it is slow.
CHECKOV := .countermand/tools/checkov
checkov: $(DEV) ## Check Terraform against checkov's rules; exceptions say why
	@test -x $(CHECKOV)/bin/checkov || { $(BIN)/python -m venv $(CHECKOV) && $(CHECKOV)/bin/pip install -qq checkov==3.3.30; }
	@$(CHECKOV)/bin/checkov --directory terraform --framework terraform --skip-download --compact --quiet

# The pins in place are kept as they are, unless UPGRADE=1. dev comes first: the other two follow it.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.12 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

lock: $(DEV) $(BIN)/uv ## Write the hash-locked files in requirements/ anew (UPGRADE=1: newest versions)
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

# .venv's own folder cannot be a prerequisite: its time changes with every file put into it.
$(RUNTIME): requirements/runtime.txt requirements/build.txt pyproject.toml
	@scripts/bootstrap runtime

$(DEV): requirements/dev.txt pyproject.toml
	@scripts/bootstrap dev

$(LOCALSTACK): requirements/localstack.txt
	@scripts/bootstrap localstack

$(BIN)/uv: | $(DEV)
	$(BIN)/python -m pip install -qq uv==0.13.9
