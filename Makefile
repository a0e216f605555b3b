# make run | demo | images | test | test-images | test-clusters | test-livy | test-load | helm-lint | test-kubernetes | audit | lint | bench | bench-archive | bench-spark | clean
# PORT=, SOURCE=, IMAGES=, PYTEST_ARGS=, BENCH_ARGS= and PYTHON= change what they do

PYTHON ?= python3
PORT ?= 8000
SOURCE ?=
IMAGES ?=
PYTEST_ARGS ?=
BIN := .venv/bin

.PHONY: run demo images test test-images test-clusters test-livy test-load helm-lint test-kubernetes audit lint bench bench-archive bench-spark clean

run: ## JupyterHub on http://127.0.0.1:PORT until Ctrl-C
	@$(PYTHON) bootstrap.py lab
	@exec $(BIN)/probav-hub up --port $(PORT) --notebooks sample_notebooks

demo: ## the quickstart without a browser, on the demo archive or on the product files in SOURCE
	@$(PYTHON) bootstrap.py lab
	@exec $(BIN)/probav-hub demo --notebooks sample_notebooks $(if $(SOURCE),--source "$(SOURCE)")

images: ## build the images of IMAGES= (hub, user, executor; user-desktop only if named) with buildah or docker
	@$(PYTHON) images/build.py $(IMAGES)

test: ## every test: the quick ones two at a time, then those with Spark, a hub or a browser, two files at a time
	@$(PYTHON) bootstrap.py test
	@$(BIN)/pytest -n 2 -m "not spark and not e2e and not cluster and not load and not images" $(PYTEST_ARGS); quick=$$?; \
	$(BIN)/pytest -n 2 --dist loadfile -m "(spark or e2e) and not cluster and not load and not images" $(PYTEST_ARGS); slow=$$?; \
	[ $$quick = 5 ] && quick=$$slow; [ $$slow = 5 ] && slow=$$quick; [ "$$quick$$slow" = 00 ]  # 5: none selected

test-clusters: ## queries and faults on real clusters, Livy and what else comes from Maven Central; skips what can't be had
	@$(PYTHON) bootstrap.py test
	@$(BIN)/pytest -m cluster $(PYTEST_ARGS)

test-images: ## inside the images, and hubs that start them on podman or docker; skips what was not built
	@$(PYTHON) bootstrap.py test
	@$(BIN)/pytest -m images $(PYTEST_ARGS)

test-livy: ## sparkmagic and engine="livy" with a real Livy; PROBAV_LIVY_SOURCE= or PROBAV_LIVY_HOME= the first time
	@$(PYTHON) bootstrap.py test
	@$(PYTHON) bootstrap.py uv sync --quiet --frozen --inexact --group livy
	@$(BIN)/pytest tests/livy $(PYTEST_ARGS)

test-load: ## 50 users, 500 starts and stops, parts of hubs killed (20 minutes); skips what the machine can't do
	@$(PYTHON) bootstrap.py test
	@$(BIN)/pytest -m load $(PYTEST_ARGS)

helm-lint: ## the chart in helm/, with the chart of JupyterHub, too, where Z2JH_CHART= names a checked-out one
	@$(PYTHON) bootstrap.py test
	@$(BIN)/python -m helm.tool lint

test-kubernetes: ## the chart with a real API server, and on a real node as root where Z2JH_CHART= is named; Go builds both the first time (20 to 50 minutes)
	@$(PYTHON) bootstrap.py test
	@PROBAV_BUILD_KUBERNETES=1 $(BIN)/pytest tests/helm -m "cluster or not cluster" $(PYTEST_ARGS)

audit: ## known vulnerabilities of all that is locked; says so where nobody can be asked
	@$(PYTHON) .ci/audit.py

lint: ## style and types
	@$(PYTHON) bootstrap.py test
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: ## masked statistics beside peers (15 minutes); renews docs/performance.md and its figure
	@$(PYTHON) bootstrap.py test
	@$(PYTHON) bootstrap.py uv sync --quiet --frozen --inexact --group bench
	@$(BIN)/python -m benchmarks.masked_statistics.run --docs docs $(BENCH_ARGS)

bench-archive: ## ingest, append, open and search, side by side with other tools
	@$(PYTHON) bootstrap.py test
	@$(PYTHON) bootstrap.py uv sync --quiet --frozen --inexact --group bench
	@for benchmark in archive_ingest append_cost archive_open catalogue_search tiles; do \
	echo; echo "== $$benchmark"; $(BIN)/python benchmarks/$$benchmark.py || exit 1; done

bench-spark: ## Spark: start, overhead, choice of the engine, and what many tasks and zones cost the driver
	@$(PYTHON) bootstrap.py test
	@for benchmark in session_start local_overhead engine_choice driver_scaling; do \
	echo; echo "== $$benchmark"; $(BIN)/python -m benchmarks.spark.$$benchmark || exit 1; done

clean: ## everything that can be made again inside the checkout
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist test-artefacts
	find . -name __pycache__ -prune -exec rm -rf {} +
