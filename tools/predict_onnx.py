"""Predicts images by an exported detector: ``python -m msrcnn_mm predict-onnx``."""

import sys

from msrcnn_mm.__main__ import main

if __name__ == "__main__":
    main(["predict-onnx", *sys.argv[1:]])
