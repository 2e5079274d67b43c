"""Ranks annotations that are perhaps wrong: ``python -m msrcnn_mm labels``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["labels", *sys.argv[1:]])
