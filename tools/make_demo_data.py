"""Makes the demo data set: ``python -m msrcnn_mm demo-data``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["demo-data", *sys.argv[1:]])
