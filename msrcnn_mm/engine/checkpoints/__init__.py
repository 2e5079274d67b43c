"""Safe loading of checkpoints, and their comparison with a model."""
