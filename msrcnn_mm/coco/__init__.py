"""Reads, checks and writes annotations, results and run-length encodings in COCO's formats."""
