"""Exports a detector: ``python -m msrcnn_mm export``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["export", *sys.argv[1:]])
