"""Checks annotations and images: ``python -m msrcnn_mm check``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["check", *sys.argv[1:]])
