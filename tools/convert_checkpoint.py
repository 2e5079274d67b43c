"""Converts a checkpoint of another codebase, or back: ``python -m msrcnn_mm convert``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.convert import main

if __name__ == "__main__":
    with one_line_errors():
        main()
