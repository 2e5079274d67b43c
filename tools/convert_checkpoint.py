"""Converts a checkpoint of another codebase, or back: ``python -m msrcnn_mm convert``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["convert", *sys.argv[1:]])
