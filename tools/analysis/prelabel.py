"""Accepts masks as labels with a promise: ``python -m msrcnn_mm prelabel``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["prelabel", *sys.argv[1:]])
