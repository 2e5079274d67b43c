"""Draws masks with their scores and true IoU: ``python -m msrcnn_mm draw``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["draw", *sys.argv[1:]])
