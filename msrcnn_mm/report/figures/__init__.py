"""Figures of the report and of the correlate command."""
