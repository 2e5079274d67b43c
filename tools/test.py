"""Tests a checkpoint on a config's test set: ``python -m msrcnn_mm test``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["test", *sys.argv[1:]])
