"""Writes a report on the scores of results: ``python -m msrcnn_mm report``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
