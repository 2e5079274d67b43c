"""Fits or applies a calibration: ``python -m msrcnn_mm calibrate``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["calibrate", *sys.argv[1:]])
