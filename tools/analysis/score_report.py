"""Writes the report of scores: ``python -m msrcnn_mm report``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.report import main

if __name__ == "__main__":
    with one_line_errors():
        main()
