"""Weights and conventions of other codebases."""
