"""Checkpoints: loaded as data only, and compared with the model."""
