"""Serves a page that shows masks and scores: ``python -m msrcnn_mm app``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["app", *sys.argv[1:]])
