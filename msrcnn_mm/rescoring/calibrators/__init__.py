"""Corrections of one score by few numbers."""
