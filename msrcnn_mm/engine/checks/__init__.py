"""Checks before a run computes anything."""
