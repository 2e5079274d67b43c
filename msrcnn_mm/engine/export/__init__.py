"""Exports of detectors as ONNX files: their network, its operators, what is refused, the file."""
