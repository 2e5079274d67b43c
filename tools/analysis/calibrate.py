"""Fits and applies a calibration: ``python -m msrcnn_mm calibrate``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.calibrate import main

if __name__ == "__main__":
    with one_line_errors():
        main()
