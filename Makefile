# `make demo` and `make test` do everything on a machine with Python 3.11 and a C++ compiler.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV := .venv/bin
DEMO := work_dirs/demo
PYTEST := -m pytest -n 2 --dist loadfile

# Waiting threads of torch give up the core. By default they spin, and beside one other busy
# process a training step takes ten times as long.
export OMP_WAIT_POLICY ?= PASSIVE

INSTALL = @command -v "$(PYTHON)" >/dev/null || { \
    echo "error: $(PYTHON) is missing: install Python 3.11, or run make PYTHON=/path/to/python3.11" >&2; \
    exit 2; }; "$(PYTHON)" tools/install.py

.PHONY: help install install-dev demo test coverage test-fork lint docs clean
.DEFAULT_GOAL := help

help:
	@echo "make install      make .venv: the package, torch, mmcv and MMDetection"
	@echo "make install-dev  the same, with what tests and linters need"
	@echo "make demo         install, draw a data set, train, test, and report what the scores are worth"
	@echo "make test         install, then run the tests"
	@echo "make coverage     the same, and print which lines no test reaches; takes half as long again"
	@echo "make test-fork    install the maintained fork of MMDetection into .venv-fork, then run the tests"
	@echo "make lint         install, then check style, types and which room imports which"
	@echo "make docs         install, then build the documentation into site/"
	@echo "make clean        delete environments, builds and the demo's results"

install:
	$(INSTALL)

install-dev:
	$(INSTALL) dev

demo: install
	$(VENV)/python tools/make_demo_data.py data/demo
	$(VENV)/python tools/make_demo_data.py data/demo_labelled --seed 1 --train 0 --val 400
	$(VENV)/python tools/train.py configs/demo/ms-rcnn_demo.py --work-dir $(DEMO)
	$(VENV)/python tools/test.py configs/demo/ms-rcnn_demo_labelled.py \
	    "$$(cat $(DEMO)/last_checkpoint)" --work-dir $(DEMO) --views flip 0.8 1.25 \
	    --out $(DEMO)/labelled.json
	$(VENV)/python tools/analysis/rescore.py fit $(DEMO)/labelled.json \
	    data/demo_labelled/annotations/val.json --out $(DEMO)/rescorer.json
	$(VENV)/python tools/test.py configs/demo/ms-rcnn_demo.py "$$(cat $(DEMO)/last_checkpoint)" \
	    --work-dir $(DEMO) --eval bbox segm --views flip 0.8 1.25 \
	    --rescorer $(DEMO)/rescorer.json --out $(DEMO)/results.json
	$(VENV)/python tools/draw_scores.py $(DEMO)/results.json data/demo/annotations/val.json \
	    data/demo/val $(DEMO)/scores.png
	$(VENV)/python tools/analysis/score_report.py $(DEMO)/results.json \
	    data/demo/annotations/val.json $(DEMO)/report --images data/demo/val --names demo

test: install-dev
	OMP_NUM_THREADS=1 $(VENV)/python $(PYTEST)

coverage: install-dev
	OMP_NUM_THREADS=1 $(VENV)/python $(PYTEST) --cov

test-fork:
	$(INSTALL) fork dev
	OMP_NUM_THREADS=1 .venv-fork/bin/python $(PYTEST)

lint: install-dev
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy msrcnn_mm
	$(VENV)/lint-imports

docs:
	$(INSTALL) docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/mkdocs build --strict

clean:
	rm -rf .venv .venv-fork build site data/demo data/demo_labelled $(DEMO) *.egg-info
