"""Annotations, results files and run-length encodings in COCO's formats, read and written."""
