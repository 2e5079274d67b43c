"""Counts and times what detectors cost: ``python -m msrcnn_mm cost``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["cost", *sys.argv[1:]])
