"""Runs exported detectors with numpy, OpenCV and onnxruntime: images to scored masks."""
