"""Draws masks with their scores: ``python -m msrcnn_mm draw``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.draw import main

if __name__ == "__main__":
    with one_line_errors():
        main()
