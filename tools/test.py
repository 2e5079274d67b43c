"""Tests a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.test import main

if __name__ == "__main__":
    with one_line_errors():
        main()
