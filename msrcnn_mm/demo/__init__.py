"""Draws the demo's data set."""
