"""Compares masks with those of other views: ``python -m msrcnn_mm agree``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["agree", *sys.argv[1:]])
