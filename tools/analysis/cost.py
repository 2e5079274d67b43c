"""Counts and times what detectors cost: ``python -m msrcnn_mm cost``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.cost import main

if __name__ == "__main__":
    with one_line_errors():
        main()
