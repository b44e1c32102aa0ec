# Everything happens in .venv; `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/.tools
STAMP := $(VENV)/.installed
KERNELS := $(VENV)/.kernels
STUBS := $(VENV)/.stubs
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip --disable-pip-version-check
PROTOS := $(wildcard proto/hexar/v1/*.proto)
PYTEST_ARGS ?=
# Processes that run tests, each with servers of its own; a file's tests stay in one of them.
TEST_WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile
# The stubs and packages as mypy sees them: the folders linked under their import names.
MYPY_PACKAGES := -p hexar.core -p hexar.agents -p hexar.server -p hexar_client

.DEFAULT_GOAL := help
.PHONY: help demo run test chaos test-repeat test-spark test-sanitize check docs format bench bench-peers instructions proto clean dist ready

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ready ## start demo shops and a server, ask each system one question, stop
	$(BIN)/python clients/demo

run: ready ## serve with the demo shops until Ctrl-C
	$(BIN)/python clients/demo --stay

test: ready $(DEV) $(STUBS) ## run the tests
	$(PYTEST) $(PYTEST_ARGS)

chaos: ready $(DEV) $(STUBS) ## run what takes longer: kills, outages, wheels, and more examples of each property
	$(PYTEST) -m "chaos or hypothesis" --hypothesis-profile long $(PYTEST_ARGS)

test-repeat: ready $(DEV) $(STUBS) ## run make test ten times, every other one beside a busy core (TIMES=2: twice)
	$(BIN)/python tests/repeat.py $(TIMES)

check: ready $(DEV) $(STUBS) ## ruff, mypy --strict, pyright, the contracts of imports, buf lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd build/ns && ../../$(BIN)/mypy --config-file ../../pyproject.toml $(MYPY_PACKAGES)
	$(BIN)/mypy --config-file pyproject.toml tests/clients/typed.py
	MYPYPATH=clients/demo $(BIN)/mypy --config-file pyproject.toml clients/demo
	for example in clients/examples/python/*.py; do $(BIN)/mypy --config-file pyproject.toml $$example || exit 1; done
	$(BIN)/basedpyright
	PYTHONPATH=build/ns:clients/python $(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/project/test_imports.py
	$(BIN)/buf lint proto
	$(BIN)/kubernetes-validate --strict --quiet docs/deploy/kubernetes.yaml
	$(BIN)/python -m pytest -q tests/server/docs/test_deployment_docs.py

docs: ready $(DEV) ## write the reference of contract, settings and SDK to build/reference
	$(BIN)/python docs/reference/generate.py

format: $(DEV) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: ready $(DEV) ## run every benchmark and write docs/benchmarks.md from what it measured
	$(BIN)/python tests/bench/run_all.py

PEERS := build/peers
# The proxy brings a hundred packages, and versions of its own of some that Hexar uses: it has an environment of its own. Releases of
# 2026 were withdrawn for malware: the version is fixed, and raised by hand.
LITELLM := 1.100.5
$(PEERS)/.installed-$(LITELLM): | $(DEV)
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --only-binary :all: "litellm[proxy]==$(LITELLM)"
	touch $@

bench-peers: ready $(DEV) $(PEERS)/.installed-$(LITELLM) ## measure Hexar beside the LiteLLM proxy, and write it into docs/benchmarks.md
	$(BIN)/python tests/bench/run_all.py peers

instructions: ready $(DEV) ## count the kernels' instructions under valgrind and compare with the last counts
	$(BIN)/python tests/bench/instructions.py

proto: $(STUBS) ## generate the stubs beside the .proto files, and install them

test-sanitize: ready $(DEV) ## run the kernel tests over a build with bounds checks, ASan and UBSan
	$(BIN)/python tests/sanitize.py

SPARK := build/spark
# pyspark is 450 MB and needs Java: it has an environment of its own, which sees this one's packages.
$(SPARK)/.installed: $(DEV) constraints.txt
	$(BIN)/python -m venv $(SPARK)
	$(SPARK)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt "pyspark[connect]"
	echo "import site; site.addsitedir('$(CURDIR)/$(VENV)/lib/$$(ls $(VENV)/lib | head -1)/site-packages')" > $$($(SPARK)/bin/python -c "import site; print(site.getsitepackages()[0])")/hexar.pth
	touch $@

test-spark: ready $(DEV) $(STUBS) ## run the figures over a Spark cluster of two executors
	@if command -v java > /dev/null; then $(MAKE) $(SPARK)/.installed && $(SPARK)/bin/python -m pytest tests/agents/market/test_spark.py $(PYTEST_ARGS); else echo "SKIPPED tests/agents/market/test_spark.py: Java is not installed"; fi

dist: $(DEV) ## build the sdists and wheels of the three distributions
	for part in proto clients/python .; do $(BIN)/python -m build --outdir dist $$part; done

clean: ## remove everything that was built
	rm -rf $(VENV) build dist *.egg-info */*.egg-info clients/python/*.egg-info
	rm -f core/*/*.so core/*/*.cpp proto/hexar/v1/*_pb2*.py proto/hexar/v1/*_pb2*.pyi

# One job installs packages while the other compiles.
ready:
	@$(MAKE) --no-print-directory --jobs=2 $(STAMP) $(KERNELS)

$(TOOLS): constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt --upgrade pip setuptools Cython grpcio-tools
	touch $(TOOLS)

$(STAMP): setup.py pyproject.toml constraints.txt clients/python/setup.py clients/python/pyproject.toml $(PROTOS) | $(TOOLS)
	rm -rf proto/build
	$(PIP) install --quiet --no-build-isolation --force-reinstall --no-deps ./proto
	rm -rf proto/build
	HEXAR_BUILD=none $(PIP) install --quiet -c constraints.txt --no-build-isolation -e ./clients/python[cli,mcp] -e .[market,dashboard]
	# Only its weights are read (docs/adr/0007): what it would pull in, a model hub client among them, stays out.
	$(PIP) install --quiet -c constraints.txt --no-deps wordllama
	touch $(STAMP)

$(KERNELS): setup.py $(wildcard core/*/*.pyx core/*/*.pxd core/*/*.hpp) | $(TOOLS)
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $(KERNELS)

$(DEV): pyproject.toml constraints.txt | $(STAMP)
	$(PIP) install --quiet -c constraints.txt --group dev
	touch $(DEV)

$(STUBS): $(STAMP) $(PROTOS)
	cd proto && ../$(BIN)/python setup.py --quiet build_py --build-lib ../build/stubs
	touch $(STUBS)
