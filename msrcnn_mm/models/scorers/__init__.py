"""Scorers: networks that predict mask IoUs, and the baseline that needs none."""
