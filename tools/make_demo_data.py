"""Makes the demo's data: ``python -m msrcnn_mm demo-data``."""

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.cli.demo_data import main

if __name__ == "__main__":
    with one_line_errors():
        main()
