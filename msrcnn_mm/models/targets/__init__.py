"""Targets that scorers are trained toward."""
