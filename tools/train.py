"""Trains a model: ``python tools/train.py CONFIG``, the same as ``python -m msrcnn_mm train``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.train import main

if __name__ == "__main__":
    with one_line_errors():
        main()
