"""Weights and conventions of other codebases: maskrcnn-benchmark, Detectron, YOLACT."""
