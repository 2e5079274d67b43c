"""Predicts images: ``python -m msrcnn_mm predict``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
