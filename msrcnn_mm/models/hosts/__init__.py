"""Hosts: detectors, or their parts, that make masks and have them scored."""
