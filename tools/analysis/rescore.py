"""Tries, fits or applies a re-scorer: ``python -m msrcnn_mm rescore``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["rescore", *sys.argv[1:]])
