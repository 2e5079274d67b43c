"""Correlates the scores of masks with their true IoU: ``python -m msrcnn_mm correlate``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["correlate", *sys.argv[1:]])
