"""Hosts: the parts of detectors that make masks and have them scored."""
