"""Corrections of one score by few numbers, the simplest re-scorers."""
