"""Correlates scores with the true IoU: ``python -m msrcnn_mm correlate``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.correlate import main

if __name__ == "__main__":
    with one_line_errors():
        main()
