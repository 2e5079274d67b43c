"""Predictions of a user's own images: inputs, finished images, outputs, and the run."""
