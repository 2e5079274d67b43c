"""Trains a model from a config: ``python -m msrcnn_mm train``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
